"""A circuit breaker: who fails again and again is left alone for a while, then tried with a single call."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Breaker", "Circuit", "Tolerance"]


class Circuit(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    # One call is under way that will tell.
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    # A call that nobody else can answer fails up to three times.
    failures_in_a_row: int = 10
    rest_seconds: float = 5
    # Each try that fails doubles the rest, up to this.
    longest_rest_seconds: float = 60
    # What those are told who come while the one call is under way.
    verdict_seconds: float = 1


class Breaker:
    def __init__(self, tolerance: Tolerance, clock: Callable[[], float], changed: Callable[[Circuit], None]) -> None:
        self._tolerance, self._clock, self._changed = tolerance, clock, changed
        self._circuit = Circuit.CLOSED
        self._failures = 0
        self._rest_seconds = tolerance.rest_seconds
        self._until = 0.0

    def wait_seconds(self) -> float:
        """How long to leave the provider alone; zero when it may be asked now."""
        match self._circuit:
            case Circuit.CLOSED:
                return 0.0
            case Circuit.OPEN:
                return max(0.0, self._until - self._clock())
            case Circuit.HALF_OPEN:
                return self._tolerance.verdict_seconds

    def begin(self) -> bool:
        """A call begins that was not told to wait. Whether it is the one that will tell, and must say how it went."""
        if self._circuit is not Circuit.OPEN:
            return False
        self._become(Circuit.HALF_OPEN)
        return True

    def succeeded(self) -> None:
        self._failures, self._rest_seconds = 0, self._tolerance.rest_seconds
        self._become(Circuit.CLOSED)

    def failed(self, *, telling: bool) -> None:
        if telling:
            self._rest_seconds = min(self._rest_seconds * 2, self._tolerance.longest_rest_seconds)
            self._open()
        elif self._circuit is Circuit.CLOSED:  # calls from before it opened tell nothing new
            self._failures += 1
            if self._failures >= self._tolerance.failures_in_a_row:
                self._open()

    def left(self) -> None:
        """The one call ended without a verdict: the next one will tell."""
        self._until = self._clock()
        self._become(Circuit.OPEN)

    def retire(self) -> None:
        """The provider is gone, and with it what there was to tell of it."""
        self._become(Circuit.CLOSED)
        self._changed = lambda circuit: None

    def _open(self) -> None:
        self._until = self._clock() + self._rest_seconds
        self._become(Circuit.OPEN)

    def _become(self, circuit: Circuit) -> None:
        if self._circuit is not circuit:
            self._circuit = circuit
            self._changed(circuit)
