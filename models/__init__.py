"""Database rows: columns and relations, no policy."""

from models.budgets import Budget, BudgetHold, BudgetPeriod, KeyActivity
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
from models.gateways import Gateway, Memory, MemoryFormat, Skill
from models.ids import Kind, kind_of, new_id, parse_id
from models.providers import Model, ModelRoute, ModelRouteTarget, Provider
from models.sync import RecoveryReason, RecoveryRequest, RecoveryStatus, SyncCategory, SyncRecord, SyncSource
from models.turns import Turn, TurnEvent, TurnStatus, UsageRecord
from models.usage import UsageDay, UsageUserDay
from models.workspaces import ApiKey, Workspace

__all__ = [
    "ApiKey",
    "Budget",
    "BudgetHold",
    "BudgetPeriod",
    "Chunk",
    "Collection",
    "CollectionKind",
    "Content",
    "Conversation",
    "Embedder",
    "Gateway",
    "IndexState",
    "KeyActivity",
    "Kind",
    "KnowledgeDocument",
    "Memory",
    "MemoryFormat",
    "Message",
    "Model",
    "ModelRoute",
    "ModelRouteTarget",
    "Part",
    "Provider",
    "RecoveryReason",
    "RecoveryRequest",
    "RecoveryStatus",
    "RetrievalLog",
    "Skill",
    "SyncCategory",
    "SyncRecord",
    "SyncSource",
    "Turn",
    "TurnEvent",
    "TurnStatus",
    "UsageDay",
    "UsageRecord",
    "UsageUserDay",
    "Workspace",
    "kind_of",
    "new_id",
    "parse_id",
]
