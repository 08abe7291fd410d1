"""Who is let in: before a model is asked, what the answer may cost is put aside, and the key's limits are looked at.

In the normal case nothing of this asks the database. A permit ends in one of two ways: `settle` tells what the call
cost, and the ledger writes it down; `release` gives back what was put aside, when nothing was spent, or when it was
written down otherwise, as a turn does with its own ending.
"""

from collections.abc import Callable
from decimal import Decimal

from domain.holds import Hold, Holds
from domain.identity import Principal
from domain.rates import Rates, Visit
from domain.usage import SMALLEST

__all__ = ["Admission", "Permit"]

_NOTHING = Decimal(0)


class Permit:
    """One call that was let in. It ends once, however often it is told to."""

    __slots__ = ("_reserved", "_visit")

    def __init__(self, reserved: list[tuple[Hold, Decimal]], visit: Visit | None) -> None:
        self._reserved, self._visit = reserved, visit

    def settle(self, cost: Decimal, tokens: int | None = None) -> list[Hold]:
        """From which holds it is taken: whoever writes the cost down settles it with them."""
        reserved = self._end(tokens)
        for hold, amount in reserved:
            hold.spend(amount, cost)
        return [hold for hold, _ in reserved]

    def release(self, tokens: int | None = None) -> None:
        for hold, amount in self._end(tokens):
            hold.put_back(amount)

    def _end(self, tokens: int | None) -> list[tuple[Hold, Decimal]]:
        if self._visit is not None:
            self._visit.end(tokens)
        reserved, self._reserved, self._visit = self._reserved, [], None
        return reserved


class Admission:
    """`check` raises when there is no room to write down what another call costs."""

    def __init__(self, holds: Holds, rates: Rates, *, check: Callable[[], object]) -> None:
        self._holds, self._rates, self._check = holds, rates, check

    async def admit(
        self,
        principal: Principal,
        *,
        estimate: Decimal = _NOTHING,
        least: Decimal = _NOTHING,
        tokens: int = 0,
        is_bound: bool = True,
    ) -> Permit:
        """`estimate`: what the call will cost at most, in US dollars, as far as anybody can tell; `tokens` likewise.

        `least` is what it costs in any case: for what is asked, if not for what is answered. `is_bound`: whether it
        cannot cost more than it is estimated at, because somebody has said how long the answer may be.
        """
        self._check()
        visit = None
        if principal.limits is not None and principal.key_id is not None:
            visit = await self._rates.enter(principal.key_id, principal.limits, tokens)
        reserved: list[tuple[Hold, Decimal]] = []
        # A budget that is used up lets nothing in, not even what costs nothing.
        amount = max(estimate, SMALLEST)
        try:
            holds = self._holds.of(principal)
            for hold in await self._holds.look_up(principal) if holds is None else holds:
                taken = (
                    amount
                    if hold.take(amount)
                    else await self._holds.reserve(hold, amount, least=least, is_bound=is_bound)
                )
                reserved.append((hold, taken))
        except BaseException:
            for hold, taken in reserved:
                hold.keep(taken)
            if visit is not None:
                visit.end(0)
            raise
        return Permit(reserved, visit)
