from enum import StrEnum
from uuid import UUID

from tortoise import fields
from tortoise.models import Model as Row

from models import ids
from models.columns import optional_text
from models.workspaces import Workspace

__all__ = ["Gateway", "Memory", "MemoryFormat", "Skill"]


class MemoryFormat(StrEnum):
    TEXT = "TEXT"
    DATE_REMINDER = "DATE_REMINDER"


# How a model answers under one name: what it is told, what it may look up and do, and where it runs.
class Gateway(Row):
    id = fields.UUIDField(primary_key=True, default=ids.gateway_id)
    workspace: fields.ForeignKeyRelation[Workspace] = fields.ForeignKeyField("models.Workspace", related_name=False)
    workspace_id: UUID
    name = fields.CharField(max_length=256)
    # Made of the name and the end of the id, so that no two gateways share one.
    slug = fields.CharField(max_length=300)
    # As `domain.gateways.parameters` reads them. What is secret in them stands sealed in `secrets`, by its path.
    parameters: fields.Field[dict[str, object]] = fields.JSONField(default=dict)
    secrets = optional_text()
    # One more with each change: whoever holds what was made of it sees that it is of yesterday.
    revision = fields.IntField(default=1)
    created_at = fields.DatetimeField(auto_now_add=True)
    updated_at = fields.DatetimeField(auto_now=True)

    class Meta:
        table = "gateways"
        unique_together = (("workspace", "slug"),)


# Instructions that a model loads when it needs them.
class Skill(Row):
    id = fields.UUIDField(primary_key=True, default=ids.skill_id)
    workspace: fields.ForeignKeyRelation[Workspace] = fields.ForeignKeyField("models.Workspace", related_name=False)
    workspace_id: UUID
    slug = fields.CharField(max_length=64)
    # The slug in small letters: two that differ in nothing else are the same.
    slug_key = fields.CharField(max_length=64)
    description = optional_text()
    instructions = fields.TextField()
    # Where more instructions come from; the values of their headers stand sealed in `secrets`.
    sources: fields.Field[list[dict[str, object]]] = fields.JSONField(default=list)
    secrets = optional_text()
    allowed_tools: fields.Field[list[str]] = fields.JSONField(default=list)
    created_at = fields.DatetimeField(auto_now_add=True)
    updated_at = fields.DatetimeField(auto_now=True)

    class Meta:
        table = "skills"
        unique_together = (("workspace", "slug_key"),)


# A fact about somebody who talks with us, kept across conversations until it expires.
class Memory(Row):
    id = fields.UUIDField(primary_key=True, default=ids.memory_id)
    workspace: fields.ForeignKeyRelation[Workspace] = fields.ForeignKeyField("models.Workspace", related_name=False)
    workspace_id: UUID
    external_user = fields.TextField()
    format = fields.CharEnumField(MemoryFormat, default=MemoryFormat.TEXT, max_length=16)
    content = fields.TextField()
    # Not a foreign key: a memory outlives the gateway it was told to.
    gateway_id = fields.UUIDField(null=True)
    created_at = fields.DatetimeField(auto_now_add=True)
    expires_at = fields.DatetimeField()

    class Meta:
        table = "memories"
        indexes = [("workspace_id", "external_user", "format", "id")]
