"""Who listens to streams now: none of them outlives the key it was opened with."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol  # A context is the app's own.

__all__ = ["Audience", "Listening", "StillValid"]

logger = logging.getLogger(__name__)

StillValid = Callable[[Any], Awaitable[bool]]

# A key may end by itself, and the word that it was revoked may be lost.
_LOOK_SECONDS = 30.0
# Asking may mean a query: a thousand streams must not send a thousand at once.
_ASKED_AT_ONCE = 16


class Listening(Protocol):
    # What it was opened with.
    context: Any

    def turn_away(self) -> None: ...


class Audience:
    def __init__(self, still_valid: StillValid | None = None) -> None:
        self._still_valid = still_valid
        self._present: set[Listening] = set()
        self._asking = asyncio.Semaphore(_ASKED_AT_ONCE)
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, listening: Listening) -> None:
        self._present.add(listening)
        if self._timer is None and self._still_valid is not None:
            self._timer = asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._look)

    def discard(self, listening: Listening) -> None:
        self._present.discard(listening)
        if not self._present and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def recheck(self) -> None:
        """For when a key was revoked: what it opened ends now."""
        if self._still_valid is None:
            return
        for listening in self._present:
            task = asyncio.create_task(self._recheck(listening, self._still_valid))
            self._tasks.add(task)
            task.add_done_callback(self._done)

    def _look(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._look)
        self.recheck()

    async def _recheck(self, listening: Listening, still_valid: StillValid) -> None:
        async with self._asking:
            valid = await still_valid(listening.context)
        if not valid and listening in self._present:
            listening.turn_away()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (problem := task.exception()):
            # Nobody is turned away because we could not ask; the next round asks again.
            logger.error("An open stream could not be looked after", exc_info=problem)
