from uuid import UUID

from tortoise import fields
from tortoise.models import Model as Row

from models import ids
from models.columns import optional_text

__all__ = ["ApiKey", "Workspace"]


class Workspace(Row):
    id = fields.UUIDField(primary_key=True, default=ids.workspace_id)
    name = fields.TextField()
    # Whether what is said to models through the gateway is kept.
    allows_logging = fields.BooleanField(default=True)
    # Whether broken JSON is repaired although nobody asked for it to be.
    heals_json = fields.BooleanField(default=False)
    # What outgoing calls are signed with, sealed. Whoever receives them knows it, and it is replaced when told too far.
    salt = optional_text()
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "workspaces"


# A key's digest and what it opens; the key itself is shown once and never kept.
class ApiKey(Row):
    id = fields.UUIDField(primary_key=True, default=ids.api_key_id)
    workspace: fields.ForeignKeyRelation[Workspace] = fields.ForeignKeyField("models.Workspace", related_name=False)
    workspace_id: UUID
    kind = fields.CharField(max_length=16)
    label = optional_text()
    preview = fields.CharField(max_length=32)
    digest = fields.CharField(max_length=64, unique=True)
    allowed_domains: fields.Field[list[str]] = fields.JSONField(default=list)
    source = optional_text()
    # What this key may do at most; null is without a limit of its own.
    requests_per_minute = fields.IntField(null=True)
    tokens_per_minute = fields.IntField(null=True)
    calls_at_once = fields.IntField(null=True)
    created_at = fields.DatetimeField(auto_now_add=True)
    expires_at = fields.DatetimeField(null=True)
    last_used_at = fields.DatetimeField(null=True)
    revoked_at = fields.DatetimeField(null=True)

    class Meta:
        table = "api_keys"
        indexes = [("workspace_id", "id")]
