"""How we stand with a provider: whether it may be asked now, and how many calls it is sent at once."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from engine.breaker import Breaker
from errors import (
    ContextTooLong,
    ProviderFailed,
    ProviderRateLimited,
    ProviderRefusedKey,
    ProviderRejected,
    ProviderUnavailable,
)

__all__ = ["Asking", "Crowded", "LeftAlone", "Slots", "Standing"]

# However long a provider asks for, somebody looks again after an hour.
LONGEST_QUIET_SECONDS = 3600
# For who says "too often" without saying for how long, and for whom our key is not good.
QUIET_SECONDS = 1.0
KEYLESS_SECONDS = 30.0
# Models whose limits are remembered; a name is whatever a caller wrote.
_MOST_QUIET = 256
_EVERY_MODEL = ""


class Slots:
    """So many calls at once; a few more wait in turn, the others are refused."""

    def __init__(self, limit: int, *, waiting_per_slot: int = 4) -> None:
        self._free = asyncio.Semaphore(limit)
        self._most_waiting = limit * waiting_per_slot
        self._waiting = 0

    @property
    def is_full(self) -> bool:
        return self._free.locked()

    async def take(self, provider: str, seconds: float) -> None:
        if not self.is_full:
            await self._free.acquire()
            return
        if self._waiting >= self._most_waiting:
            raise Crowded(provider, "is asked as often at once as it may be, and enough others wait")
        self._waiting += 1
        try:
            async with asyncio.timeout(seconds):
                await self._free.acquire()
        except TimeoutError as exc:
            raise Crowded(provider, f"was busy with as many calls as it may be sent for {seconds:g} seconds") from exc
        finally:
            self._waiting -= 1

    def give_back(self) -> None:
        self._free.release()


class Standing:
    def __init__(self, provider: str, breaker: Breaker, slots: Slots | None, clock: Callable[[], float]) -> None:
        self.provider = provider
        self.breaker = breaker
        self._slots, self._clock = slots, clock
        self._quiet_until: dict[str, float] = {}

    @property
    def is_full(self) -> bool:
        return self._slots is not None and self._slots.is_full

    def quiet_until(self, model: str) -> float:
        """The moment before which it does not want to hear of this model; vendors limit each model by itself."""
        if not self._quiet_until:
            return 0.0
        return max(self._quiet_until.get(model, 0.0), self._quiet_until.get(_EVERY_MODEL, 0.0))

    @asynccontextmanager
    async def asking(self, model: str, *, wait_seconds: float) -> AsyncIterator["Asking"]:
        """One call, from its turn to its end. Raises at once when the provider is left alone for now."""
        self._check()
        if self._slots is not None:
            await self._slots.take(self.provider, wait_seconds)
        try:
            self._check()  # whoever had the slot before may have found out
            asking = Asking(self, model)
            try:
                yield asking
            except ProviderFailed as failure:
                asking.failed(failure)
                raise
            else:
                asking.succeeded()
            finally:
                asking.end()
        finally:
            if self._slots is not None:
                self._slots.give_back()

    def _check(self) -> None:
        if (seconds := self.breaker.wait_seconds()) > 0:
            raise LeftAlone(self.provider, seconds)

    def hush(self, model: str, seconds: float) -> None:
        now = self._clock()
        if len(self._quiet_until) >= _MOST_QUIET:
            self._quiet_until = {model: until for model, until in self._quiet_until.items() if until > now}
        if len(self._quiet_until) < _MOST_QUIET:
            self._quiet_until[model] = now + min(seconds, LONGEST_QUIET_SECONDS)


class Crowded(ProviderRateLimited):
    def __init__(self, provider: str, reason: str) -> None:
        super().__init__(provider, reason, retry_after_seconds=1)


class LeftAlone(ProviderUnavailable):
    def __init__(self, provider: str, seconds: float) -> None:
        super().__init__(provider, "failed too often and is left alone for a while", retry_after_seconds=seconds)


class Asking:
    """What one call says about its provider."""

    def __init__(self, standing: Standing, model: str) -> None:
        self._standing, self._model = standing, model
        self._tells = standing.breaker.begin()

    def heard(self) -> None:
        """It answers. For whether it may be asked again, nobody needs to wait until it is through."""
        if self._tells:
            self.succeeded()

    def succeeded(self) -> None:
        self._tells = False
        self._standing.breaker.succeeded()

    def failed(self, failure: ProviderFailed) -> None:
        match failure:
            case ProviderUnavailable():
                tells, self._tells = self._tells, False
                self._standing.breaker.failed(telling=tells)
                if failure.retry_after_seconds:
                    self._standing.hush(self._model, failure.retry_after_seconds)
            case ProviderRateLimited():
                self.heard()
                self._standing.hush(self._model, failure.retry_after_seconds or QUIET_SECONDS)
            case ProviderRefusedKey():
                self.heard()
                self._standing.hush(_EVERY_MODEL, KEYLESS_SECONDS)
            case ProviderRejected() | ContextTooLong():
                self.heard()

    def end(self) -> None:
        if self._tells:
            self._tells = False
            self._standing.breaker.left()
