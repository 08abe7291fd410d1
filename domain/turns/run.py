"""One turn while it runs in this process."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from datetime import UTC, datetime

import models
from domain.answering import Answering, Returned, content_of
from domain.preparing import Bill, Prepared
from domain.turns import ending
from domain.turns.beginning import Begun
from domain.turns.events import (
    ReasoningAdded,
    TextAdded,
    ToolCalled,
    ToolReturned,
    TurnEvent,
    TurnOutcome,
    TurnStarted,
    last_type,
)
from domain.turns.log import TurnLog
from engine import Engine, Packet
from engine.events import Reasoning, Text, ToolCall, Usage
from errors import Conflict, PlatformError, ProviderFailed, Unavailable
from models import database

__all__ = ["Prepare", "Run"]

# Makes what the model is asked; writes down what that cost, and what has to be closed at the end.
Prepare = Callable[[Bill, AsyncExitStack], Awaitable[Prepared]]

_logger = logging.getLogger(__name__)

# How long the end of a turn waits for a database that is away.
_ENDING_SECONDS = 60.0


class Run:
    def __init__(
        self,
        begun: Begun,
        engine: Engine,
        log: TurnLog,
        *,
        prepare: Prepare,
        stream: bool,
    ) -> None:
        self._begun, self._engine, self._log, self._stream, self._prepare = begun, engine, log, stream, prepare
        self.turn = begun.turn
        self.live = log.begin(begun.turn)
        self.error: PlatformError | None = None
        self._said: list[TurnEvent] = []
        # What was paid for before the question was asked.
        self.bill = Bill()
        self._prepared: Prepared | None = None
        self._answering: Answering | None = None
        self._first_token_at: datetime | None = None
        self._stopping: models.TurnStatus | None = None
        self._asking = False
        self._began = time.perf_counter()
        self.live.append(TurnStarted(self.live.facts, 1, time.time()))
        self.task = asyncio.create_task(self._run(), name=f"turn {begun.turn.id}")

    def stop(self, status: models.TurnStatus) -> None:
        """End it early, with what it has. What has begun to end already ends as it was going to."""
        if self._stopping is not None or self.task.done():
            return
        self._stopping = status
        # Not before the task has taken its first step, nor while it writes the end: neither may be torn.
        if self._asking:
            self.task.cancel()

    async def _run(self) -> TurnOutcome:
        try:
            if self._stopping is None:
                self._asking = True
                await self._ask()
        except asyncio.CancelledError:
            self._stopping = self._stopping or models.TurnStatus.INTERRUPTED
        except PlatformError as exc:
            self.error = exc
        except Exception:  # A bug of ours must end this turn only, and be seen.
            _logger.exception("turn failed", extra={"turn_id": self.live.facts.turn_id})
            self.error = Unavailable("The answer could not be completed because of an internal error")
        self._asking = False
        try:
            return await self._end()
        finally:
            self._log.end(self.turn.id)
            # Also when the end could not be written.
            self._begun.permit.release()

    async def _ask(self) -> None:
        async with AsyncExitStack() as closing:
            prepared = self._prepared = await self._prepare(self.bill, closing)
            self._answering = Answering(
                self._engine,
                prepared.targets,
                prepared.request,
                prepared.tools,
                stream=self._stream,
                max_rounds=self._begun.spec.max_rounds,
                before_round=prepared.before_round,
                reading=prepared.reading,
            )
            async with aclosing(self._answering.steps()) as steps:
                async for step in steps:
                    if isinstance(step, Packet):
                        self._hear(step)
                    elif isinstance(step, Returned):
                        self._tell(step)

    def _hear(self, packet: Packet) -> None:
        facts, live, said = self.live.facts, self.live, self._said
        sequence, now = live.last_sequence, time.time()
        for heard in packet.heard:
            for event in heard.events:
                match event:
                    case Text():
                        made: TurnEvent = TextAdded(facts, sequence + 1, now, _writable(event.text))
                    case Reasoning():
                        made = ReasoningAdded(facts, sequence + 1, now, _writable(event.text))
                    case ToolCall():
                        made = ToolCalled(facts, sequence + 1, now, event.id, event.name, _writable(event.arguments))
                    case _:
                        continue
                sequence += 1
                said.append(made)
                live.append(made)
        if self._first_token_at is None and said:
            self._first_token_at = datetime.fromtimestamp(now, UTC)

    def _tell(self, returned: Returned) -> None:
        result = content_of(returned.result)
        made = ToolReturned(self.live.facts, self.live.last_sequence + 1, time.time(), returned.call.id, result)
        self._said.append(made)
        self.live.append(made)

    # ---------------------------------------------------------------- the end

    async def _end(self) -> TurnOutcome:
        status = self._status()
        if status is models.TurnStatus.INTERRUPTED and self.error is None:
            self.error = Unavailable("The server stopped before the answer was complete")
        last = last_type(status)(self.live.facts, self.live.last_sequence + 1, time.time())
        response_ms = round((time.perf_counter() - self._began) * 1000, 1)
        outcome = await self._write(
            ending.Ending(
                status,
                ending.parts_of(self._said),
                self._usage(),
                last,
                self.live.unsaved(),
                self.error.code if self.error else None,
                _sentence(self.error) if self.error else None,
                self._first_token_at,
                response_ms,
                self._model(),
                self.bill.items,
                self._begun.agent.gateway.id if self._begun.agent.gateway else None,
            )
        )
        # What it cost is written down; what was put aside for it is free again.
        self._begun.permit.release(_tokens(outcome))
        if outcome is None:
            # Whoever ended it wrote the last event; readers here go on from what is saved.
            self.error = self.error or Conflict("The turn was ended elsewhere")
            return TurnOutcome(self.turn, self._begun.conversation, None)
        last.outcome = outcome
        self.live.append(last)
        self.live.mark_saved(last.sequence)
        return outcome

    def _usage(self) -> Usage | None:
        """None when a model was asked and did not say."""
        if self._answering is None or not self._answering.rounds:
            return Usage(0, 0)
        if self._answering.usage is None:
            return None
        return self._answering.used(has_failed=self.error is not None)

    def _model(self) -> models.Model | None:
        """Who answered, or was chosen to; None when it is who the turn was begun with."""
        target = self._answering.target if self._answering else None
        if target is not None and target.model_id in self._begun.agent.rows:
            return self._begun.agent.rows[target.model_id]
        return self._prepared.model if self._prepared else None

    def _status(self) -> models.TurnStatus:
        if self.error is not None:
            return models.TurnStatus.FAILED
        return self._stopping or models.TurnStatus.COMPLETED

    async def _write(self, how: ending.Ending) -> TurnOutcome | None:
        deadline = time.monotonic() + _ENDING_SECONDS
        pause = 0.1
        while True:
            try:
                return await ending.end(self.turn, how)
            except database.Unreachable as exc:
                if time.monotonic() > deadline:
                    _logger.error("turn could not be saved", extra={"turn_id": self.live.facts.turn_id}, exc_info=exc)
                    self.error = Unavailable("The answer could not be saved")
                    return None
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2.0)


def _writable(text: str) -> str:
    """Without the one character that no answer needs and Postgres cannot keep."""
    return text.replace("\0", "") if "\0" in text else text


def _sentence(error: PlatformError) -> str:
    """The turn names its provider already."""
    return error.reason if isinstance(error, ProviderFailed) else str(error)


def _tokens(outcome: TurnOutcome | None) -> int | None:
    used = outcome.usage if outcome else None
    return used.input_tokens + used.output_tokens if used else None
