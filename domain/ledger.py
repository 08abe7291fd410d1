"""The ledger: what calls of the gateway used, written down in batches behind their answers.

`record` never waits. A few times a second everything that was recorded goes to Postgres in one transaction: records,
sums of the day, budgets, what this process holds of them, and the conversations that are kept. A call is billed once,
so a batch whose fate is unknown is simply written again. While the database is away entries wait here; when there is
no more room, calls are refused before a model is asked.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import asyncpg
import orjson

import models
from domain import keeping
from domain.billing import Bill, bill
from domain.entries import Entry, Spoken, Utterance
from domain.holds import Hold, Holds
from domain.rates import Rates
from domain.settling import Settlement
from domain.usage import cost_of, items_json
from errors import Invalid, Unavailable
from models.database import Unreachable, connection, transaction

__all__ = ["Entry", "Ledger", "Spoken", "Utterance"]

_logger = logging.getLogger(__name__)

_FLUSH_SECONDS = 0.15
# Between two flushes that others wait for.
_URGENT_SECONDS = 0.02
_RETRY_SECONDS = 0.5
_TICK_SECONDS = 1.0
# How long a process that is going waits for a database that is away.
_CLOSING_SECONDS = 5.0
# So few that writing them down holds up nobody for more than a few milliseconds.
_ENTRIES_AT_ONCE = 250
_CHARACTERS_AT_ONCE = 4_000_000
# About a kilobyte each, beside what was said.
_MOST_ENTRIES = 20_000
_MOST_CHARACTERS = 64_000_000
_NOTHING = Decimal(0)
# It is the entry's own fault, and will be tomorrow: text that is none, a row too large, a workspace that is gone.
_UNWRITABLE = (
    Invalid,
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    orjson.JSONEncodeError,
)


@dataclass(slots=True)
class _Due:
    """An entry with its price, and the holds it is paid from."""

    entry: Entry
    cost: Decimal
    holds: Sequence[Hold]
    # Of what was said.
    characters: int


class Ledger:
    def __init__(
        self, holds: Holds, rates: Rates, *, flush_seconds: float = _FLUSH_SECONDS, most_entries: int = _MOST_ENTRIES
    ) -> None:
        self._holds, self._rates = holds, rates
        self._flush_seconds, self._most_entries = flush_seconds, most_entries
        self._due: list[_Due] = []
        self._characters = 0
        self._something, self._urgent = asyncio.Event(), asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._flushing = asyncio.Lock()
        holds.when_changed = rates.when_changed = self._something.set
        holds.when_wanted = self.hurry

    def open(self) -> None:
        self._tasks = [
            asyncio.create_task(self._keep_flushing(), name="ledger"),
            asyncio.create_task(self._keep_house(), name="ledger housekeeping"),
        ]

    async def close(self) -> None:
        """Everything that was recorded is written, if the database is there."""
        try:
            async with asyncio.timeout(_CLOSING_SECONDS):
                # Not in the middle of a transaction.
                async with self._flushing:
                    await self._stop()
                await self.flush()
                await self._holds.close()
                await self._rates.close()
        except (Unreachable, TimeoutError):
            await self._stop()
            _logger.error("%s calls could not be written down", len(self._due))

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def check(self) -> None:
        """Before a model is asked: what it will cost must find room."""
        if len(self._due) >= self._most_entries or self._characters >= _MOST_CHARACTERS:
            raise Unavailable("Usage cannot be written down at the moment", retry_after_seconds=1)

    def record(self, entry: Entry) -> Decimal:
        """What the call cost."""
        usage = entry.usage
        cost = cost_of(usage, entry.model, entry.items)
        holds = entry.permit.settle(cost, usage.input_tokens + usage.output_tokens) if entry.permit is not None else []
        characters = entry.spoken.characters if entry.spoken is not None else 0
        self._characters += characters
        self._due.append(_Due(entry, cost, holds, characters))
        self._something.set()
        if any(hold.is_wanted for hold in holds):
            self.hurry()
        return cost

    def hurry(self) -> None:
        """Somebody waits for what the next flush gives back."""
        self._urgent.set()
        self._something.set()

    async def flush(self) -> None:
        """Write everything that is recorded by now."""
        async with self._flushing:
            while self._due or self._holds.changed:
                await self._write(self._next_batch())
        await self._rates.exchange()

    def _next_batch(self) -> list[_Due]:
        batch, characters = self._due[:_ENTRIES_AT_ONCE], 0
        for count, due in enumerate(batch, 1):
            characters += due.characters
            if characters > _CHARACTERS_AT_ONCE:
                return batch[:count]
        return batch

    def _forget(self, count: int) -> None:
        self._characters -= sum(due.characters for due in self._due[:count])
        del self._due[:count]

    async def _write(self, batch: Sequence[_Due]) -> None:
        """The oldest entries. One that cannot be written must not keep the rest from it: it is looked for by halves."""
        try:
            await self._write_together(batch)
        except _UNWRITABLE as exc:
            if len(batch) > 1:
                await self._write(batch[: len(batch) // 2])
                await self._write(batch[len(batch) // 2 :])
            elif batch:
                await self._write_less(batch[0], exc)

    async def _write_less(self, due: _Due, problem: Exception) -> None:
        """What was said may be what cannot be written; what it cost is then written without it."""
        told = {"turn_id": str(due.entry.id)}
        if due.entry.spoken is not None:
            _logger.error("a conversation could not be kept", extra=told, exc_info=problem)
            due.entry.spoken = None
            await self._write([due])
            return
        _logger.error("a call could not be billed", extra=told, exc_info=problem)
        for hold in due.holds:
            hold.forgive(due.cost)
        self._forget(1)

    async def _write_together(self, batch: Sequence[_Due]) -> None:
        owed: dict[Hold, Decimal] = {}
        for due in batch:
            for hold in due.holds:
                owed[hold] = owed.get(hold, _NOTHING) + due.cost
        entries = [due.entry for due in batch]
        async with Settlement(self._holds, owed) as settlement:
            async with transaction(), connection() as bare:
                # Conversations before budgets, in which order turns take them too.
                places = await keeping.places(bare, entries)
                if batch:
                    billed = await bill(bare, [_bill(due) for due in batch])
                    new = entries if len(billed) == len(entries) else _first(entries, billed)
                    await keeping.keep(bare, self._holds.owner, new, places)
                await settlement.write(bare)
            settlement.done()
        self._forget(len(batch))

    # ---------------------------------------------------------------- tasks

    async def _keep_flushing(self) -> None:
        while True:
            await self._something.wait()
            await _wait(self._urgent, self._flush_seconds)
            self._something.clear()
            self._urgent.clear()
            pause = _URGENT_SECONDS
            try:
                await self.flush()
            except Exception as exc:  # Whatever it is, it must not end the writing.
                _logger.warning(
                    "usage is not written down yet: %s", exc, exc_info=None if isinstance(exc, Unreachable) else exc
                )
                self._something.set()
                pause = _RETRY_SECONDS
            await asyncio.sleep(pause)

    async def _keep_house(self) -> None:
        looked = 0.0
        while True:
            self._holds.look_for_idle()
            if time.monotonic() - looked > self._holds.lease_seconds / 4:
                looked = time.monotonic()
                await self._look_after_leases()
            await asyncio.sleep(_TICK_SECONDS)

    async def _look_after_leases(self) -> None:
        try:
            self._rates.beat()
            await self._rates.forget_old()
            await self._holds.free_expired()
        except Exception as exc:  # One bad round must not end the rounds.
            _logger.warning(
                "budgets are not looked after: %s", exc, exc_info=None if isinstance(exc, Unreachable) else exc
            )


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass


def _first(entries: Sequence[Entry], billed: set[UUID]) -> list[Entry]:
    """Of each call that was billed now, the entry that was."""
    found: dict[UUID, Entry] = {}
    for entry in entries:
        if entry.id in billed:
            found.setdefault(entry.id, entry)
    return list(found.values())


def _bill(due: _Due) -> Bill:
    entry, used, model = due.entry, due.entry.usage, due.entry.model
    return Bill(
        models.new_id(models.Kind.USAGE),
        entry.principal.workspace_id,
        entry.id,
        entry.principal.key_id,
        entry.gateway_id,
        entry.external_user,
        entry.provider_name,
        model.name,
        model.vendor,
        entry.action,
        used.input_tokens,
        used.output_tokens,
        used.cached_tokens,
        used.estimated,
        due.cost,
        model.input_price,
        model.output_price,
        model.cached_price,
        items_json(entry.items),
        not entry.status.is_failure,
        entry.error_code,
        entry.started_at + timedelta(milliseconds=entry.response_ms),
    )
