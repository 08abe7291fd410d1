"""One timer for a call that waits again and again."""

import asyncio
import math

__all__ = ["Watchdog"]


class Watchdog:
    """Cancels the task that waits longer than it may; only while it waits, never what its caller does in between."""

    def __init__(self, loop: asyncio.AbstractEventLoop, whole_seconds: float) -> None:
        self.gave_up = False
        # What is wrong when the wait is too long.
        self.complaint = ""
        self._whole_seconds = whole_seconds
        self._give_up_at = loop.time() + whole_seconds
        self._loop = loop
        self._deadline = math.inf
        self._waiting: asyncio.Task[object] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self._cancelled: asyncio.Task[object] | None = None
        self._cancellations_before = 0

    def watch(self, seconds: float) -> None:
        """The current task is about to wait. Leaves a timer alone that goes off too early: it will look again."""
        deadline = self._loop.time() + seconds
        self._deadline = deadline if deadline < self._give_up_at else self._give_up_at
        self._waiting = asyncio.current_task()
        if self._timer_at > self._deadline:
            self._set_timer()

    def rest(self) -> None:
        self._waiting = None

    def stop(self) -> None:
        self._waiting = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer, self._timer_at = None, math.inf
        # Whoever swallowed our cancellation must not leave the task marked with it.
        self.has_cancelled()

    def has_cancelled(self) -> bool:
        """Whether the cancellation now travelling is ours and nobody else's; takes it back if so."""
        task, self._cancelled = self._cancelled, None
        return task is not None and task.uncancel() <= self._cancellations_before

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = self._deadline
        self._timer = self._loop.call_at(self._timer_at, self._look)

    def _look(self) -> None:
        self._timer, self._timer_at = None, math.inf
        if self._waiting is None:
            return
        if self._loop.time() < self._deadline:
            self._set_timer()
            return
        if self._deadline == self._give_up_at:
            self.gave_up = True
            self.complaint = f"the answer was not complete after {self._whole_seconds:g} seconds"
        self._cancelled, self._waiting = self._waiting, None
        self._cancellations_before = self._cancelled.cancelling()
        self._cancelled.cancel()
