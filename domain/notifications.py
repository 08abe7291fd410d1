"""Hearing what other processes say through Postgres."""

import asyncio
import logging
from collections.abc import Callable, Mapping

import asyncpg

from models import database

__all__ = ["Listener"]

_logger = logging.getLogger(__name__)

_RETRY_SECONDS = 0.5
# A database that hangs does not hang up: this often it is asked whether it is there, and so long it may take to say so.
_PULSE_SECONDS = 2.0
_ANSWER_SECONDS = 5.0


class Listener:
    """One connection for all channels. When it was lost, `resumed` is called after it is back: something was missed.

    Being open all the time, it also is the one to notice that the database does not answer any more.
    """

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
            await _until_lost(bare, lost)
        finally:
            bare.terminate()

    def _heard(self, _connection: object, _pid: int, channel: str, payload: object) -> None:
        assert isinstance(payload, str)
        self._channels[channel](payload)


async def _until_lost(bare: asyncpg.Connection, lost: asyncio.Event) -> None:
    losing = asyncio.ensure_future(lost.wait())
    try:
        while not losing.done():
            await asyncio.wait([losing], timeout=_PULSE_SECONDS)
            if not losing.done() and not await _answers(bare):
                _logger.warning("the database has not answered for %s s: its connections are given up", _ANSWER_SECONDS)
                database.client().hang_up()
                return
    finally:
        losing.cancel()


async def _answers(bare: asyncpg.Connection) -> bool:
    asking = asyncio.ensure_future(bare.fetchval("SELECT 1"))
    await asyncio.wait([asking], timeout=_ANSWER_SECONDS)
    # When this process itself was held up, the answer may lie there unread.
    await asyncio.wait([asking], timeout=0.5)
    if not asking.done():
        asking.cancel()
        return False
    return asking.exception() is None
