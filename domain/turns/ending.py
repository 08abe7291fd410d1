"""How a turn ends: answer, usage, status and last event in one transaction, once, whoever does it."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import orjson

import models
from domain import conversations, parts, usage
from domain.billing import Bill, bill
from domain.turns.events import (
    ReasoningAdded,
    TextAdded,
    ToolCalled,
    ToolReturned,
    TurnEvent,
    TurnFacts,
    TurnOutcome,
    encode,
    last_type,
)
from domain.turns.log import CHANNEL, TurnLog
from domain.turns.prompt import estimate_tokens
from domain.usage import UsageItem
from engine.events import Usage
from models.database import Unreachable, connection, row_of, transaction

__all__ = ["Ending", "end", "interrupt_expired", "parts_of", "text_of"]

_logger = logging.getLogger(__name__)

# So many turns of dead processes are ended in one go; the next ones come a few seconds later.
_EXPIRED_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Ending:
    """What is known when the model has said its last word. `usage` is None when the provider did not report it."""

    status: models.TurnStatus
    parts: list[models.Part]
    usage: Usage | None
    last_event: TurnEvent
    unsaved: Sequence[TurnEvent]
    error_code: str | None = None
    error_message: str | None = None
    first_token_at: datetime | None = None
    response_ms: float | None = None
    # Who answered, where that is not the model of the turn; what else was paid for, and through which gateway.
    model: models.Model | None = None
    items: tuple[UsageItem, ...] = ()
    gateway_id: UUID | None = None


async def end(turn: models.Turn, ending: Ending) -> TurnOutcome | None:
    """Nothing when the turn has been ended already, or its conversation deleted: then only what it cost is written."""
    async with transaction(), connection() as bare:
        closed = await _close_turn(bare, turn, ending)
        if closed is None:
            await _bill_deleted(bare, turn, ending)
            return None
        answer = _answer(turn, ending)
        if answer is not None:
            await _extend_conversation(bare, turn, answer, closed, ending)
        used = ending.usage or _estimate(ending, closed["question_text"])
        conversation = await _settle(bare, turn, ending, used, closed)
    turn.status, turn.finished_at = ending.status, datetime.fromtimestamp(ending.last_event.moment, UTC)
    turn.first_token_at, turn.response_ms = ending.first_token_at, ending.response_ms
    turn.error_code, turn.error_message = ending.error_code, ending.error_message
    turn.last_sequence = ending.last_event.sequence
    return TurnOutcome(turn, conversation, answer, used)


async def _close_turn(bare: asyncpg.Connection, turn: models.Turn, ending: Ending) -> asyncpg.Record | None:
    """What the rest of the ending needs to know, if the turn was still ours to end. Locks the conversation.

    The conversation first and then the turn, as deleting a conversation does: the other way round they would wait for
    each other.
    """
    return await bare.fetchrow(
        """
        WITH conversation AS (
            SELECT id, leaf_id FROM conversations WHERE id = $10 FOR UPDATE
        ), closed AS (
            UPDATE turns SET status = $3, finished_at = to_timestamp($4), first_token_at = $5, response_ms = $6,
                             last_sequence = $7, error_code = $8, error_message = $9
            FROM conversation
            WHERE turns.id = $1 AND owner = $2 AND status = 'RUNNING' AND conversation_id = conversation.id
            RETURNING question_id, conversation.leaf_id, turns.model_id
        )
        SELECT question.id AS question_id, question.parent_id AS question_parent_id, question.text AS question_text,
               closed.leaf_id, coalesce(models.vendor, 'unknown') AS vendor, models.input_price, models.output_price,
               models.cached_price
        FROM closed JOIN messages question ON question.id = closed.question_id
             LEFT JOIN models ON models.id = closed.model_id
        """,
        turn.id,
        turn.owner,
        ending.status.value,
        ending.last_event.moment,
        ending.first_token_at,
        ending.response_ms,
        ending.last_event.sequence,
        ending.error_code,
        ending.error_message,
        turn.conversation_id,
    )


def _answer(turn: models.Turn, ending: Ending) -> models.Message | None:
    if not ending.parts and ending.status is not models.TurnStatus.COMPLETED:
        return None
    return models.Message(
        id=turn.answer_id,
        workspace_id=turn.workspace_id,
        conversation_id=turn.conversation_id,
        parent_id=turn.question_id,
        turn_id=turn.id,
        role="assistant",
        parts=ending.parts,
        text=text_of(ending.parts),
        created_at=datetime.fromtimestamp(ending.last_event.moment, UTC),
    )


async def _extend_conversation(
    bare: asyncpg.Connection,
    turn: models.Turn,
    answer: models.Message,
    closed: asyncpg.Record,
    ending: Ending,
) -> None:
    """A question that got no answer at all stays a side branch: nothing is lost, and the model never sees it again."""
    # Another turn of this conversation may have ended meanwhile: this one comes after it, so that neither is hidden.
    follows = closed["leaf_id"] if turn.continues else closed["question_parent_id"]
    await bare.execute(
        """
        WITH moved AS (
            UPDATE messages SET parent_id = $10 WHERE id = $4 AND parent_id IS DISTINCT FROM $10
        ), answer AS (
            INSERT INTO messages (id, workspace_id, conversation_id, parent_id, turn_id, role, parts, text, created_at)
            VALUES ($1, $2, $3, $4, $5, 'assistant', $6::text::jsonb, $7, $8)
        )
        UPDATE conversations SET leaf_id = $1, last_activity_at = $8, last_response_ms = $9,
               title = coalesce(title, $11), model_id = coalesce(model_id, $12), message_count = message_count + 2
        WHERE id = $3
        """,
        answer.id,
        answer.workspace_id,
        answer.conversation_id,
        answer.parent_id,
        answer.turn_id,
        orjson.dumps(answer.parts).decode(),
        answer.text,
        answer.created_at,
        ending.response_ms,
        follows,
        conversations.title_from(closed["question_text"]),
        turn.model_id,
    )
    if not turn.continues:
        await bare.execute(
            "UPDATE conversations SET message_count = $2 WHERE id = $1",
            turn.conversation_id,
            await _length(bare, answer.id),
        )


async def _length(bare: asyncpg.Connection, leaf_id: UUID) -> int:
    """How many messages the branch has that the conversation now continues."""
    found: int = await bare.fetchval(
        """
        WITH RECURSIVE path AS (
            SELECT id, parent_id FROM messages WHERE id = $1
            UNION ALL SELECT m.id, m.parent_id FROM path JOIN messages m ON m.id = path.parent_id
        ) SELECT count(*) FROM path
        """,
        leaf_id,
    )
    return found


async def _settle(
    bare: asyncpg.Connection, turn: models.Turn, ending: Ending, used: Usage, closed: asyncpg.Record
) -> models.Conversation:
    """The last events, written together with a word to whoever waits for them, and what it cost.

    Budgets last: other turns wait for the same ones, and should not for long.
    """
    events = [*ending.unsaved, ending.last_event]
    record = await bare.fetchrow(
        """
        WITH saved AS (
            INSERT INTO turn_events (turn_id, first_sequence, last_sequence, events, created_at)
            VALUES ($1, $2, $3, $4, now())
            -- A process that was taken for dead may have saved an event of this number: the end is what counts.
            ON CONFLICT (turn_id, last_sequence) DO UPDATE
                SET first_sequence = excluded.first_sequence, events = excluded.events
        ), told AS (
            SELECT pg_notify($5, $6)
        )
        SELECT conversations.* FROM conversations, told WHERE id = $7
        """,
        turn.id,
        events[0].sequence,
        events[-1].sequence,
        encode(events),
        CHANNEL,
        str(turn.id),
        turn.conversation_id,
    )
    assert record is not None, "the conversation is locked since the turn was closed"
    model = ending.model or models.Model(
        name=turn.model_name,
        vendor=closed["vendor"],
        input_price=closed["input_price"],
        output_price=closed["output_price"],
        cached_price=closed["cached_price"],
    )
    await bill(bare, [_bill(turn, ending, used, model)])
    return row_of(models.Conversation, record)


async def _bill_deleted(bare: asyncpg.Connection, turn: models.Turn, ending: Ending) -> None:
    """The conversation is gone and the turn with it; what the model was asked is paid for all the same."""
    if await models.Turn.exists(id=turn.id):
        return
    model = ending.model or await models.Model.get_or_none(id=turn.model_id)
    model = model or models.Model(name=turn.model_name, vendor="unknown")
    await bill(bare, [_bill(turn, ending, ending.usage or _estimate(ending, ""), model)])


def _bill(turn: models.Turn, ending: Ending, used: Usage, model: models.Model) -> Bill:
    return Bill(
        id=models.new_id(models.Kind.USAGE),
        workspace_id=turn.workspace_id,
        turn_id=turn.id,
        api_key_id=turn.api_key_id,
        gateway_id=ending.gateway_id,
        external_user=turn.external_user,
        provider_name=turn.provider_name,
        model_name=model.name,
        vendor=model.vendor,
        action=turn.action,
        input_tokens=used.input_tokens,
        output_tokens=used.output_tokens,
        cached_tokens=used.cached_tokens,
        estimated=used.estimated,
        cost=usage.cost_of(used, model, ending.items),
        input_price=model.input_price,
        output_price=model.output_price,
        cached_price=model.cached_price,
        items=usage.items_json(ending.items),
        success=not ending.status.is_failure,
        error_code=ending.error_code,
        created_at=datetime.fromtimestamp(ending.last_event.moment, UTC),
    )


def _estimate(ending: Ending, question: str) -> Usage:
    if not ending.parts and ending.status is models.TurnStatus.FAILED:
        return Usage(0, 0)
    written = "".join(part.get("text", "") + part.get("arguments", "") for part in ending.parts)
    return Usage(estimate_tokens(question), estimate_tokens(written) if written else 0, estimated=True)


async def interrupt_expired(log: TurnLog) -> int:
    """End the turns whose process is gone, with all the text that was saved; how many they were."""
    async with connection() as bare:
        # By the clock of the database, which all processes share.
        rows = await bare.fetch(
            "SELECT * FROM turns WHERE status = 'RUNNING' AND lease_expires_at < now()"
            " ORDER BY lease_expires_at LIMIT $1",
            _EXPIRED_AT_ONCE,
        )
    for turn in (row_of(models.Turn, row) for row in rows):
        try:
            await _interrupt(turn, log)
        except Unreachable:
            raise
        except Exception:  # One that cannot be ended must not keep the others running.
            _logger.exception("turn of a dead process could not be ended", extra={"turn_id": str(turn.id)})
    return len(rows)


async def _interrupt(turn: models.Turn, log: TurnLog) -> None:
    events: list[TurnEvent] = []
    while more := await log.read(turn, events[-1].sequence if events else 0):
        events += more
    await end(turn, _interruption(turn, events))


def _interruption(turn: models.Turn, events: list[TurnEvent]) -> Ending:
    was_cancelled = turn.cancel_requested_at is not None
    status = models.TurnStatus.CANCELLED if was_cancelled else models.TurnStatus.INTERRUPTED
    spoken = [event for event in events if isinstance(event, TextAdded | ReasoningAdded)]
    return Ending(
        status,
        parts_of(events),
        None,
        last_type(status)(TurnFacts.of(turn), events[-1].sequence + 1 if events else 1, time.time()),
        [],
        None if was_cancelled else "interrupted",
        None if was_cancelled else "The process that made this answer ended before it was complete.",
        spoken[0].at if spoken else None,
    )


def parts_of(events: Sequence[TurnEvent]) -> list[models.Part]:
    """The message that these events make."""
    return parts.joined(part for event in events if (part := _part_of(event)) is not None)


def _part_of(event: TurnEvent) -> models.Part | None:
    match event:
        case TextAdded():
            return {"type": "text", "text": event.text}
        case ReasoningAdded():
            return {"type": "reasoning", "text": event.text}
        case ToolCalled():
            return parts.called(event.call_id, event.tool, event.arguments)
        case ToolReturned():
            return parts.returned(event.call_id, event.result)
    return None


def text_of(said: Sequence[models.Part]) -> str:
    return "".join(part["text"] for part in said if part["type"] == "text")
