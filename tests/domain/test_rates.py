from uuid import UUID, uuid4

import pytest

import models
from domain import keys
from domain.identity import KeyKind, Limits, Principal
from domain.keys import Keys
from domain.rates import Rates
from errors import BudgetExceeded, LimitReached
from models.database import connection
from tests.paying import entry_of, till

KEY = models.new_id(models.Kind.API_KEY)
START = 1_800_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rates(workspace: models.Workspace, clock: Clock) -> Rates:
    return Rates(uuid4(), clock=clock)


async def let_in(rates: Rates, limits: Limits, tokens: int = 0, *, key: UUID = KEY, tries: int = 1) -> int:
    """How many of so many tries."""
    count = 0
    for _ in range(tries):
        try:
            (await rates.enter(key, limits, tokens)).end()
            count += 1
        except LimitReached:
            pass
    return count


async def test_so_many_requests_a_minute(rates: Rates, clock: Clock) -> None:
    limits = Limits(requests_per_minute=10)

    assert await let_in(rates, limits, tries=15) == 10
    with pytest.raises(LimitReached, match="The limit of 10 requests a minute is used up") as refused:
        await rates.enter(KEY, limits, 0)

    assert refused.value.retry_after_seconds is not None
    clock.now += refused.value.retry_after_seconds - 1
    assert await let_in(rates, limits) == 0
    clock.now += 1
    assert await let_in(rates, limits, tries=15) == 10


async def test_never_more_than_that_in_any_minute(rates: Rates, clock: Clock) -> None:
    limits, times = Limits(requests_per_minute=7), list[float]()
    for _ in range(400):
        if await let_in(rates, limits):
            times.append(clock.now)
        clock.now += 0.7

    assert max(sum(start <= time < start + 60 for time in times) for start in times) == 7
    # And nearly as many as there could be.
    assert len(times) >= 7 * 4


async def test_so_many_tokens_a_minute(rates: Rates) -> None:
    limits = Limits(tokens_per_minute=100)

    first = await rates.enter(KEY, limits, 60)
    with pytest.raises(LimitReached, match="100 tokens a minute"):
        await rates.enter(KEY, limits, 60)
    first.end(10)

    # There were fewer than were foreseen.
    assert await let_in(rates, limits, 60) == 1
    assert await let_in(rates, limits, 60) == 0


async def test_what_is_more_than_a_minutes_tokens_may_come_alone(rates: Rates, clock: Clock) -> None:
    limits = Limits(tokens_per_minute=100)

    assert await let_in(rates, limits, 5000) == 1
    assert await let_in(rates, limits, 1) == 0
    clock.now += 65
    assert await let_in(rates, limits, 1) == 1


async def test_so_many_at_once(rates: Rates) -> None:
    limits = Limits(calls_at_once=2)
    one, _ = await rates.enter(KEY, limits, 0), await rates.enter(KEY, limits, 0)

    with pytest.raises(LimitReached, match="2 calls at once") as refused:
        await rates.enter(KEY, limits, 0)
    one.end()
    await rates.enter(KEY, limits, 0)

    assert refused.value.retry_after_seconds == 1


async def test_refused_calls_do_not_count(rates: Rates, clock: Clock) -> None:
    limits = Limits(requests_per_minute=1)
    for _ in range(50):
        await let_in(rates, limits)
        clock.now += 1
    clock.now += 15

    assert await let_in(rates, limits) == 1


async def test_each_key_has_its_own(rates: Rates) -> None:
    limits = Limits(requests_per_minute=1)

    assert [await let_in(rates, limits, key=models.new_id(models.Kind.API_KEY), tries=2) for _ in range(3)] == [1, 1, 1]


async def test_processes_count_together(rates: Rates, clock: Clock) -> None:
    limits = Limits(requests_per_minute=10, calls_at_once=5)
    other = Rates(uuid4(), clock=clock)
    running = [await rates.enter(KEY, limits, 0) for _ in range(4)]
    await rates.exchange()

    assert await let_in(other, limits, tries=15) == 6
    (await other.enter(KEY, Limits(), 0)).end()
    with pytest.raises(LimitReached):
        await other.enter(KEY, limits, 0)

    for visit in running:
        visit.end()
    await rates.exchange()
    await other.exchange()
    clock.now += 1
    assert await let_in(rates, limits) == 0
    clock.now += 64
    assert await let_in(rates, limits) == 1


async def test_calls_at_once_are_of_all_processes(rates: Rates, clock: Clock) -> None:
    limits = Limits(calls_at_once=3)
    other = Rates(uuid4(), clock=clock)
    running = [await rates.enter(KEY, limits, 0) for _ in range(2)]
    await rates.exchange()
    await other.enter(KEY, limits, 0)

    with pytest.raises(LimitReached):
        await other.enter(KEY, limits, 0)

    running[0].end()
    await rates.exchange()
    clock.now += 1
    await other.enter(KEY, limits, 0)


async def test_the_dead_do_not_run(rates: Rates, clock: Clock) -> None:
    limits = Limits(calls_at_once=1)
    dead = Rates(uuid4(), clock=clock)
    await dead.enter(KEY, limits, 0)
    await dead.exchange()
    assert await let_in(rates, limits) == 0

    async with connection() as bare:
        await bare.execute("UPDATE key_activity SET seen_at = now() - interval '11 seconds'")
    clock.now += 1

    assert await let_in(rates, limits) == 1


async def test_a_long_call_goes_on_running(rates: Rates) -> None:
    await rates.enter(KEY, Limits(calls_at_once=1), 0)
    await rates.exchange()
    async with connection() as bare:
        await bare.execute("UPDATE key_activity SET seen_at = now() - interval '11 seconds'")

    rates.beat()
    await rates.exchange()

    async with connection() as bare:
        assert await bare.fetchval("SELECT running FROM key_activity WHERE seen_at > now() - interval '5 seconds'") == 1


async def test_asks_the_database_now_and_then(rates: Rates, statements: list[str]) -> None:
    statements.clear()

    await let_in(rates, Limits(requests_per_minute=10_000), tries=500)

    assert len(statements) == 1


async def test_keeps_only_so_many(workspace: models.Workspace, clock: Clock) -> None:
    rates = Rates(uuid4(), keep=5, clock=clock)
    for _ in range(20):
        await let_in(rates, Limits(requests_per_minute=1), key=models.new_id(models.Kind.API_KEY))
        await rates.exchange()

    assert len(rates._meters) <= 6


async def test_old_counts_are_swept(rates: Rates) -> None:
    await let_in(rates, Limits(requests_per_minute=1))
    await rates.exchange()
    async with connection() as bare:
        await bare.execute("UPDATE key_activity SET seen_at = now() - interval '10 minutes'")

    await rates.forget_old()

    assert await models.KeyActivity.all().count() == 0


async def test_a_call_counts_from_its_admission_to_its_record(principal: Principal) -> None:
    _, secret = await keys.create(principal.workspace_id, KeyKind.SK, limits=Limits(calls_at_once=1))
    caller = await Keys().authenticate(secret, None)
    async with till() as here:
        permit = await here.admission.admit(caller, tokens=10)
        with pytest.raises(LimitReached):
            await here.admission.admit(caller)

        here.ledger.record(entry_of(caller, permit))
        permit = await here.admission.admit(caller)

        permit.release()
        await here.admission.admit(caller)


async def test_who_is_refused_by_a_budget_is_not_running(principal: Principal) -> None:
    row, secret = await keys.create(principal.workspace_id, KeyKind.SK, limits=Limits(calls_at_once=1))
    caller = await Keys().authenticate(secret, None)
    await models.Budget.create(workspace_id=principal.workspace_id, api_key_id=row.id, amount=0)
    async with till() as here:
        for _ in range(3):
            with pytest.raises(BudgetExceeded):
                await here.admission.admit(caller)
