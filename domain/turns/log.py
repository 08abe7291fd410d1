"""The turn log: every event of every turn, in memory for who reads along and in Postgres for everybody else.

A running turn's events stand in this process, numbered from 1. Every 250 ms all that is new, of all turns, goes to
Postgres in one statement, with one notification that carries ids only. A reader here reads from memory, a reader in
another process or one that comes back tomorrow reads from Postgres, and neither can tell: numbers have no gaps and
events come once.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import AsyncGenerator
from uuid import UUID

import models
from domain.turns.events import TurnEvent, TurnFacts, decode, encode, is_last, last_type, merge_text
from errors import NotFound, Unavailable
from models.database import connection

__all__ = ["CHANNEL", "LiveTurn", "TurnLog"]

CHANNEL = "palaver_turns"

_FLUSH_SECONDS = 0.25
# A notification may carry 8,000 bytes; an id is 36 characters and a comma.
_IDS_PER_NOTIFICATION = 200
# A reader this far behind gets its text in fewer, longer pieces.
_LAGGING_EVENTS = 128
# What is saved already may leave memory beyond this; who still needs it reads it from Postgres.
_KEPT_EVENTS = 4096
# The database has been away for a very long answer: better to end the turn than to fill the memory.
_UNSAVED_EVENTS = 200_000
# As far as a number of 32 bits goes.
_LAST_NUMBER = 2**31 - 1
# A notification can be lost with its connection; then this is how late a reader elsewhere may be.
_POLL_SECONDS = 2.0

_logger = logging.getLogger(__name__)


class LiveTurn:
    """The events of a turn that runs in this process, and who waits for the next one."""

    __slots__ = ("_events", "_log", "_loop", "_waiting", "closed", "dropped", "facts", "saved")

    def __init__(self, facts: TurnFacts, log: "TurnLog") -> None:
        self.facts, self._log = facts, log
        self._loop = asyncio.get_running_loop()
        self._events: list[TurnEvent] = []
        self._waiting: list[asyncio.Future[None]] = []
        self.dropped = 0
        self.saved = 0
        self.closed = False

    @property
    def last_sequence(self) -> int:
        return self.dropped + len(self._events)

    def append(self, event: TurnEvent) -> None:
        self._events.append(event)
        self._log.changed(self)
        if self._waiting:
            self._wake()
        if self.last_sequence - self.saved > _UNSAVED_EVENTS:
            raise Unavailable("The turn's events cannot be saved at the moment")

    def since(self, position: int) -> list[TurnEvent]:
        return self._events[position - self.dropped :]

    def unsaved(self) -> list[TurnEvent]:
        return self.since(self.saved)

    def mark_saved(self, sequence: int) -> None:
        self.saved = max(self.saved, sequence)
        surplus = len(self._events) - _KEPT_EVENTS
        if surplus > 0 and (spare := min(surplus, self.saved - self.dropped)) > 0:
            del self._events[:spare]
            self.dropped += spare

    def close(self) -> None:
        self.closed = True
        self._wake()

    async def changed(self) -> None:
        waiter = self._loop.create_future()
        self._waiting.append(waiter)
        await waiter

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)


class TurnLog:
    def __init__(self) -> None:
        self.live: dict[UUID, LiveTurn] = {}
        self._unsaved: set[LiveTurn] = set()
        self._something_new = asyncio.Event()
        self._elsewhere: defaultdict[UUID, list[asyncio.Future[None]]] = defaultdict(list)
        self._flusher: asyncio.Task[None] | None = None

    def open(self) -> None:
        self._flusher = asyncio.create_task(self._keep_flushing(), name="turn-log")

    async def close(self) -> None:
        if self._flusher is not None:
            self._flusher.cancel()
            await asyncio.gather(self._flusher, return_exceptions=True)
            self._flusher = None

    def begin(self, turn: models.Turn) -> LiveTurn:
        live = self.live[turn.id] = LiveTurn(TurnFacts.of(turn), self)
        return live

    def end(self, turn_id: UUID) -> None:
        """Its readers finish from what they hold. What could not be saved with the end is still flushed when it can."""
        live = self.live.pop(turn_id, None)
        if live is not None:
            live.close()

    def changed(self, live: LiveTurn) -> None:
        self._unsaved.add(live)
        self._something_new.set()

    def notified(self, turn_id: UUID) -> None:
        for waiter in self._elsewhere.pop(turn_id, ()):
            if not waiter.done():
                waiter.set_result(None)

    def notified_of_all(self) -> None:
        """While nobody listened, anything may have happened."""
        for turn_id in list(self._elsewhere):
            self.notified(turn_id)

    async def follow(self, turn: models.Turn, after: int = 0) -> AsyncGenerator[TurnEvent, None]:
        """Every event with a number above `after`, to the last one of the turn."""
        position = after
        while True:
            live = self.live.get(turn.id)
            if live is not None and position >= live.dropped:
                while not (events := live.since(position)) and not live.closed:
                    await live.changed()
            elif (found := await self._read_elsewhere(turn, position)) is None:
                return
            else:
                events = found
            if len(events) > _LAGGING_EVENTS:
                events = merge_text(events)
            for event in events:
                position = event.sequence
                yield event
                if is_last(event):
                    return

    async def read(self, turn: models.Turn, after: int = 0) -> list[TurnEvent]:
        """What Postgres holds of a turn."""
        async with connection() as bare:
            pages = await bare.fetch(
                "SELECT events FROM turn_events WHERE turn_id = $1 AND last_sequence > $2"
                " ORDER BY last_sequence LIMIT 64",
                turn.id,
                after,
            )
        facts, events = TurnFacts.of(turn), list[TurnEvent]()
        for page in pages:
            # Pages may overlap: the last one is written with the end of the turn, perhaps beside a flush.
            position = events[-1].sequence if events else after
            events += [event for event in decode(facts, page["events"]) if event.sequence > position]
        return events

    async def _read_elsewhere(self, turn: models.Turn, position: int) -> list[TurnEvent] | None:
        """Nothing at all when no event will come any more."""
        # Waiting begins before reading, so that what is written in between is not missed.
        waiter = asyncio.get_running_loop().create_future()
        self._elsewhere[turn.id].append(waiter)
        try:
            if events := await self.read(turn, position):
                return events
            now = await models.Turn.get_or_none(id=turn.id)
            if now is None:
                raise NotFound("turn", turn.id)
            if now.status is not models.TurnStatus.RUNNING:
                # Written between the two reads, or so long ago that only the end is still known.
                return await self.read(turn, position) or _known_end(now, position)
            async with asyncio.timeout(_POLL_SECONDS):
                await waiter
        except TimeoutError:
            pass
        finally:
            waiter.cancel()
            if turn.id in self._elsewhere:
                self._elsewhere[turn.id] = [other for other in self._elsewhere[turn.id] if other is not waiter]
                if not self._elsewhere[turn.id]:
                    del self._elsewhere[turn.id]
        return []

    async def _keep_flushing(self) -> None:
        while True:
            await self._something_new.wait()
            await asyncio.sleep(_FLUSH_SECONDS)
            self._something_new.clear()
            try:
                await self.flush()
            except Exception:  # Whatever it is, it must not end the saving.
                # Nothing is lost: it stays in memory, and the next round writes it.
                _logger.warning("turn events could not be saved yet", exc_info=True)
                self._something_new.set()

    async def flush(self) -> None:
        while self._unsaved:
            batch = [self._unsaved.pop() for _ in range(min(len(self._unsaved), _IDS_PER_NOTIFICATION))]
            pages = [(live, events) for live in batch if (events := live.unsaved())]
            try:
                await _save(pages)
            except BaseException:
                self._unsaved.update(batch)
                raise
            for live, events in pages:
                live.mark_saved(events[-1].sequence)


async def _save(pages: list[tuple[LiveTurn, list[TurnEvent]]]) -> None:
    if not pages:
        return
    ids = [live.facts.turn_id for live, _ in pages]
    async with connection() as bare:
        await bare.execute(
            """
            WITH soon AS (
                -- A power cut may lose the last moments of an answer in the making; a killed process loses nothing.
                SELECT set_config('synchronous_commit', 'off', true)
            ), saved AS (
                INSERT INTO turn_events (turn_id, first_sequence, last_sequence, events, created_at)
                SELECT new.*, now()
                FROM unnest($1::uuid[], $2::int[], $3::int[], $4::text[]) AS new (turn_id, first, last, events), soon
                -- One turn that was deleted must not keep the events of all others from being saved.
                WHERE EXISTS (SELECT FROM turns WHERE id = new.turn_id)
                ON CONFLICT DO NOTHING
            )
            SELECT pg_notify($5, $6)
            """,
            ids,
            [events[0].sequence for _, events in pages],
            [events[-1].sequence for _, events in pages],
            [encode(events) for _, events in pages],
            CHANNEL,
            ",".join(ids),
        )


def _known_end(turn: models.Turn, position: int) -> list[TurnEvent] | None:
    """The end, for a reader who has not seen it; nothing for one who has."""
    ahead = position - turn.last_sequence
    # Who read along with a process that died may have seen more than was saved: the end comes after that.
    match turn.status:
        case models.TurnStatus.INTERRUPTED:
            has_seen_it = False
        case models.TurnStatus.CANCELLED:
            has_seen_it = ahead == 0
        case _:
            has_seen_it = ahead >= 0
    if has_seen_it:
        return None
    moment = turn.finished_at.timestamp() if turn.finished_at else time.time()
    sequence = min(max(turn.last_sequence, position + 1), _LAST_NUMBER)
    return [last_type(turn.status)(TurnFacts.of(turn), sequence, moment)]
