"""From a question to the rows of a turn and the request for the model."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import orjson

import models
from domain import catalog, conversations
from domain.admission import Admission, Permit
from domain.agents import AgentSpec, Knowledge, Sampling
from domain.completions.names import Agent, Names
from domain.gateways.parameters import Flag
from domain.identity import Principal
from domain.turns import prompt
from engine import ChatRequest
from errors import Invalid, NotConfigured, NotFound
from models.database import connection

__all__ = ["Ask", "Begun", "begin"]


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
    # A gateway by its id or slug, which then says which model it is.
    gateway: str | None = None
    action: str = "chat"
    knowledge: Knowledge | None = None
    # Whether the provider is asked to send the answer piece by piece.
    stream: bool = True


@dataclass(frozen=True, slots=True)
class Begun:
    turn: models.Turn
    question: models.Message
    conversation: models.Conversation
    agent: Agent
    request: ChatRequest
    permit: Permit

    @property
    def spec(self) -> AgentSpec:
        return self.agent.spec


async def begin(
    principal: Principal,
    ask: Ask,
    *,
    names: Names,
    admission: Admission,
    sampling: Sampling,
    instructions: str | None,
    owner: UUID,
    lease_seconds: float,
) -> Begun:
    """The question and the running turn are saved when this returns; the model has not been asked yet."""
    conversations.check_user(ask.external_user or ask.new_conversation_user)
    conversation, history = await _place(principal, ask)
    agent = await _agent(principal, ask, conversation, names, sampling, instructions)
    is_new = conversation is None
    conversation = conversation or models.Conversation(
        workspace_id=principal.workspace_id,
        external_user=ask.external_user or ask.new_conversation_user,
        model_id=_saved_id(agent),
    )
    replays = agent.parameters is not None and agent.parameters.has(Flag.INCLUDE_STORED_REASONING)
    request = prompt.gather(agent.spec, history, ask.text, with_reasoning=replays)
    likely = agent.likely(request)
    permit = await admission.admit(
        principal, estimate=likely.most, least=likely.least, tokens=likely.tokens, is_bound=likely.is_bound
    )
    turn, question = _rows(principal, ask, conversation, agent, history)
    turn.owner = owner
    try:
        await _save(turn, question, conversation if is_new else None, lease_seconds)
    except BaseException:
        permit.release(0)
        raise
    return Begun(turn, question, conversation, agent, request, permit)


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


async def _agent(
    principal: Principal,
    ask: Ask,
    conversation: models.Conversation | None,
    names: Names,
    sampling: Sampling,
    instructions: str | None,
) -> Agent:
    if ask.gateway is not None:
        if ask.model_id is not None:
            raise Invalid("modelId", "must be left out when a gateway is asked: it has a model of its own")
        agent = await names.gateway(principal, ask.gateway)
        return replace(agent, spec=replace(agent.spec, knowledge=ask.knowledge))
    row = None
    if ask.model_id is not None:
        row = await catalog.find(principal, ask.model_id)
    elif conversation is not None and conversation.model_id is not None:
        row = await catalog.visible_to(principal).get_or_none(id=conversation.model_id).select_related("provider")
    row = row or await catalog.default_model(principal)
    if row is None:
        raise NotConfigured(next(iter(names.problems), "No model is configured"))
    agent = names.of_row(row)
    spec = replace(agent.spec, instructions=instructions, sampling=sampling, knowledge=ask.knowledge)
    return replace(agent, spec=spec)


def _saved_id(agent: Agent) -> UUID | None:
    """Of a model that is set up; others are known to the catalog or to their gateway only."""
    return agent.targets[0].model_id


def _rows(
    principal: Principal,
    ask: Ask,
    conversation: models.Conversation,
    agent: Agent,
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
        model_id=_saved_id(agent),
        question_id=question.id,
        answer_id=models.new_id(models.Kind.MESSAGE),
        continues=ask.after_id is None,
        action=ask.action,
        provider_name=agent.spec.provider_name,
        model_name=agent.spec.model.name,
        external_user=conversation.external_user,
        api_key_id=principal.key_id,
        started_at=datetime.now(UTC),
    )
    question.turn_id = turn.id
    return turn, question
