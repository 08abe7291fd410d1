"""How long we wait for a provider and how often we ask again, and who is told how it goes."""

from collections.abc import Callable
from dataclasses import dataclass

from engine.breaker import Circuit
from engine.chat import ChatRequest
from errors import ProviderFailed, ProviderRateLimited, ProviderUnavailable

__all__ = ["Listener", "Patience"]

# How long a plain answer is taken to be that nobody limits.
_USUAL_TOKENS = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Reasoning models think for a minute before their first word, so these are generous."""

    first_token_seconds: float = 120
    between_tokens_seconds: float = 60
    whole_seconds: float = 900
    listing_seconds: float = 15
    # Of a plain answer nothing is heard before all of it is written; slower than this is taken for never.
    slowest_tokens_per_second: float = 5
    tries: int = 3
    backoff_seconds: float = 0.5
    # A vendor that asks for a longer pause than this is not asked again: the caller learns when to come back.
    longest_pause_seconds: float = 20
    # How long a call may wait until its provider has ended another.
    turn_seconds: float = 30

    def first_seconds(self, request: ChatRequest, *, stream: bool) -> float:
        """How long nothing at all may be heard."""
        if stream:
            return self.first_token_seconds
        return self.first_token_seconds + (request.max_tokens or _USUAL_TOKENS) / self.slowest_tokens_per_second

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
    """Who wants to know how providers are doing: plain functions, for metrics."""

    first_token: Callable[[str, float], None] = lambda provider, seconds: None
    failed: Callable[[str, str], None] = lambda provider, code: None
    # From whom to whom.
    fell_back: Callable[[str, str], None] = lambda provider, other: None
    circuit: Callable[[str, Circuit], None] = lambda provider, circuit: None
