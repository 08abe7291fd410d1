"""Whom one call asks, and whom next."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from engine.chat import ChatProvider
from engine.patience import Patience
from engine.standing import Crowded, LeftAlone, Standing
from engine.targets import Target
from errors import ProviderFailed, ProviderRateLimited, ProviderUnavailable

__all__ = ["Candidate", "Order", "Overdue"]


class Overdue(ProviderUnavailable):
    """Not asked again: it may only be slow, and would be paid twice."""


@dataclass(slots=True, eq=False)
class Candidate:
    """Somebody to ask, and how often this call has asked already."""

    target: Target
    standing: Standing
    use: Callable[[], AbstractContextManager[ChatProvider]]
    tried: int = 0
    ready_at: float = 0.0


class Order:
    """Whoever need not be waited for is next, and each is asked once before somebody is asked again."""

    def __init__(
        self,
        candidates: Sequence[Candidate],
        patience: Patience,
        uniform: Callable[[float, float], float],
        clock: Callable[[], float],
    ) -> None:
        self._waiting = list(candidates)
        self._patience, self._uniform, self._clock = patience, uniform, clock
        self._is_alone = len(candidates) == 1
        self._again = patience.tries - 1
        self._give_up_at = clock() + patience.whole_seconds
        self._failure: ProviderFailed | None = None
        self._unasked: ProviderFailed | None = None

    @property
    def failure(self) -> ProviderFailed:
        """What somebody said; only when nobody was asked, that."""
        failure = self._failure or self._unasked
        assert failure is not None  # there was somebody, and nobody is left
        return failure

    def next(self) -> Candidate | None:
        while self._waiting:
            candidate = min(self._waiting, key=self._rank)
            self._waiting.remove(candidate)
            pause = self.pause(candidate)
            if pause <= self._patience.longest_pause_seconds + self._patience.backoff_seconds:
                return candidate
            name = candidate.standing.provider
            self._pass_over(ProviderRateLimited(name, "asked to be left alone", retry_after_seconds=pause))
        return None

    def pause(self, candidate: Candidate) -> float:
        # What a provider asked of others binds us where there is somebody else to ask.
        quiet_until = 0.0 if self._is_alone else candidate.standing.quiet_until(candidate.target.model)
        return max(0.0, max(candidate.ready_at, quiet_until) - self._clock())

    def turn_seconds(self) -> float:
        return min(self._patience.turn_seconds, max(0.0, self._give_up_at - self._clock()))

    def failed(self, candidate: Candidate, failure: ProviderFailed) -> None:
        """It is asked again later, unless that would not help or was done often enough."""
        if isinstance(failure, LeftAlone):
            self._pass_over(failure)
            return
        self._failure = failure
        candidate.tried += 1
        if isinstance(failure, (Crowded, Overdue)) or not self._again:
            return
        pause = self._patience.pause_after(failure, candidate.tried, self._uniform)
        now = self._clock()
        if pause is not None and now + pause < self._give_up_at:
            self._again -= 1
            candidate.ready_at = now + pause
            self._waiting.append(candidate)

    def _rank(self, candidate: Candidate) -> tuple[float, bool]:
        return self.pause(candidate), candidate.standing.is_full

    def _pass_over(self, failure: ProviderFailed) -> None:
        known = self._unasked
        if known is None or (failure.retry_after_seconds or 0) < (known.retry_after_seconds or 0):
            self._unasked = failure
