from uuid import UUID

from tortoise import fields
from tortoise.models import Model as Row

from models.columns import optional_text
from models.workspaces import Workspace

__all__ = ["UsageDay", "UsageUserDay"]


# What stands in all usage records of a day (UTC), added up as they are written: reports read days, not calls.
class UsageDay(Row):
    id = fields.BigIntField(primary_key=True, generated=True)
    workspace: fields.ForeignKeyRelation[Workspace] = fields.ForeignKeyField("models.Workspace", related_name=False)
    workspace_id: UUID
    day = fields.DateField()
    model_name = fields.TextField()
    vendor = fields.TextField()
    api_key_id = fields.UUIDField(null=True)
    gateway_id = fields.UUIDField(null=True)
    requests = fields.BigIntField()
    successes = fields.BigIntField()
    input_tokens = fields.BigIntField()
    output_tokens = fields.BigIntField()
    cached_tokens = fields.BigIntField()
    cost = fields.DecimalField(max_digits=24, decimal_places=9)

    class Meta:
        table = "usage_days"


# The same by user. Apart, because users are many: together they would be as many rows as there are calls.
class UsageUserDay(Row):
    id = fields.BigIntField(primary_key=True, generated=True)
    workspace: fields.ForeignKeyRelation[Workspace] = fields.ForeignKeyField("models.Workspace", related_name=False)
    workspace_id: UUID
    day = fields.DateField()
    external_user = optional_text()
    requests = fields.BigIntField()
    successes = fields.BigIntField()
    input_tokens = fields.BigIntField()
    output_tokens = fields.BigIntField()
    cached_tokens = fields.BigIntField()
    cost = fields.DecimalField(max_digits=24, decimal_places=9)

    class Meta:
        table = "usage_user_days"
