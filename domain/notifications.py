"""Hearing what other processes say through Postgres."""

import asyncio
import logging
from collections.abc import Callable, Mapping

from models import database

__all__ = ["Listener"]

_logger = logging.getLogger(__name__)

_RETRY_SECONDS = 0.5


class Listener:
    """One connection for all channels. When it was lost, `resumed` is called after it is back: something was missed."""

    def __init__(self, channels: Mapping[str, Callable[[str], object]], *, resumed: Callable[[], object]) -> None:
        self._channels, self._resumed = channels, resumed
        self._task: asyncio.Task[None] | None = None
        self.listening = asyncio.Event()

    def open(self) -> None:
        self._task = asyncio.create_task(self._keep_listening(), name="listener")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _keep_listening(self) -> None:
        first = True
        while True:
            try:
                await self._listen(first)
            except database.Unreachable as exc:
                _logger.warning("not listening to the database: %s", exc)
            self.listening.clear()
            first = False
            await asyncio.sleep(_RETRY_SECONDS)

    async def _listen(self, first: bool) -> None:
        bare = await database.client().borrow()
        lost = asyncio.Event()
        try:
            bare.add_termination_listener(lambda _: lost.set())
            for channel in self._channels:
                await bare.add_listener(channel, self._heard)
            self.listening.set()
            if not first:
                self._resumed()
            await lost.wait()
        finally:
            bare.terminate()

    def _heard(self, _connection: object, _pid: int, channel: str, payload: object) -> None:
        assert isinstance(payload, str)
        self._channels[channel](payload)
