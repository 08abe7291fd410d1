"""Database rows: columns and relations, no policy."""

from models.collections import (
    Chunk,
    Collection,
    CollectionKind,
    Content,
    Embedder,
    IndexState,
    KnowledgeDocument,
    RetrievalLog,
)
from models.conversations import Conversation, Message, Part
from models.ids import Kind, kind_of, new_id, parse_id
from models.providers import Model, Provider
from models.sync import RecoveryReason, RecoveryRequest, RecoveryStatus, SyncCategory, SyncRecord, SyncSource
from models.turns import Turn, TurnEvent, TurnStatus, UsageRecord
from models.workspaces import ApiKey, Workspace

__all__ = [
    "ApiKey",
    "Chunk",
    "Collection",
    "CollectionKind",
    "Content",
    "Conversation",
    "Embedder",
    "IndexState",
    "Kind",
    "KnowledgeDocument",
    "Message",
    "Model",
    "Part",
    "Provider",
    "RecoveryReason",
    "RecoveryRequest",
    "RecoveryStatus",
    "RetrievalLog",
    "SyncCategory",
    "SyncRecord",
    "SyncSource",
    "Turn",
    "TurnEvent",
    "TurnStatus",
    "UsageRecord",
    "Workspace",
    "kind_of",
    "new_id",
    "parse_id",
]
