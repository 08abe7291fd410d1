from enum import StrEnum
from uuid import UUID

from tortoise import fields
from tortoise.models import Model as Row

from models import ids
from models.columns import optional_text
from models.conversations import Conversation
from models.providers import Model
from models.workspaces import Workspace

__all__ = ["Turn", "TurnEvent", "TurnStatus", "UsageRecord"]


class TurnStatus(StrEnum):
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"
    INTERRUPTED = "INTERRUPTED"

    @property
    def is_failure(self) -> bool:
        return self in (TurnStatus.FAILED, TurnStatus.INTERRUPTED)


# One answer being made, or made. While it runs it is leased to one process.
class Turn(Row):
    id = fields.UUIDField(primary_key=True, default=ids.turn_id)
    workspace: fields.ForeignKeyRelation[Workspace] = fields.ForeignKeyField("models.Workspace", related_name=False)
    workspace_id: UUID
    conversation: fields.ForeignKeyRelation[Conversation] = fields.ForeignKeyField(
        "models.Conversation", related_name=False
    )
    conversation_id: UUID
    model: fields.ForeignKeyNullableRelation[Model] = fields.ForeignKeyField(
        "models.Model", related_name=False, null=True, on_delete=fields.SET_NULL
    )
    model_id: UUID | None
    question_id = fields.UUIDField()
    # Given out at the start, so that every event can name the message it becomes.
    answer_id = fields.UUIDField()
    # Whether it goes on from the end of the conversation, or grows a branch from an earlier message.
    continues = fields.BooleanField(default=True)
    status = fields.CharEnumField(TurnStatus, default=TurnStatus.RUNNING, max_length=16)
    action = fields.CharField(max_length=32)
    provider_name = fields.TextField()
    model_name = fields.TextField()
    external_user = optional_text()
    api_key_id = fields.UUIDField(null=True)
    owner = fields.UUIDField()
    lease_expires_at = fields.DatetimeField()
    cancel_requested_at = fields.DatetimeField(null=True)
    last_sequence = fields.IntField(default=0)
    error_code = optional_text()
    error_message = optional_text()
    started_at = fields.DatetimeField(auto_now_add=True)
    first_token_at = fields.DatetimeField(null=True)
    finished_at = fields.DatetimeField(null=True)
    response_ms = fields.FloatField(null=True)

    class Meta:
        table = "turns"
        indexes = [("conversation_id", "id")]


# A run of consecutive events of one turn that were flushed together.
# One row per turn and flush instead of one per token: the events inside keep their own numbers, so that a reader may
# begin at any of them.
class TurnEvent(Row):
    id = fields.BigIntField(primary_key=True, generated=True)
    turn: fields.ForeignKeyRelation[Turn] = fields.ForeignKeyField("models.Turn", related_name=False)
    turn_id: UUID
    first_sequence = fields.IntField()
    last_sequence = fields.IntField()
    # JSON as it was encoded for the readers of this process; the database never looks inside.
    events = fields.TextField()
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "turn_events"
        unique_together = (("turn", "last_sequence"),)


# What one model call used. `turn` is unique: whatever happens, a turn is billed once.
class UsageRecord(Row):
    id = fields.UUIDField(primary_key=True, default=ids.usage_id)
    workspace: fields.ForeignKeyRelation[Workspace] = fields.ForeignKeyField("models.Workspace", related_name=False)
    workspace_id: UUID
    # Not a foreign key: usage outlives the conversation it was for.
    turn_id = fields.UUIDField(unique=True)
    api_key_id = fields.UUIDField(null=True)
    external_user = optional_text()
    provider_name = fields.TextField()
    model_name = fields.TextField()
    vendor = fields.TextField()
    action = fields.CharField(max_length=32)
    input_tokens = fields.IntField()
    output_tokens = fields.IntField()
    cached_tokens = fields.IntField(default=0)
    estimated = fields.BooleanField(default=False)
    cost = fields.DecimalField(max_digits=18, decimal_places=9)
    # What a million tokens cost when it was billed; null when nobody knew.
    input_price = fields.DecimalField(max_digits=18, decimal_places=6, null=True)
    output_price = fields.DecimalField(max_digits=18, decimal_places=6, null=True)
    cached_price = fields.DecimalField(max_digits=18, decimal_places=6, null=True)
    # Which gateway was asked; not a foreign key, as usage outlives it.
    gateway_id = fields.UUIDField(null=True)
    # What else was paid for to make this answer (choosing a model, rewriting a question, a search): part of the sums.
    items: fields.Field[list[dict[str, object]]] = fields.JSONField(default=list)
    success = fields.BooleanField()
    error_code = optional_text()
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "usage_records"
        indexes = [("workspace_id", "created_at"), ("workspace_id", "external_user", "created_at")]
