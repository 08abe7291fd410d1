from enum import StrEnum
from uuid import UUID

from tortoise import fields
from tortoise.models import Model as Row

from models import ids
from models.workspaces import ApiKey, Workspace

__all__ = ["Budget", "BudgetHold", "BudgetPeriod", "KeyActivity"]


class BudgetPeriod(StrEnum):
    TOTAL = "TOTAL"
    DAY = "DAY"
    MONTH = "MONTH"


# What a workspace, or one of its keys, may spend. Spent and held together never pass the limit by a reservation.
class Budget(Row):
    id = fields.UUIDField(primary_key=True, default=ids.budget_id)
    workspace: fields.ForeignKeyRelation[Workspace] = fields.ForeignKeyField("models.Workspace", related_name=False)
    workspace_id: UUID
    # Null: of the whole workspace.
    api_key: fields.ForeignKeyNullableRelation[ApiKey] = fields.ForeignKeyField(
        "models.ApiKey", related_name=False, null=True
    )
    api_key_id: UUID | None
    period = fields.CharEnumField(BudgetPeriod, default=BudgetPeriod.TOTAL, max_length=16)
    amount = fields.DecimalField(max_digits=18, decimal_places=9)
    spent = fields.DecimalField(max_digits=18, decimal_places=9, default=0)
    # What processes have put aside for calls that run; see `BudgetHold`.
    held = fields.DecimalField(max_digits=18, decimal_places=9, default=0)
    # When the present period began, in UTC.
    period_started_at = fields.DatetimeField(auto_now_add=True)
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "budgets"
        indexes = [("workspace_id", "api_key_id")]


# What one process holds of a budget, for as long as its lease; what a dead process held becomes free again.
class BudgetHold(Row):
    id = fields.BigIntField(primary_key=True, generated=True)
    budget: fields.ForeignKeyRelation[Budget] = fields.ForeignKeyField("models.Budget", related_name=False)
    budget_id: UUID
    owner = fields.UUIDField()
    amount = fields.DecimalField(max_digits=18, decimal_places=9)
    lease_expires_at = fields.DatetimeField()

    class Meta:
        table = "budget_holds"
        unique_together = (("budget", "owner"),)


# What one process did with a key that has a limit, in the last minute: told to the others, and worth nothing after it.
class KeyActivity(Row):
    id = fields.BigIntField(primary_key=True, generated=True)
    # Not a foreign key: a key that is deleted is nobody's limit any more.
    api_key_id = fields.UUIDField()
    owner = fields.UUIDField()
    # Since the epoch; the first number of each list is of this moment, the others are of those before it.
    slot = fields.BigIntField()
    requests: fields.Field[list[int]] = fields.JSONField(default=list)
    tokens: fields.Field[list[int]] = fields.JSONField(default=list)
    running = fields.IntField(default=0)
    seen_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "key_activity"
        unique_together = (("api_key_id", "owner"),)
