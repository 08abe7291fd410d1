"""From a question to the rows of a turn and the request for the model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import orjson

import models
from domain import catalog, conversations
from domain.agents import AgentSpec, Knowledge, Sampling
from domain.identity import Principal
from domain.turns import prompt
from engine import ChatRequest
from errors import Invalid, NotConfigured, NotFound
from models.database import connection

__all__ = ["Ask", "Begun", "Reach", "begin"]

# Sees to it that the engine can reach a provider; the name by which it finds it.
Reach = Callable[[models.Provider], str]


@dataclass(frozen=True, slots=True)
class Ask:
    """A question. Without a conversation a new one begins; with `after_id` a branch grows from that message."""

    text: str
    conversation_id: str | None = None
    after_id: str | None = None
    external_user: str | None = None
    # Whose a new conversation is when `external_user` is not given.
    new_conversation_user: str | None = None
    model_id: str | None = None
    action: str = "chat"
    knowledge: Knowledge | None = None
    # Whether the provider is asked to send the answer piece by piece.
    stream: bool = True


@dataclass(frozen=True, slots=True)
class Begun:
    turn: models.Turn
    question: models.Message
    conversation: models.Conversation
    spec: AgentSpec
    request: ChatRequest


async def begin(
    principal: Principal,
    ask: Ask,
    *,
    sampling: Sampling,
    instructions: str | None,
    owner: UUID,
    lease_seconds: float,
    reach: Reach,
    no_model: str,
) -> Begun:
    """The question and the running turn are saved when this returns; the model has not been asked yet."""
    conversations.check_user(ask.external_user or ask.new_conversation_user)
    conversation, history = await _place(principal, ask)
    spec = await _spec(principal, ask, conversation, sampling, instructions, reach, no_model)
    is_new = conversation is None
    conversation = conversation or models.Conversation(
        workspace_id=principal.workspace_id,
        external_user=ask.external_user or ask.new_conversation_user,
        model_id=spec.model.id,
    )
    turn, question = _rows(principal, ask, conversation, spec, history)
    turn.owner = owner
    await _save(turn, question, conversation if is_new else None, lease_seconds)
    return Begun(turn, question, conversation, spec, prompt.gather(spec, history, ask.text))


async def _save(
    turn: models.Turn, question: models.Message, new_conversation: models.Conversation | None, lease_seconds: float
) -> None:
    """All or nothing, and in one statement: this is what stands between a question and the model."""
    try:
        async with connection() as bare:
            await bare.execute(
                """
                WITH soon AS (
                    -- The model need not wait for the disk: a power cut could lose a question without an answer.
                    SELECT set_config('synchronous_commit', 'off', true)
                ), conversation AS (
                    INSERT INTO conversations (id, workspace_id, external_user, model_id, metadata, message_count,
                                               created_at, last_activity_at)
                    SELECT $1, $2, $3, $4, '{}', 0, $5, $5 WHERE $6
                ), question AS (
                    INSERT INTO messages (id, workspace_id, conversation_id, parent_id, turn_id, role, parts, text,
                                          created_at)
                    VALUES ($7, $2, $1, $8, $9, 'user', $10::text::jsonb, $11, $5)
                )
                INSERT INTO turns (id, workspace_id, conversation_id, model_id, question_id, answer_id, continues,
                                   status, action, provider_name, model_name, external_user, api_key_id, owner,
                                   lease_expires_at, last_sequence, started_at)
                SELECT $9, $2, $1, $4, $7, $12, $13, 'RUNNING', $14, $15, $16, $3, $17, $18,
                       now() + make_interval(secs => $19), 0, $5
                FROM soon
                """,
                turn.conversation_id,
                turn.workspace_id,
                turn.external_user,
                turn.model_id,
                turn.started_at,
                new_conversation is not None,
                question.id,
                question.parent_id,
                turn.id,
                orjson.dumps(question.parts).decode(),
                question.text,
                turn.answer_id,
                turn.continues,
                turn.action,
                turn.provider_name,
                turn.model_name,
                turn.api_key_id,
                turn.owner,
                lease_seconds,
            )
    except asyncpg.ForeignKeyViolationError:
        # Deleted a moment ago.
        raise NotFound("conversation", turn.conversation_id) from None


async def _place(principal: Principal, ask: Ask) -> tuple[models.Conversation | None, Sequence[models.Message]]:
    if ask.conversation_id is None:
        if ask.after_id is not None:
            raise Invalid("afterId", "names a message, so the conversation must be named too")
        return None, []
    conversation = await conversations.find(principal, ask.conversation_id, external_user=ask.external_user)
    leaf_id = conversation.leaf_id
    if ask.after_id is not None:
        leaf_id = models.parse_id(ask.after_id)
        if not await models.Message.filter(id=leaf_id, conversation_id=conversation.id).exists():
            raise NotFound("message", ask.after_id)
    return conversation, await conversations.path_to(leaf_id, limit=prompt.HISTORY_MESSAGES)


async def _spec(
    principal: Principal,
    ask: Ask,
    conversation: models.Conversation | None,
    sampling: Sampling,
    instructions: str | None,
    reach: Reach,
    no_model: str,
) -> AgentSpec:
    model = None
    if ask.model_id is not None:
        model = await catalog.find(principal, ask.model_id)
    elif conversation is not None and conversation.model_id is not None:
        model = await catalog.visible_to(principal).get_or_none(id=conversation.model_id).select_related("provider")
    model = model or await catalog.default_model(principal)
    if model is None:
        raise NotConfigured(no_model)
    provider = model.provider
    return AgentSpec(model, provider.name, instructions, sampling, knowledge=ask.knowledge, engine_name=reach(provider))


def _rows(
    principal: Principal,
    ask: Ask,
    conversation: models.Conversation,
    spec: AgentSpec,
    history: Sequence[models.Message],
) -> tuple[models.Turn, models.Message]:
    question = models.Message(
        workspace_id=principal.workspace_id,
        conversation_id=conversation.id,
        parent_id=history[-1].id if history else None,
        role="user",
        parts=[{"type": "text", "text": ask.text}],
        text=ask.text,
    )
    turn = models.Turn(
        workspace_id=principal.workspace_id,
        conversation_id=conversation.id,
        model_id=spec.model.id,
        question_id=question.id,
        answer_id=models.new_id(models.Kind.MESSAGE),
        continues=ask.after_id is None,
        action=ask.action,
        provider_name=spec.provider_name,
        model_name=spec.model.name,
        external_user=conversation.external_user,
        api_key_id=principal.key_id,
        started_at=datetime.now(UTC),
    )
    question.turn_id = turn.id
    return turn, question
