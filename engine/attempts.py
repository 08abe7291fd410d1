"""Patience: how long we wait for a provider, and how often we ask again.

Every provider is listened to through `attempts`. It must cost next to nothing per token, hence one timer per call,
moved only when it goes off, instead of a timeout set and cleared around each token.
"""

import asyncio
import itertools
import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from engine.chat import ChatProvider, ChatRequest
from engine.packets import Heard, Packet
from engine.targets import Target
from errors import ProviderFailed, ProviderRateLimited, ProviderUnavailable

__all__ = ["Listener", "Patience", "attempts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Reasoning models think for a minute before their first word, so these are generous."""

    first_token_seconds: float = 120
    between_tokens_seconds: float = 60
    whole_seconds: float = 900
    listing_seconds: float = 15
    tries: int = 3
    backoff_seconds: float = 0.5
    # A vendor that asks for a longer pause than this is not asked again: the caller learns when to come back.
    longest_pause_seconds: float = 20

    def pause_after(
        self, failure: ProviderFailed, tried: int, uniform: Callable[[float, float], float]
    ) -> float | None:
        """Seconds to wait before the next try, or None when there should be none."""
        if tried >= self.tries or not isinstance(failure, (ProviderRateLimited, ProviderUnavailable)):
            return None
        asked = failure.retry_after_seconds
        if asked is None:
            return uniform(0, min(self.backoff_seconds * 2 ** (tried - 1), self.longest_pause_seconds))
        if asked > self.longest_pause_seconds:
            return None
        # A little later than asked: everybody who was refused with us was told the same moment.
        return asked + uniform(0, self.backoff_seconds)


@dataclass(frozen=True, slots=True)
class Listener:
    """Who wants to know how a provider is doing: plain functions, for metrics."""

    first_token: Callable[[str, float], None] = lambda provider, seconds: None
    failed: Callable[[str, str], None] = lambda provider, code: None


async def attempts(
    name: str,
    use: AbstractContextManager[ChatProvider],
    target: Target,
    request: ChatRequest,
    *,
    stream: bool,
    patience: Patience,
    listener: Listener,
    uniform: Callable[[float, float], float],
    sleep: Callable[[float], Awaitable[object]],
) -> AsyncGenerator[Packet, None]:
    """The provider's answer; asks again after a failure only while nothing at all has been heard."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    watchdog = Watchdog(loop, give_up_at=started + patience.whole_seconds)
    # Nothing can be heard of a plain answer before all of it is there.
    first_token_seconds = patience.first_token_seconds if stream else math.inf
    if target.model != request.model:
        request = replace(request, model=target.model)
    with use as provider:
        for tried in itertools.count(1):
            heard = False
            source = provider.listen(request, stream=stream)
            held: list[Heard] = []
            try:
                watchdog.watch(first_token_seconds)
                async for several in source:
                    watchdog.rest()
                    if heard:
                        yield Packet(target, several)
                    elif any(piece.events for piece in several):
                        heard = True
                        if stream:
                            listener.first_token(name, loop.time() - started)
                        yield Packet(target, [*held, *several])
                    else:
                        # Nothing is said yet, and a second attempt would begin like this again.
                        held += several
                    watchdog.watch(patience.between_tokens_seconds)
                return
            except asyncio.CancelledError:
                if not watchdog.has_cancelled():
                    raise
                listener.failed(name, ProviderUnavailable.code)
                # Not asked again: it may only be slow, and would be paid twice.
                raise ProviderUnavailable(name, _overdue(watchdog, heard, patience)) from None
            except ProviderFailed as failure:
                listener.failed(name, failure.code)
                pause = None if heard else patience.pause_after(failure, tried, uniform)
                if pause is None or loop.time() + pause >= watchdog.give_up_at:
                    raise
            finally:
                watchdog.stop()
                await source.aclose()
            await sleep(pause)


def _overdue(watchdog: "Watchdog", heard: bool, patience: Patience) -> str:
    if watchdog.gave_up:
        return f"the answer was not complete after {patience.whole_seconds:g} seconds"
    if heard:
        return f"fell silent for {patience.between_tokens_seconds:g} seconds in the middle of the answer"
    return f"did not begin to answer within {patience.first_token_seconds:g} seconds"


class Watchdog:
    """Cancels the task that waits longer than it may; only while it waits, never what its caller does in between."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, give_up_at: float) -> None:
        self.give_up_at = give_up_at
        self.gave_up = False
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
        self._deadline = deadline if deadline < self.give_up_at else self.give_up_at
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
        self.gave_up = self._deadline == self.give_up_at
        self._cancelled, self._waiting = self._waiting, None
        self._cancellations_before = self._cancelled.cancelling()
        self._cancelled.cancel()
