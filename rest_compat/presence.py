"""Whether the reader of a stream is still there, and a sign of life for it while there is nothing to say."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any  # A context is the app's own.

from execution.departure import Departed
from rest_compat.dialect import EventStream
from rest_compat.exchange import Exchange

__all__ = ["Presence", "present"]


class Presence:
    """One task beside the stream does both: it waits for the reader to leave, and whenever nothing was written for a
    while it beats. `begin` starts the answer, for a stream of which nothing has come yet."""

    def __init__(
        self, exchange: Exchange, style: EventStream, context: Any, begin: Callable[[], Awaitable[None]]
    ) -> None:
        wanted = style.heartbeat_seconds is not None and style.wants_heartbeat(exchange.connection)
        self._exchange, self._beat = exchange, style.heartbeat
        self._seconds = style.heartbeat_seconds if wanted else None
        self._begin, self._clock = begin, asyncio.get_running_loop().time
        self._working = asyncio.current_task()
        self._watcher = asyncio.create_task(self._watch())
        self.context = context
        self.gone = self.turned_away = False
        # Set by the stream around and after each write: a beat must not get into one, nor follow one at once.
        self.writing = False
        self._wrote_at = self._clock()

    async def _watch(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._until_beat()):
                    message = await self._exchange.receive()
            except TimeoutError:
                await self._pulse()
                continue
            if message["type"] == "http.disconnect":
                break
        if not self.turned_away:
            self.gone = True
            self._stop()

    def wrote(self) -> None:
        self._wrote_at = self._clock()

    def turn_away(self) -> None:
        """What it was opened with opens nothing any more."""
        # Often said twice: here, and by every process to all others.
        if not self.gone and not self.turned_away:
            self.turned_away = True
            self._stop()

    def _stop(self) -> None:
        """Once: what is told apart afterwards is a single cancellation."""
        assert self._working is not None
        self._working.cancel()

    def _until_beat(self) -> float | None:
        return None if self._seconds is None else self._wrote_at + self._seconds - self._clock()

    async def _pulse(self) -> None:
        if (self._until_beat() or 0.0) > 0:
            return
        self.wrote()
        if not self.writing:
            await self._begin()
            await self._exchange.write(self._beat)

    def end(self) -> None:
        """Before the last bytes are sent: to ASGI a finished answer looks like a departure."""
        self._watcher.cancel()
        self._exchange.audience.discard(self)

    def took_away(self) -> bool:
        """The cancellation in hand is the reader's leaving and nobody else's."""
        assert self._working is not None
        return self.gone and self._working.uncancel() == 0

    def was_turned_away(self) -> bool:
        assert self._working is not None
        return self.turned_away and self._working.uncancel() == 0


@asynccontextmanager
async def present(
    exchange: Exchange, style: EventStream, context: Any, begin: Callable[[], Awaitable[None]]
) -> AsyncIterator[Presence]:
    """Cancels the block when the reader leaves, and raises `Departed` in its place."""
    presence = Presence(exchange, style, context, begin)
    exchange.audience.add(presence)
    try:
        yield presence
    except asyncio.CancelledError:
        if presence.took_away():
            raise Departed from None
        raise
    finally:
        presence.end()
