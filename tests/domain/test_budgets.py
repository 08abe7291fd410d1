import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any  # Credentials are an open dictionary.
from uuid import uuid4

import asyncpg
import orjson
import pytest

import models
from domain import budgets, keys
from domain.budgets import Budgets
from domain.holds import Holds
from domain.identity import KeyKind, Principal
from domain.keys import Keys
from errors import BudgetExceeded, Conflict, Invalid, NotFound
from models import BudgetPeriod
from models.database import connection
from tests.paying import Till, entry_of, till

# Another process, which makes no calls.
BUDGETS = Budgets(Holds(uuid4()))
# What `entry_of` costs.
COST = Decimal("0.003")


async def spend(here: Till, principal: Principal, estimate: Decimal = COST) -> None:
    here.ledger.record(entry_of(principal, await here.admission.admit(principal, estimate=estimate)))


async def test_lets_in_until_it_is_used_up(principal: Principal) -> None:
    await BUDGETS.create(principal, amount=0.03, period=BudgetPeriod.TOTAL)
    async with till() as here:
        for _ in range(10):
            await spend(here, principal)

        with pytest.raises(BudgetExceeded, match="The budget of this workspace is used up"):
            await here.admission.admit(principal, estimate=COST)

    row = await models.Budget.get()
    assert (row.spent, row.held) == (Decimal("0.03"), Decimal(0))


async def test_asks_the_database_only_now_and_then(principal: Principal, statements: list[str]) -> None:
    await BUDGETS.create(principal, amount=1000, period=BudgetPeriod.TOTAL)
    async with till(flush_seconds=60) as here:
        await here.admission.admit(principal, estimate=COST)
        statements.clear()

        for _ in range(500):
            await spend(here, principal)

        assert [each for each in statements if "budget" in each] == []


async def test_without_budgets_nothing_is_asked(principal: Principal, statements: list[str]) -> None:
    async with till(flush_seconds=60) as here:
        await here.admission.admit(principal, estimate=COST)
        statements.clear()

        for _ in range(100):
            await here.admission.admit(principal, estimate=Decimal(1000))

        assert [each for each in statements if "budget" in each] == []


async def test_workspace_and_key_must_both_have_enough(principal: Principal) -> None:
    row, secret = await keys.create(principal.workspace_id, KeyKind.SK)
    await BUDGETS.create(principal, amount=1, period=BudgetPeriod.TOTAL)
    await BUDGETS.create(principal, amount=0.003, period=BudgetPeriod.MONTH, key_id=str(row.id))
    caller = await Keys().authenticate(secret, None)
    async with till() as here:
        await spend(here, caller)

        with pytest.raises(BudgetExceeded, match="This month's budget of this key is used up"):
            await here.admission.admit(caller, estimate=COST)
        await spend(here, principal)

    by_key = {row.api_key_id: row for row in await models.Budget.all()}
    assert (by_key[None].spent, by_key[row.id].spent) == (2 * COST, COST)
    assert {row.held for row in by_key.values()} == {Decimal(0)}


async def test_calls_that_cost_more_than_was_put_aside_refuse_nobody_early(principal: Principal) -> None:
    await models.Budget.create(workspace_id=principal.workspace_id, amount=Decimal("0.6"))

    async def calls(here: Till) -> int:
        let_in = 0
        while True:
            try:
                permit = await here.admission.admit(principal, estimate=Decimal("0.001"))
            except BudgetExceeded:
                return let_in
            await asyncio.sleep(0)
            here.ledger.record(entry_of(principal, permit))
            let_in += 1

    async with till() as here:
        let_in = sum(await asyncio.gather(*(calls(here) for _ in range(12))))

    # Each costs three thousandths.
    assert let_in >= 200


async def test_a_used_up_budget_stops_what_costs_nothing_too(principal: Principal) -> None:
    await BUDGETS.create(principal, amount=0, period=BudgetPeriod.TOTAL)
    async with till() as here:
        with pytest.raises(BudgetExceeded):
            await here.admission.admit(principal)


async def test_an_estimate_above_the_budget_lets_one_in_at_a_time(principal: Principal) -> None:
    """Nobody can say what an answer will cost: a limit must be usable to its end all the same."""
    await BUDGETS.create(principal, amount=0.007, period=BudgetPeriod.TOTAL)
    async with till() as here:
        first = await here.admission.admit(principal, estimate=Decimal(5))
        with pytest.raises(BudgetExceeded):
            await here.admission.admit(principal, estimate=Decimal(5))
        here.ledger.record(entry_of(principal, first))

        await spend(here, principal, Decimal(5))

        # A thousandth is left, and calls have cost three.
        with pytest.raises(BudgetExceeded):
            await here.admission.admit(principal, estimate=Decimal(5))


async def test_what_even_the_question_costs_more_than_is_not_let_in(principal: Principal) -> None:
    await BUDGETS.create(principal, amount=0.003, period=BudgetPeriod.TOTAL)
    async with till() as here:
        with pytest.raises(BudgetExceeded):
            await here.admission.admit(principal, estimate=Decimal(5), least=Decimal("0.004"))


async def test_what_calls_cost_elsewhere_is_known_here(principal: Principal) -> None:
    await BUDGETS.create(principal, amount=0.0045, period=BudgetPeriod.TOTAL)
    async with till() as one, till() as other:
        await spend(one, principal)
        await one.ledger.flush()

        with pytest.raises(BudgetExceeded):
            await other.admission.admit(principal, estimate=Decimal(5))


async def test_a_guess_gives_way_to_what_calls_have_cost(principal: Principal) -> None:
    """Nobody has said how long an answer may be: several are let in at once, as calls cost lately."""
    await BUDGETS.create(principal, amount=0.028, period=BudgetPeriod.TOTAL)
    async with till() as here:
        await spend(here, principal)

        for _ in range(2):
            await here.admission.admit(principal, estimate=Decimal(5), is_bound=False)

        # Each has put aside four times of it: a thousandth is left.
        with pytest.raises(BudgetExceeded):
            await here.admission.admit(principal, estimate=Decimal(5), is_bound=False)


async def test_what_is_released_is_free_again(principal: Principal) -> None:
    await BUDGETS.create(principal, amount=0.003, period=BudgetPeriod.TOTAL)
    async with till() as here:
        for _ in range(3):
            permit = await here.admission.admit(principal, estimate=COST)
            permit.release()
            permit.release()
            permit.settle(COST)

        await spend(here, principal)

    assert (await models.Budget.get()).spent == COST


async def test_what_others_hold_is_given_back_when_it_is_needed(principal: Principal) -> None:
    await BUDGETS.create(principal, amount=0.03, period=BudgetPeriod.TOTAL)
    async with till(flush_seconds=60) as one, till(flush_seconds=60) as other:
        await spend(one, principal)

        for _ in range(9):
            await spend(other, principal)

        with pytest.raises(BudgetExceeded):
            await other.admission.admit(principal, estimate=COST)
    assert (await models.Budget.get()).spent == Decimal("0.03")


async def test_a_new_period_begins_by_itself(principal: Principal) -> None:
    budget = await BUDGETS.create(principal, amount=0.003, period=BudgetPeriod.DAY)
    async with till() as here:
        await spend(here, principal)
        with pytest.raises(BudgetExceeded):
            await here.admission.admit(principal, estimate=COST)
        await here.ledger.flush()

        await models.Budget.filter(id=budget.id).update(period_started_at=budget.period_started_at - timedelta(days=1))
        here.holds.forget_all()
        [state] = await budgets.states([budget.id])
        await spend(here, principal)

    assert state is not None
    assert (state.spent, state.remaining) == (Decimal(0), COST)
    assert state.ends_at is not None
    assert state.ends_at - state.started_at == timedelta(days=1)
    row = await models.Budget.get()
    assert row.spent == COST
    assert row.period_started_at == state.started_at


async def test_more_money_counts_at_once(principal: Principal) -> None:
    budget = await BUDGETS.create(principal, amount=0.003, period=BudgetPeriod.TOTAL)
    async with till() as here:
        await spend(here, principal)
        with pytest.raises(BudgetExceeded):
            await here.admission.admit(principal, estimate=COST)

        await BUDGETS.update(principal, str(budget.id), {"amount": 0.006})
        here.holds.forget(str(principal.workspace_id))

        await spend(here, principal)
    await BUDGETS.update(principal, str(budget.id), {"reset": True})
    assert (await models.Budget.get()).spent == 0


async def test_a_new_budget_is_heard_of(principal: Principal) -> None:
    async with till() as here:
        await here.admission.admit(principal, estimate=COST)

        await BUDGETS.create(principal, amount=0, period=BudgetPeriod.TOTAL)
        await asyncio.wait_for(here.heard.wait(), 5)

        with pytest.raises(BudgetExceeded):
            await here.admission.admit(principal, estimate=COST)


async def test_a_deleted_budget_limits_nobody(principal: Principal) -> None:
    budget = await BUDGETS.create(principal, amount=0.003, period=BudgetPeriod.TOTAL)
    async with till() as here:
        permit = await here.admission.admit(principal, estimate=COST)
        await BUDGETS.delete(principal, str(budget.id))
        here.holds.forget(str(principal.workspace_id))

        here.ledger.record(entry_of(principal, permit))
        await spend(here, principal, Decimal(1))

    assert await models.UsageRecord.all().count() == 2


async def test_who_leaves_while_money_is_put_aside_holds_none(database: dict[str, Any], principal: Principal) -> None:
    budget = await BUDGETS.create(principal, amount=0.003, period=BudgetPeriod.TOTAL)
    bare = await asyncpg.connect(**database)
    async with till() as here:
        async with bare.transaction():
            await bare.execute("SELECT FROM budgets WHERE id = $1 FOR UPDATE", budget.id)
            asking = asyncio.create_task(here.admission.admit(principal, estimate=COST))
            await somebody_waits(bare)
            asking.cancel()
            await asyncio.wait([asking])

        await spend(here, principal)

    await bare.close()
    row = await models.Budget.get()
    assert (row.spent, row.held) == (COST, Decimal(0))


async def somebody_waits(bare: asyncpg.Connection) -> None:
    """Until another transaction waits for a lock of this one."""
    async with asyncio.timeout(30):
        while not await bare.fetchval(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid)))"
        ):
            # Who is there is looked up once in a transaction, and whoever waits may have come later.
            await bare.execute("SELECT pg_stat_clear_snapshot()")


@pytest.mark.parametrize("amount", [-1, 1e12, float("nan"), float("inf")])
async def test_impossible_amounts_are_refused(principal: Principal, amount: float) -> None:
    with pytest.raises(Invalid, match="amount must be between"):
        await BUDGETS.create(principal, amount=amount, period=BudgetPeriod.TOTAL)


async def test_one_of_each_period(principal: Principal, stranger: Principal) -> None:
    row, _ = await keys.create(principal.workspace_id, KeyKind.SK)
    for period in BudgetPeriod:
        await BUDGETS.create(principal, amount=1, period=period)
        await BUDGETS.create(principal, amount=1, period=period, key_id=str(row.id))

    with pytest.raises(Conflict):
        await BUDGETS.create(principal, amount=1, period=BudgetPeriod.DAY)
    with pytest.raises(NotFound):
        await BUDGETS.create(stranger, amount=1, period=BudgetPeriod.DAY, key_id=str(row.id))
    with pytest.raises(NotFound):
        await budgets.find(stranger, str((await models.Budget.first() or row).id))


# ---------------------------------------------------------------- several processes


@asynccontextmanager
async def process(**told: Any) -> AsyncIterator[asyncio.subprocess.Process]:
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.spending_process", orjson.dumps(told)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert started.stdout is not None
        assert (await started.stdout.readline()).strip() in (b"ready", b"holding")
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


@pytest.mark.parametrize(
    ("amount", "estimate", "calls"),
    [
        (Decimal("0.15"), Decimal("0.003"), 50),
        # Half a call is left at the end.
        (Decimal("0.1515"), Decimal("0.02"), 50),
    ],
)
async def test_four_processes_spend_all_of_it_and_no_more(
    database: dict[str, Any], principal: Principal, amount: Decimal, estimate: Decimal, calls: int
) -> None:
    await BUDGETS.create(principal, amount=float(amount), period=BudgetPeriod.TOTAL)
    told = {"credentials": database, "workspace": str(principal.workspace_id), "callers": 4, "estimate": str(estimate)}
    async with process(**told) as a, process(**told) as b, process(**told) as c, process(**told) as d:
        let_in = [int(out) for out, _ in await asyncio.gather(*(each.communicate(b"\n") for each in (a, b, c, d)))]

    row = await models.Budget.get()
    assert sum(let_in) == calls
    assert row.spent == calls * COST <= amount
    assert row.held == 0
    assert await models.BudgetHold.all().count() == 0


async def test_what_a_killed_process_held_becomes_free(database: dict[str, Any], principal: Principal) -> None:
    await BUDGETS.create(principal, amount=0.003, period=BudgetPeriod.TOTAL)
    told = {"credentials": database, "workspace": str(principal.workspace_id), "estimate": "0.003", "hangs": True}
    async with till() as here:
        async with process(**told) as holder:
            with pytest.raises(BudgetExceeded):
                await here.admission.admit(principal, estimate=COST)
            holder.kill()
        await here.holds.free_expired()
        with pytest.raises(BudgetExceeded):
            await here.admission.admit(principal, estimate=COST)

        await _let_leases_end()
        await here.holds.free_expired()
        here.holds.forget_all()

        await spend(here, principal)
    row = await models.Budget.get()
    assert (row.spent, row.held) == (COST, Decimal(0))


async def test_who_was_taken_for_dead_passes_no_limit(principal: Principal) -> None:
    """A process that slept through its lease: what it held is given to others, and it draws anew."""
    await BUDGETS.create(principal, amount=0.006, period=BudgetPeriod.TOTAL)
    async with till(flush_seconds=60) as sleeper, till(flush_seconds=60) as other:
        permit = await sleeper.admission.admit(principal, estimate=COST)
        await _let_leases_end()
        await Holds(other.holds.owner).free_expired()
        await spend(other, principal)
        await other.ledger.flush()

        sleeper.ledger.record(entry_of(principal, permit))
        await sleeper.ledger.flush()

        for each in (sleeper, other):
            with pytest.raises(BudgetExceeded):
                await each.admission.admit(principal, estimate=COST)
    row = await models.Budget.get()
    assert (row.spent, row.held) == (2 * COST, Decimal(0))


async def _let_leases_end() -> None:
    async with connection() as bare:
        await bare.execute("UPDATE budget_holds SET lease_expires_at = now() - interval '1 second'")
