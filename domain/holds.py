"""What this process has put aside of budgets, so that a call need not ask the database whether there is money left.

A process takes a slice of what is free in one statement that cannot pass the limit, lets calls in from it in memory,
and writes down together what they have spent. So spent and held never pass the limit by anything that was reserved,
however many processes there are; what can pass it is the part of a call's cost that nobody foresaw.

Near the end slices are as small as one call, and where nobody has said how long an answer may be, several times of what
calls have cost lately is put aside for it instead of an estimate that holds for all. Who finds nothing free asks the
others to give back what they do not use, and waits for a moment before it is refused. A call that may cost more than
there is left is let in when it is the only one, and when what is left would have paid for the last ones: else the rest
could never be used.
"""

import asyncio
import time
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from uuid import UUID
from weakref import WeakValueDictionary

import asyncpg

from domain.billing import PERIOD_STARTED, SPENT
from domain.identity import Principal
from domain.recent import Recent
from domain.usage import SMALLEST
from errors import BudgetExceeded
from models.database import connection

__all__ = ["CHANGED", "Hold", "Holds"]

# On which processes tell each other that budgets have changed, and that they need what others hold.
CHANGED = "palaver_budgets"

_NOTHING = Decimal(0)
_BUDGETS = {"TOTAL": "The budget", "DAY": "Today's budget", "MONTH": "This month's budget"}
# So many times of what calls have cost lately are put aside, where there is no better estimate.
_MARGIN = 4
# How long a call waits for what others hold, and how often it looks.
_WAIT_SECONDS = 0.5
_LOOK_SECONDS = 0.05
# Once it is known that nothing is left, nobody asks again for this long.
_REFUSED_SECONDS = 0.2
# Who was asked to give back keeps nothing that it does not use for this long.
_WANTED_SECONDS = 1.0
# What was not used for this long is given back unasked.
_IDLE_SECONDS = 2.0

_DRAW = f"""
WITH budget AS (
    SELECT id, amount, held, {SPENT} AS spent, {PERIOD_STARTED} AS started FROM budgets WHERE id = $1 FOR UPDATE
), before AS (
    SELECT budget.*, budget.amount - budget.spent - budget.held AS free,
           coalesce((SELECT amount FROM budget_holds WHERE budget_id = $1 AND owner = $2), 0) AS own
    FROM budget
), draw AS (
    SELECT *, CASE WHEN free >= $3 THEN greatest($3, round(free / 16, 9) * $5::int)
                   -- Nobody else holds any of it: the one call takes what there is.
                   WHEN $4 AND held <= own THEN greatest(free, 0)
                   ELSE 0 END AS taken
    FROM before
), changed AS (
    UPDATE budgets SET spent = draw.spent, period_started_at = draw.started, held = draw.held + taken
    FROM draw WHERE budgets.id = draw.id AND taken > 0
), kept AS (
    INSERT INTO budget_holds (budget_id, owner, amount, lease_expires_at)
    SELECT id, $2, taken, now() + make_interval(secs => $6) FROM draw WHERE taken > 0
    ON CONFLICT (budget_id, owner) DO UPDATE
    SET amount = budget_holds.amount + excluded.amount, lease_expires_at = excluded.lease_expires_at
)
SELECT draw.*, told FROM draw
LEFT JOIN LATERAL (SELECT pg_notify('{CHANGED}', $7)::text AS told) AS word ON taken = 0 AND held > own
"""

# Of the last calls of the workspace, those that were paid from this budget.
_LATELY = """
SELECT avg(last.cost) FROM budgets, LATERAL (
    SELECT cost, api_key_id FROM usage_records
    WHERE workspace_id = budgets.workspace_id ORDER BY created_at DESC LIMIT 50
) AS last
WHERE budgets.id = $1 AND (budgets.api_key_id IS NULL OR last.api_key_id = budgets.api_key_id)
"""

_GIVE_UP = """
WITH ended AS (
    SELECT budget_id FROM budget_holds WHERE owner = $1 OR ($1 IS NULL AND lease_expires_at < now())
), locked AS (
    SELECT id FROM budgets WHERE id IN (SELECT budget_id FROM ended) ORDER BY id FOR UPDATE
), gone AS (
    DELETE FROM budget_holds USING locked
    WHERE budget_id = locked.id AND (owner = $1 OR ($1 IS NULL AND lease_expires_at < now()))
    RETURNING budget_id, amount
), free AS (
    SELECT budget_id, sum(amount) AS amount FROM gone GROUP BY budget_id
)
UPDATE budgets SET held = greatest(held - free.amount, 0) FROM free WHERE budgets.id = budget_id
"""


class Hold:
    """What this process holds of one budget.

    Of what was granted, some is reserved for calls that run, some is spent but not written down yet, and some returns
    to the budget with the next flush: what is not needed, and what a turn has had, whose own ending writes it down.
    """

    __slots__ = (
        *("__weakref__", "_changed", "budget_id", "granted", "lock", "name", "owed", "reserved", "returning"),
        *("dry_until", "refused_until", "typical", "used_at", "waiting", "wanted_until"),
    )

    def __init__(self, budget_id: UUID, name: str, changed: Callable[["Hold"], object]) -> None:
        self.budget_id, self.name, self._changed = budget_id, name, changed
        self.granted = self.reserved = self.owed = self.returning = _NOTHING
        # What a call has cost lately.
        self.typical = _NOTHING
        self.used_at = self.dry_until = self.refused_until = self.wanted_until = 0.0
        # Held while the database is told or asked what is granted.
        self.lock = asyncio.Lock()
        self.waiting: set[asyncio.Future[None]] = set()

    @property
    def free(self) -> Decimal:
        return self.granted - self.reserved - self.owed - self.returning

    @property
    def is_alone(self) -> bool:
        """No call of this process has any of it."""
        return not self.reserved and not self.returning

    @property
    def is_wanted(self) -> bool:
        return self.wanted_until > time.monotonic()

    def take(self, amount: Decimal) -> bool:
        if self.granted - self.reserved - self.owed - self.returning < amount:
            return False
        self.reserved += amount
        self.used_at = time.monotonic()
        return True

    def take_most(self, amount: Decimal, enough: Decimal) -> Decimal | None:
        if self.take(amount):
            return amount
        return enough if self.take(enough) else None

    def spend(self, reserved: Decimal, cost: Decimal) -> None:
        """Whoever calls this writes the cost down, and settles it with that."""
        self.reserved -= reserved
        self.owed += cost
        self.typical = (self.typical * 7 + cost) / 8 if self.typical else cost
        self.wake()

    def put_back(self, reserved: Decimal) -> None:
        """Not for the next call here: it may be spent, in a transaction that knew nothing of this process."""
        self.reserved -= reserved
        self.returning += reserved
        self._changed(self)

    def keep(self, reserved: Decimal) -> None:
        """Nothing came of it: it is free for the next call here."""
        self.reserved -= reserved
        self.wake()

    def forgive(self, cost: Decimal) -> None:
        """It will never be written down."""
        self.owed -= cost
        self.returning += cost
        self._changed(self)

    def wake(self) -> None:
        if self.waiting:
            waiting, self.waiting = self.waiting, set()
            for waiter in waiting:
                if not waiter.done():
                    waiter.set_result(None)

    async def change(self) -> None:
        """Until something may have become free, or it is time to look."""
        waiter = asyncio.get_running_loop().create_future()
        self.waiting.add(waiter)
        await asyncio.wait([waiter], timeout=_LOOK_SECONDS)
        self.waiting.discard(waiter)

    def surplus(self, now: float) -> Decimal:
        """What is free, and should be given back."""
        if self.wanted_until > now or self.used_at + _IDLE_SECONDS < now:
            return max(self.free, _NOTHING)
        return _NOTHING


class Holds:
    """All that this process holds, as `owner`; a process that starts again is another one."""

    def __init__(
        self, owner: UUID, *, lease_seconds: float = 12, fresh_seconds: float = 30, keep: int = 10_000
    ) -> None:
        self.owner, self.lease_seconds = owner, lease_seconds
        self._known = Recent[tuple[Hold, ...]](keep=keep, fresh_seconds=fresh_seconds)
        # One for each budget, for as long as anybody knows it or anything is held.
        self._holds: WeakValueDictionary[UUID, Hold] = WeakValueDictionary()
        self._granted: set[Hold] = set()
        self._has_drawn = False
        # Those that have something to give back.
        self.changed: set[Hold] = set()
        # Told when there is something to give back, and when others wait for it.
        self.when_changed: Callable[[], object] = lambda: None
        self.when_wanted: Callable[[], object] = lambda: None
        self._last_look = time.monotonic()

    def of(self, principal: Principal) -> tuple[Hold, ...] | None:
        """Of the budgets that a call of this principal is paid from; None when they have to be looked up."""
        known = self._known.get(principal.workspace_id, principal.key_id)
        return None if known is None else known.value

    async def look_up(self, principal: Principal) -> tuple[Hold, ...]:
        since = self._known.changes
        async with connection() as bare:
            rows = await bare.fetch(
                "SELECT id, api_key_id, period FROM budgets"
                " WHERE workspace_id = $1 AND (api_key_id IS NULL OR api_key_id = $2) ORDER BY id",
                principal.workspace_id,
                principal.key_id,
            )
        holds = tuple(self._hold(row) for row in rows)
        self._known.put(principal.workspace_id, principal.key_id, holds, size=0, since=since)
        return holds

    def _hold(self, row: asyncpg.Record) -> Hold:
        hold = self._holds.get(row["id"])
        if hold is None:
            whose = "of this workspace" if row["api_key_id"] is None else "of this key"
            hold = Hold(row["id"], f"{_BUDGETS[row['period']]} {whose}", self._note)
            self._holds[hold.budget_id] = hold
        return hold

    async def reserve(
        self, hold: Hold, amount: Decimal, *, least: Decimal = _NOTHING, is_bound: bool = True
    ) -> Decimal:
        """How much was reserved, for a call of which it is not all there at once."""
        reserving = asyncio.ensure_future(self._reserve(hold, amount, least, is_bound))
        try:
            return await asyncio.shield(reserving)
        except asyncio.CancelledError:
            # Torn in the middle, the database and this process would not agree on what was granted.
            reserving.add_done_callback(partial(_left, hold))
            raise

    async def _reserve(self, hold: Hold, amount: Decimal, least: Decimal, is_bound: bool) -> Decimal:
        deadline = time.monotonic() + _WAIT_SECONDS
        while (reserved := await self._draw(hold, amount, least, is_bound)) is None:
            if time.monotonic() >= deadline:
                raise BudgetExceeded(hold.name)
            await hold.change()
        return reserved

    async def _draw(self, hold: Hold, amount: Decimal, least: Decimal, is_bound: bool) -> Decimal | None:
        """None when it may be worth waiting."""
        async with hold.lock:
            now = time.monotonic()
            if now < hold.refused_until:
                raise BudgetExceeded(hold.name)
            enough = amount if is_bound else min(amount, max(await _lately(hold) * _MARGIN or amount, least))
            enough = enough.quantize(SMALLEST)
            if (taken := hold.take_most(amount, enough)) is not None:
                return taken
            if now < hold.dry_until:
                return None
            while (row := await self._ask(hold, wanted := enough - hold.free)) is not None:
                hold.granted = row["own"] + row["taken"]
                if (taken := hold.take_most(amount, enough)) is not None:
                    return taken
                if row["taken"] < wanted:
                    return self._take_last(hold, row, min(amount, await _lately(hold)), least)
                # It was there, but calls that ended meanwhile cost more than was put aside for them.
            # Deleted a moment ago: no limit any more.
            hold.reserved += amount
            return amount

    def _take_last(self, hold: Hold, row: asyncpg.Record, likely: Decimal, least: Decimal) -> Decimal | None:
        """All that is left, when nobody else is there to want it, and it will probably do."""
        is_alone = hold.is_alone and row["held"] <= row["own"]
        if is_alone and hold.free >= max(likely, least, SMALLEST):
            return hold.take_most(hold.free, hold.free)
        if is_alone or row["amount"] <= row["spent"] + hold.owed:
            hold.refused_until = time.monotonic() + _REFUSED_SECONDS
            raise BudgetExceeded(hold.name)
        hold.dry_until = time.monotonic() + _LOOK_SECONDS
        return None

    async def _ask(self, hold: Hold, amount: Decimal) -> asyncpg.Record | None:
        """Draw a slice of at least this amount, if there is one. None when there is no such budget any more."""
        self._granted.add(hold)
        self._has_drawn = True
        try:
            async with connection() as bare:
                return await bare.fetchrow(
                    _DRAW,
                    hold.budget_id,
                    self.owner,
                    amount,
                    hold.is_alone,
                    # Who is asked to give back takes no more than it needs.
                    0 if hold.is_wanted else 1,
                    self.lease_seconds,
                    f"want:{self.owner}:{hold.budget_id}",
                )
        except BaseException:
            # Nobody knows whether it was granted: the next flush says what is held.
            self._note(hold)
            raise

    # ---------------------------------------------------------------- what others say

    def forget(self, what: str) -> None:
        """A workspace's budgets have changed; or somebody wants what is held here."""
        word, _, rest = what.partition(":")
        if word == "want":
            owner, _, budget_id = rest.partition(":")
            if owner != str(self.owner) and (hold := self._holds.get(UUID(budget_id))) is not None:
                hold.wanted_until = time.monotonic() + _WANTED_SECONDS
                if hold.surplus(time.monotonic()):
                    self.changed.add(hold)
                    self.when_wanted()
        else:
            self._known.forget(UUID(what))
            self._look_again()

    def forget_all(self) -> None:
        """What was missed while not listening may have been a change."""
        self._known.forget_all()
        self._look_again()

    def _look_again(self) -> None:
        for hold in list(self._holds.values()):
            hold.refused_until = hold.dry_until = 0
            hold.wake()

    # ---------------------------------------------------------------- what is written

    def look_for_idle(self) -> None:
        now = time.monotonic()
        for hold in self._granted:
            if hold.surplus(now):
                self._note(hold)

    def _note(self, hold: Hold) -> None:
        self.changed.add(hold)
        self.when_changed()

    async def renew(self) -> None:
        if self._granted:
            async with connection() as bare:
                await bare.execute(
                    "UPDATE budget_holds SET lease_expires_at = now() + make_interval(secs => $2)"
                    " WHERE owner = $1 AND budget_id = ANY($3::uuid[])",
                    self.owner,
                    self.lease_seconds,
                    [hold.budget_id for hold in self._granted],
                )

    async def free_expired(self) -> None:
        """While the database is away nobody can renew a lease: when it is back, everybody gets the time to do it."""
        await self.renew()
        now = time.monotonic()
        was_away, self._last_look = now - self._last_look > self.lease_seconds / 2, now
        if not was_away:
            await self._give_up(None)

    async def close(self) -> None:
        if self._has_drawn:
            await self._give_up(self.owner)

    async def _give_up(self, owner: UUID | None) -> None:
        async with connection() as bare:
            await bare.execute(_GIVE_UP, owner)

    def settled(self, hold: Hold, granted: Decimal) -> None:
        hold.granted = granted
        if not granted:
            self._granted.discard(hold)


def _left(hold: Hold, reserving: asyncio.Future[Decimal]) -> None:
    """Whoever it was for does not wait any more."""
    if not reserving.cancelled() and reserving.exception() is None:
        hold.keep(reserving.result())


async def _lately(hold: Hold) -> Decimal:
    """What a call has cost lately, here or, before there was any, elsewhere."""
    if not hold.typical:
        async with connection() as bare:
            hold.typical = await bare.fetchval(_LATELY, hold.budget_id) or _NOTHING
    return hold.typical
