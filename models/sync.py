from enum import StrEnum
from uuid import UUID

from tortoise import fields
from tortoise.models import Model as Row

from models import ids
from models.collections import Collection
from models.workspaces import Workspace

__all__ = ["RecoveryReason", "RecoveryRequest", "RecoveryStatus", "SyncCategory", "SyncRecord", "SyncSource"]


class RecoveryReason(StrEnum):
    CACHE_MISS = "CACHE_MISS"
    REBUILD = "REBUILD"


class RecoveryStatus(StrEnum):
    PENDING = "PENDING"
    FULFILLED = "FULFILLED"


# A system of the customer's that pushes its records. Its key carries its name.
class SyncSource(Row):
    id = fields.UUIDField(primary_key=True, default=ids.sync_source_id)
    workspace: fields.ForeignKeyRelation[Workspace] = fields.ForeignKeyField("models.Workspace", related_name=False)
    workspace_id: UUID
    name = fields.TextField()
    last_heartbeat_at = fields.DatetimeField(null=True)
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "sync_sources"
        unique_together = (("workspace", "name"),)


# A kind of record of one source. Its records are the documents of a collection of its own.
class SyncCategory(Row):
    id = fields.UUIDField(primary_key=True, default=ids.sync_category_id)
    workspace: fields.ForeignKeyRelation[Workspace] = fields.ForeignKeyField("models.Workspace", related_name=False)
    workspace_id: UUID
    source: fields.ForeignKeyRelation[SyncSource] = fields.ForeignKeyField("models.SyncSource", related_name=False)
    source_id: UUID
    collection: fields.OneToOneRelation[Collection] = fields.OneToOneField("models.Collection", related_name=False)
    collection_id: UUID
    name = fields.TextField()
    display_name = fields.TextField()
    columns: fields.Field[list[str]] = fields.JSONField(default=list)
    last_synced_at = fields.DatetimeField(null=True)
    created_at = fields.DatetimeField(auto_now_add=True)
    updated_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "sync_categories"
        unique_together = (("source", "name"),)


# One record as the source knows it. What it said may be gone from here; then the source is asked for it again.
class SyncRecord(Row):
    id = fields.UUIDField(primary_key=True, default=ids.sync_record_id)
    workspace_id = fields.UUIDField()
    category: fields.ForeignKeyRelation[SyncCategory] = fields.ForeignKeyField(
        "models.SyncCategory", related_name=False
    )
    category_id: UUID
    external_id = fields.TextField()
    digest = fields.CharField(max_length=64)
    payload: fields.Field[dict[str, object] | None] = fields.JSONField(null=True)
    document_id = fields.UUIDField()
    characters = fields.IntField()
    shards = fields.IntField()
    updated_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "sync_records"
        unique_together = (("category", "external_id"),)
        indexes = [("document_id",)]


class RecoveryRequest(Row):
    id = fields.UUIDField(primary_key=True, default=ids.recovery_request_id)
    workspace: fields.ForeignKeyRelation[Workspace] = fields.ForeignKeyField("models.Workspace", related_name=False)
    workspace_id: UUID
    category: fields.ForeignKeyRelation[SyncCategory] = fields.ForeignKeyField(
        "models.SyncCategory", related_name=False
    )
    category_id: UUID
    external_id = fields.TextField()
    reason = fields.CharEnumField(RecoveryReason, max_length=16)
    status = fields.CharEnumField(RecoveryStatus, default=RecoveryStatus.PENDING, max_length=16)
    created_at = fields.DatetimeField(auto_now_add=True)
    fulfilled_at = fields.DatetimeField(null=True)

    class Meta:
        table = "recovery_requests"
        indexes = [("category_id", "status", "id")]
