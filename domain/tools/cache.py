"""What was fetched from elsewhere, kept for a while: fetched once however many want it, and bounded by its size."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from errors import SourceFailed

__all__ = ["Cache"]

_logger = logging.getLogger(__name__)

# What a key and its place take, about: many empty values are not for nothing.
ENTRY_BYTES = 500

Fetched = TypeVar("Fetched")


@dataclass(frozen=True, slots=True)
class _Kept(Generic[Fetched]):
    value: Fetched
    size: int
    at: float


@dataclass(slots=True)
class _Flight(Generic[Fetched]):
    task: asyncio.Task[Fetched]
    waiting: int = 0


class Cache(Generic[Fetched]):
    """`size` says how many bytes a value takes. What does not fit is given out and not kept."""

    def __init__(
        self, size: Callable[[Fetched], int], *, most_bytes: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._size, self._most_bytes, self._clock = size, most_bytes, clock
        self._kept: OrderedDict[Hashable, _Kept[Fetched]] = OrderedDict()
        self._flights: dict[Hashable, _Flight[Fetched]] = {}
        self.bytes = 0

    async def get(
        self, key: Hashable, seconds: float, fetch: Callable[[], Awaitable[Fetched]], *, forgiven_seconds: float = 0
    ) -> Fetched:
        """At most so many seconds old. When its source fails, it may be older than that for as long as is forgiven."""
        kept = self._kept.get(key)
        age = 0.0 if kept is None else self._clock() - kept.at
        if kept is not None and age < seconds:
            self._kept.move_to_end(key)
            return kept.value
        try:
            return await self._join(key, fetch)
        except SourceFailed as exc:
            if kept is None or age >= seconds + forgiven_seconds:
                raise
            _logger.warning("%s What it said %d s ago is used.", exc, age)
            return kept.value

    async def _join(self, key: Hashable, fetch: Callable[[], Awaitable[Fetched]]) -> Fetched:
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight(asyncio.create_task(self._fetch(key, fetch)))
        flight.waiting += 1
        try:
            # Whoever leaves, leaves alone: the others still want it.
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if flight.waiting == 0:
                flight.task.cancel()
                if self._flights.get(key) is flight:
                    del self._flights[key]

    async def _fetch(self, key: Hashable, fetch: Callable[[], Awaitable[Fetched]]) -> Fetched:
        value = await fetch()
        self._keep(key, _Kept(value, ENTRY_BYTES + self._size(value), self._clock()))
        return value

    def _keep(self, key: Hashable, kept: _Kept[Fetched]) -> None:
        old = self._kept.pop(key, None)
        self.bytes -= old.size if old else 0
        if kept.size > self._most_bytes:
            return
        self.bytes += kept.size
        self._kept[key] = kept
        while self.bytes > self._most_bytes:
            _, oldest = self._kept.popitem(last=False)
            self.bytes -= oldest.size
