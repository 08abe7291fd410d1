"""Whether the reader of a stream is still there, and a sign of life for it while there is nothing to say."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any  # A context is the app's own.

from execution.departure import Departed
from rest_compat.dialect import EventStream
from rest_compat.exchange import Exchange

__all__ = ["Presence", "present"]


class Presence:
    """One task beside the stream does both: it waits for the reader to leave, and at each pause in vain it beats."""

    def __init__(self, exchange: Exchange, style: EventStream, context: Any) -> None:
        wanted = style.heartbeat_seconds is not None and style.wants_heartbeat(exchange.connection)
        self._exchange, self._beat = exchange, style.heartbeat
        self._seconds = style.heartbeat_seconds if wanted else None
        self._working = asyncio.current_task()
        self._watcher = asyncio.create_task(self._watch())
        self.context = context
        self.gone = self.turned_away = False
        # Set by the stream around and after each write: a beat must not get into one, nor follow one at once.
        self.writing = False
        self.wrote = False

    async def _watch(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._seconds):
                    message = await self._exchange.receive()
            except TimeoutError:
                await self._pulse()
                continue
            if message["type"] == "http.disconnect":
                break
        self.gone = True
        assert self._working is not None
        self._working.cancel()

    def turn_away(self) -> None:
        """What it was opened with opens nothing any more."""
        self.turned_away = True
        assert self._working is not None
        self._working.cancel()

    async def _pulse(self) -> None:
        idle, self.wrote = not self.wrote, False
        if idle and self._exchange.started and not self.writing:
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
async def present(exchange: Exchange, style: EventStream, context: Any) -> AsyncIterator[Presence]:
    """Cancels the block when the reader leaves, and raises `Departed` in its place."""
    presence = Presence(exchange, style, context)
    exchange.audience.add(presence)
    try:
        yield presence
    except asyncio.CancelledError:
        if presence.took_away():
            raise Departed from None
        raise
    finally:
        presence.end()
