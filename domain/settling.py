"""What one flush does to what this process holds of budgets."""

import time
from collections.abc import Iterable, Mapping
from decimal import Decimal
from uuid import UUID

import asyncpg

from domain.holds import Hold, Holds

__all__ = ["Settlement"]

_NOTHING = Decimal(0)

# What this process holds from now on, whatever it held: written twice, it is the same.
_SETTLE = """
WITH wanted AS (
    SELECT * FROM unnest($1::uuid[], $2::numeric[]) AS wanted (budget_id, amount)
), locked AS (
    SELECT budgets.id FROM budgets JOIN wanted ON budgets.id = budget_id ORDER BY budgets.id FOR UPDATE OF budgets
), before AS (
    SELECT budget_id, budget_holds.amount FROM budget_holds JOIN locked ON budget_id = locked.id WHERE owner = $3
), now_held AS (
    UPDATE budget_holds SET amount = least(budget_holds.amount, wanted.amount),
                            lease_expires_at = now() + make_interval(secs => $4)
    FROM wanted JOIN locked ON locked.id = wanted.budget_id
    WHERE budget_holds.budget_id = wanted.budget_id AND owner = $3
    RETURNING budget_holds.budget_id, budget_holds.amount
)
UPDATE budgets SET held = greatest(held - before.amount + now_held.amount, 0)
FROM before JOIN now_held USING (budget_id) WHERE budgets.id = budget_id
RETURNING budgets.id, now_held.amount
"""


class Settlement:
    """`owed` is what is written down as spent beside this.

    Entered before the flush takes a connection, because whoever draws has the lock and waits for a connection.
    """

    def __init__(self, holds: Holds, owed: Mapping[Hold, Decimal]) -> None:
        self._holds = holds
        self._owed = dict.fromkeys(holds.changed, _NOTHING) | dict(owed)
        self._back: dict[Hold, Decimal] = {}
        self._granted: dict[UUID, Decimal] = {}

    async def __aenter__(self) -> "Settlement":
        locked: list[Hold] = []
        try:
            for hold in self._owed:
                await hold.lock.acquire()
                locked.append(hold)
        except BaseException:
            _unlock(locked)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        _unlock(self._owed)

    async def write(self, bare: asyncpg.Connection) -> None:
        if not self._owed:
            return
        now = time.monotonic()
        for hold in self._owed:
            # From here on nobody takes it, whatever becomes of this flush.
            hold.returning += hold.surplus(now)
            self._back[hold] = hold.returning
        remaining = [max(hold.granted - owed - self._back[hold], _NOTHING) for hold, owed in self._owed.items()]
        ids = [hold.budget_id for hold in self._owed]
        rows = await bare.fetch(_SETTLE, ids, remaining, self._holds.owner, self._holds.lease_seconds)
        self._granted = {row["id"]: row["amount"] for row in rows}

    def done(self) -> None:
        """It is committed."""
        for hold, owed in self._owed.items():
            hold.owed -= owed
            hold.returning -= self._back[hold]
            if not hold.returning:
                self._holds.changed.discard(hold)
            # What is not there any more was freed by somebody who took this process for dead.
            self._holds.settled(hold, self._granted.get(hold.budget_id, _NOTHING))


def _unlock(holds: Iterable[Hold]) -> None:
    for hold in holds:
        hold.lock.release()
        hold.wake()
