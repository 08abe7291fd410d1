"""How much each caller may ask for: a sum that refills with time, from which the cost of every operation is taken."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from time import monotonic
from typing import Any  # Contexts are the business of whoever names their owner.

from errors import LimitReached

__all__ = ["Allowance"]


class Allowance:
    """Given to an executor as `spend`. `owner` says from a context who pays; nobody pays for None."""

    def __init__(
        self,
        owner: Callable[[Any], Hashable | None],
        *,
        most: int,
        per_second: float,
        owners: int = 100_000,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._owner, self._most, self._per_second, self._owners, self._clock = owner, most, per_second, owners, clock
        self._left: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def __call__(self, context: Any, cost: int) -> None:
        owner = self._owner(context)
        if owner is None:
            return
        now = self._clock()
        left, since = self._left.get(owner, (self._most, now))
        left = min(self._most, left + (now - since) * self._per_second)
        # What costs more than anybody can have is paid for with all of it: the limit on cost has let it pass.
        price = min(cost, self._most)
        if left < price:
            raise LimitReached(
                "The allowance of this key", retry_after_seconds=round((price - left) / self._per_second, 1)
            )
        self._left[owner] = left - price, now
        self._left.move_to_end(owner)
        # Who has asked for nothing for the longest time has most of it back anyway.
        if len(self._left) > self._owners:
            self._left.popitem(last=False)
