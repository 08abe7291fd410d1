"""Database rows: columns and relations, no policy."""

from models.conversations import Conversation, Message, Part
from models.ids import Kind, kind_of, new_id, parse_id
from models.providers import Model, Provider
from models.turns import Turn, TurnEvent, TurnStatus, UsageRecord
from models.workspaces import ApiKey, Workspace

__all__ = [
    "ApiKey",
    "Conversation",
    "Kind",
    "Message",
    "Model",
    "Part",
    "Provider",
    "Turn",
    "TurnEvent",
    "TurnStatus",
    "UsageRecord",
    "Workspace",
    "kind_of",
    "new_id",
    "parse_id",
]
