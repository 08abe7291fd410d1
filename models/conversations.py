from typing import TypedDict
from uuid import UUID

from tortoise import fields
from tortoise.models import Model as Row

from models import ids
from models.columns import optional_text
from models.providers import Model
from models.workspaces import Workspace

__all__ = ["Conversation", "Message", "Part"]


class Part(TypedDict, total=False):
    """One piece of a message. `type` is text, reasoning, tool_call or tool_result; the rest depends on it."""

    type: str
    text: str
    call_id: str
    tool: str
    arguments: str
    result: object


class Conversation(Row):
    id = fields.UUIDField(primary_key=True, default=ids.conversation_id)
    workspace: fields.ForeignKeyRelation[Workspace] = fields.ForeignKeyField("models.Workspace", related_name=False)
    workspace_id: UUID
    external_user = optional_text()
    title = optional_text()
    model: fields.ForeignKeyNullableRelation[Model] = fields.ForeignKeyField(
        "models.Model", related_name=False, null=True, on_delete=fields.SET_NULL
    )
    model_id: UUID | None
    metadata: fields.Field[dict[str, object]] = fields.JSONField(default=dict)
    # Of conversations that come through the gateway: whose key brought them, and the caller's own word for this one.
    # Under the same word it is brought again, as it is by then.
    api_key_id = fields.UUIDField(null=True)
    idempotency_key = optional_text()
    # The last message of the branch that is being continued. No foreign key: it would make a circle of two tables.
    leaf_id = fields.UUIDField(null=True)
    message_count = fields.IntField(default=0)
    last_response_ms = fields.FloatField(null=True)
    created_at = fields.DatetimeField(auto_now_add=True)
    last_activity_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "conversations"
        indexes = [("workspace_id", "last_activity_at", "id"), ("workspace_id", "external_user", "last_activity_at")]


# One utterance. `parent` makes a tree: editing or answering again makes a sibling.
class Message(Row):
    id = fields.UUIDField(primary_key=True, default=ids.message_id)
    workspace: fields.ForeignKeyRelation[Workspace] = fields.ForeignKeyField("models.Workspace", related_name=False)
    workspace_id: UUID
    conversation: fields.ForeignKeyRelation[Conversation] = fields.ForeignKeyField(
        "models.Conversation", related_name=False
    )
    conversation_id: UUID
    parent_id = fields.UUIDField(null=True)
    turn_id = fields.UUIDField(null=True)
    role = fields.CharField(max_length=16)
    parts: fields.Field[list[Part]] = fields.JSONField(default=list)
    # The text parts joined, kept beside them because search and history read nothing else.
    text = fields.TextField(default="")
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "messages"
        indexes = [("conversation_id", "parent_id"), ("turn_id",)]
