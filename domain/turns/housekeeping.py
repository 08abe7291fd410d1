"""What every process does beside serving: keep its leases, listen to the others, end what a dead one left behind."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Protocol
from uuid import UUID

import models
from domain.keys import REVOKED, Keys
from domain.notifications import Listener
from domain.turns import ending
from domain.turns.log import CHANNEL
from domain.turns.turns import Turns
from models import database
from models.database import connection

__all__ = ["Housekeeping", "Remembers"]

_logger = logging.getLogger(__name__)


class Remembers(Protocol):
    """Keeps what it has read until it hears, on a channel of its own, that it has changed."""

    def forget(self, what: str, /) -> object: ...

    def forget_all(self) -> object:
        """What was missed while nobody listened may have been about anything."""


class Housekeeping:
    def __init__(
        self,
        turns: Turns,
        keys: Keys,
        *,
        keep_events_hours: float = 48,
        caches: Mapping[str, Remembers] | None = None,
        sweeps: Sequence[Callable[[], Awaitable[None]]] = (),
    ) -> None:
        """`caches` by the channels on which they are told of changes; `sweeps` forget what has expired, every hour."""
        self._sweeps = (self.forget_old_events, *sweeps)
        self._turns, self._keys, self._keep_events_hours = turns, keys, keep_events_hours
        self._caches: dict[str, Remembers] = {REVOKED: keys, **(caches or {})}
        forgetting = {channel: cache.forget for channel, cache in self._caches.items()}
        self._listener = Listener({CHANNEL: self._turn_changed, **forgetting}, resumed=self._listen_again)
        self._tasks: list[asyncio.Task[None]] = []
        self.last_look = time.monotonic()

    def open(self) -> None:
        lease = self._turns.options.lease_seconds
        self.last_look = time.monotonic()
        self._listener.open()
        self._tasks = [
            asyncio.create_task(_every(lease / 4, self.renew_leases), name="leases"),
            asyncio.create_task(_every(lease / 3, self.end_expired), name="expired turns"),
            asyncio.create_task(_every(2, partial(self._keys.write_uses, every_seconds=30)), name="key uses"),
            *(asyncio.create_task(_every(3600, sweep), name="sweep") for sweep in self._sweeps),
        ]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._listener.close()
        await self._keys.write_uses()

    async def listening(self) -> None:
        """Wait until other processes are heard."""
        await self._listener.listening.wait()

    async def renew_leases(self) -> None:
        """Also hears of cancellations whose notification was lost, and of turns that are no longer ours."""
        ids = list(self._turns.running)
        if not ids:
            return
        async with connection() as bare:
            rows = await bare.fetch(
                "UPDATE turns SET lease_expires_at = now() + make_interval(secs => $3)"
                " WHERE id = ANY($1::uuid[]) AND owner = $2 AND status = 'RUNNING' RETURNING id, cancel_requested_at",
                ids,
                self._turns.owner,
                self._turns.options.lease_seconds,
            )
        ours = {row["id"]: row["cancel_requested_at"] for row in rows}
        for id in ids:
            if id not in ours and (run := self._turns.running.get(id)) is not None:
                # Ended by another process, or deleted: ending it here only stops the model.
                run.stop(models.TurnStatus.INTERRUPTED)
            elif ours.get(id) is not None:
                self._turns.cancel_here(id)

    async def end_expired(self) -> None:
        """While the database is away nobody can renew a lease: when it is back, everybody gets the time to do it."""
        await self.renew_leases()
        now = time.monotonic()
        was_away, self.last_look = now - self.last_look > self._turns.options.lease_seconds / 2, now
        if not was_away:
            await ending.interrupt_expired(self._turns.log)

    async def forget_old_events(self) -> None:
        """The answers stay; what goes is the means to watch them being made once more."""
        async with connection() as bare:
            await bare.execute(
                "DELETE FROM turn_events WHERE created_at < now() - make_interval(secs => $1)",
                self._keep_events_hours * 3600,
            )

    def _turn_changed(self, payload: str) -> None:
        if payload.startswith("cancel:"):
            self._turns.cancel_here(UUID(payload.removeprefix("cancel:")))
            return
        for id in payload.split(","):
            self._turns.log.notified(UUID(id))

    def _listen_again(self) -> None:
        self._turns.log.notified_of_all()
        for cache in self._caches.values():
            cache.forget_all()


async def _every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await work()
        except database.Unreachable as exc:
            _logger.warning("housekeeping waits for the database: %s", exc)
        except Exception:  # One bad round must not end the rounds.
            _logger.exception("housekeeping failed")
        await asyncio.sleep(seconds)
