"""One timer for every open stream of the process.

A timer or a task for each of ten thousand quiet streams would cost more than the streams do. A stream that has sent
something since the last beat costs one attribute.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from inspect import isawaitable
from typing import Any, Protocol  # A context is the app's own.

logger = logging.getLogger(__name__)

__all__ = ["Live", "Pulse", "StillValid", "ask"]

StillValid = Callable[[Any], bool | Awaitable[bool]]


class Live(Protocol):
    """Something open that must not fall silent, nor outlive the key it was opened with or the process it is in."""

    # What it was opened with; None as long as nobody has said who they are.
    context: Any
    quiet: bool

    async def beat(self) -> None: ...

    async def revoke(self) -> None: ...

    async def leave(self) -> None: ...


class Pulse:
    def __init__(self, still_valid: StillValid, *, heartbeat_seconds: float, recheck_seconds: float) -> None:
        self.still_valid = still_valid
        # Asking may mean a query: ten thousand streams must not send ten thousand at once.
        self.asking = asyncio.Semaphore(16)
        # Two beats a period: what has been quiet for one whole beat is at most one period silent.
        self.period = heartbeat_seconds / 2
        self.beats_per_recheck = max(1, round(recheck_seconds / self.period))
        self.beats = 0
        self.timer: asyncio.TimerHandle | None = None
        self.live: set[Live] = set()
        self.beating: dict[Live, asyncio.Task[None]] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    def add(self, live: Live) -> None:
        self.live.add(live)
        if self.timer is None:
            self.timer = asyncio.get_running_loop().call_later(self.period, self.beat)

    def discard(self, live: Live) -> None:
        self.live.discard(live)
        # A heartbeat that waits for a slow reader must not come after the end of the stream.
        if beating := self.beating.pop(live, None):
            beating.cancel()
        if not self.live and self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def beat(self) -> None:
        self.timer = asyncio.get_running_loop().call_later(self.period, self.beat)
        self.beats += 1
        for live in self.live:
            # One heartbeat at a time, or a reader that stands still would collect them.
            if live.quiet and live not in self.beating:
                self.beating[live] = task = asyncio.create_task(live.beat())
                task.add_done_callback(partial(self._beaten, live))
            live.quiet = True
        if self.beats % self.beats_per_recheck == 0:
            self.recheck()

    def _beaten(self, live: Live, task: asyncio.Task[None]) -> None:
        self.beating.pop(live, None)
        self._done(task)

    def recheck(self) -> None:
        """For when a key was revoked: what it opened ends now and not at the next round."""
        for live in self.live:
            if live.context is not None:
                self._spawn(self._recheck(live))

    async def _recheck(self, live: Live) -> None:
        async with self.asking:
            valid = await ask(self.still_valid, live.context)
        if not valid and live in self.live:
            await live.revoke()

    def leave(self) -> None:
        for live in self.live:
            self._spawn(live.leave())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (problem := task.exception()):
            # Nothing is closed because we could not ask; the next round asks again.
            logger.error("An open stream could not be looked after", exc_info=problem)


async def ask(still_valid: StillValid, context: Any) -> bool:
    verdict = still_valid(context)
    return await verdict if isawaitable(verdict) else verdict
