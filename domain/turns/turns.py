"""The one way in which an answer is made, whoever asks and however it is read."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from uuid import UUID

import models
from domain.admission import Admission
from domain.agents import Sampling
from domain.completions.names import Names
from domain.identity import Principal, Scope
from domain.preparing import Preparing
from domain.turns.beginning import Ask, Begun, begin
from domain.turns.events import TurnEvent, TurnOutcome
from domain.turns.log import CHANNEL, TurnLog
from domain.turns.preparing import prepared
from domain.turns.run import Run
from engine import Engine
from errors import Invalid, NotConfigured, NotFound, Unavailable
from models.database import connection

__all__ = ["Options", "Turns", "WhenReaderLeaves"]


# How long a process that is going waits for a database that is away; another one ends its turns when they expire.
_CLOSING_SECONDS = 3


class WhenReaderLeaves(StrEnum):
    CANCEL = "CANCEL"
    CONTINUE = "CONTINUE"


@dataclass(frozen=True, slots=True)
class Options:
    sampling: Sampling = field(default_factory=Sampling)
    instructions: str | None = None
    lease_seconds: float = 12.0
    question_characters: int = 400_000
    is_enabled: bool = True


class Turns:
    """Starts, follows and stops turns. `finished` is told of each turn that ended here, for the operator's figures."""

    def __init__(
        self,
        engine: Engine,
        log: TurnLog,
        options: Options,
        *,
        names: Names,
        preparing: Preparing,
        admission: Admission,
        owner: UUID,
        finished: Callable[[TurnOutcome], object] | None = None,
    ) -> None:
        """`owner`: whose lease a turn is under; a process that starts again is another one."""
        self._engine, self.log, self.options, self._finished = engine, log, options, finished
        self._names, self._preparing, self._admission, self.owner = names, preparing, admission, owner
        self.running: dict[UUID, Run] = {}
        self._beginnings: set[asyncio.Task[Begun]] = set()
        self._closing = False

    async def start(self, principal: Principal, ask: Ask) -> models.Turn:
        return (await self._begin(principal, ask, WhenReaderLeaves.CONTINUE)).turn

    async def reply(self, principal: Principal, ask: Ask) -> TurnOutcome:
        """The whole answer. Whoever stops waiting for it stops it."""
        run = await self._begin(principal, ask, WhenReaderLeaves.CANCEL)
        try:
            outcome = await asyncio.shield(run.task)
        except asyncio.CancelledError:
            run.stop(models.TurnStatus.CANCELLED)
            raise
        if run.error is not None:
            raise run.error
        return outcome

    async def stream(
        self, principal: Principal, ask: Ask, when_reader_leaves: WhenReaderLeaves
    ) -> AsyncGenerator[TurnEvent, None]:
        run = await self._begin(principal, ask, when_reader_leaves)
        try:
            async with aclosing(self.log.follow(run.turn)) as events:
                async for event in events:
                    yield event
        finally:
            if when_reader_leaves is WhenReaderLeaves.CANCEL:
                run.stop(models.TurnStatus.CANCELLED)

    async def follow(self, principal: Principal, turn_id: str, after: int) -> AsyncGenerator[TurnEvent, None]:
        if after < 0:
            raise Invalid("after", "must not be negative")
        turn = await self.find(principal, turn_id)
        async with aclosing(self.log.follow(turn, after)) as events:
            async for event in events:
                yield event

    async def find(self, principal: Principal, turn_id: str) -> models.Turn:
        id = models.parse_id(turn_id)
        turn = await models.Turn.get_or_none(id=id, workspace_id=principal.workspace_id) if id else None
        if turn is None:
            raise NotFound("turn", turn_id)
        return turn

    async def cancel(self, principal: Principal, turn_id: str) -> models.Turn:
        """Stop a turn in whichever process it runs, and wait until it has stopped. Twice is as good as once."""
        turn = await self.find(principal, turn_id)
        if (run := self.running.get(turn.id)) is not None:
            run.stop(models.TurnStatus.CANCELLED)
            await asyncio.wait([run.task])
        elif turn.status is models.TurnStatus.RUNNING:
            async with connection() as bare:
                await bare.execute("UPDATE turns SET cancel_requested_at = now() WHERE id = $1", turn.id)
                await bare.execute("SELECT pg_notify($1, $2)", CHANNEL, f"cancel:{turn.id}")
            # Whoever runs it stops it, or its lease runs out and it is ended for them.
            async with aclosing(self.log.follow(turn, turn.last_sequence)) as events:
                async for _ in events:
                    pass
        return await self.find(principal, turn_id)

    def cancel_here(self, turn_id: UUID) -> None:
        if (run := self.running.get(turn_id)) is not None:
            run.stop(models.TurnStatus.CANCELLED)

    async def close(self) -> None:
        """The process is going: every answer keeps what it has."""
        self._closing = True
        deadline = time.monotonic() + _CLOSING_SECONDS
        while ending := [*self._beginnings, *(run.task for run in self.running.values())]:
            for run in self.running.values():
                run.stop(models.TurnStatus.INTERRUPTED)
            await asyncio.wait(ending, timeout=max(0, deadline - time.monotonic()))
            if time.monotonic() > deadline:
                break

    async def _begin(self, principal: Principal, ask: Ask, when_reader_leaves: WhenReaderLeaves) -> Run:
        """Goes on when whoever asked leaves meanwhile: a turn that is saved must have somebody who ends it."""
        self._check(principal, ask)
        beginning = asyncio.create_task(
            begin(
                principal,
                ask,
                names=self._names,
                admission=self._admission,
                sampling=self.options.sampling,
                instructions=self.options.instructions,
                owner=self.owner,
                lease_seconds=self.options.lease_seconds,
            )
        )
        self._beginnings.add(beginning)
        try:
            begun = await asyncio.shield(beginning)
        except asyncio.CancelledError:
            beginning.add_done_callback(partial(self._begun_for_nobody, principal, ask, when_reader_leaves))
            raise
        except BaseException:
            self._beginnings.discard(beginning)
            raise
        self._beginnings.discard(beginning)
        return self._run(principal, ask, begun)

    def _check(self, principal: Principal, ask: Ask) -> None:
        if self._closing:
            raise Unavailable("The server is stopping", retry_after_seconds=1)
        if not self.options.is_enabled:
            raise NotConfigured("AI service is disabled")
        if len(ask.text) > self.options.question_characters:
            raise Invalid("text", f"must not be longer than {self.options.question_characters:,} characters")
        if ask.knowledge is not None:
            principal.require(Scope.KNOWLEDGE_READ)

    def _begun_for_nobody(
        self, principal: Principal, ask: Ask, when_reader_leaves: WhenReaderLeaves, beginning: asyncio.Task[Begun]
    ) -> None:
        self._beginnings.discard(beginning)
        if beginning.cancelled() or beginning.exception() is not None:
            return
        run = self._run(principal, ask, beginning.result())
        if when_reader_leaves is WhenReaderLeaves.CANCEL:
            run.stop(models.TurnStatus.CANCELLED)

    def _run(self, principal: Principal, ask: Ask, begun: Begun) -> Run:
        prepare = partial(prepared, self._preparing, principal, begun)
        run = self.running[begun.turn.id] = Run(begun, self._engine, self.log, prepare=prepare, stream=ask.stream)
        run.task.add_done_callback(lambda task: self._ended(run))
        return run

    def _ended(self, run: Run) -> None:
        self.running.pop(run.turn.id, None)
        if self._finished is not None and not run.task.cancelled() and run.task.exception() is None:
            self._finished(run.task.result())
