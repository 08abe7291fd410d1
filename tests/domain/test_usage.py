import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

import models
from domain import usage, usage_reports
from domain.billing import Bill, bill
from domain.identity import Principal
from domain.usage import TimeRange
from domain.usage_reports import UsageGrouping
from engine.events import Usage
from errors import Invalid
from models.database import connection

NOW = datetime.now(UTC)
TODAY = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
KEYS = [models.new_id(models.Kind.API_KEY) for _ in range(2)]


def model(input_price: str | None, output_price: str | None, cached_price: str | None = None) -> models.Model:
    prices = [None if price is None else Decimal(price) for price in (input_price, output_price, cached_price)]
    return models.Model(name="m", vendor="v", input_price=prices[0], output_price=prices[1], cached_price=prices[2])


@pytest.mark.parametrize(
    ("used", "priced", "cost"),
    [
        (Usage(1_000_000, 0), model("2.5", "10"), "2.5"),
        (Usage(1_000_000, 1_000_000), model("2.5", "10"), "12.5"),
        # What was remembered is counted among the input, and costs less.
        (Usage(1_000_000, 0, 400_000), model("2.5", "10", "0.25"), "1.6"),
        # Nobody knows what it costs: as any other input.
        (Usage(1_000_000, 0, 400_000), model("2.5", "10"), "2.5"),
        # It is known to cost nothing.
        (Usage(1_000_000, 0, 400_000), model("2.5", "10", "0"), "1.5"),
        (Usage(1_000_000, 1_000_000), model("0", "0"), "0"),
        (Usage(1_000_000, 1_000_000), model(None, None), "0"),
        # A report that cannot be.
        (Usage(10, 0, 400_000), model("1", "1", "0.5"), "0.000005"),
        (Usage(1, 0), model("0.05", None), "0.00000005"),
    ],
)
def test_a_call_costs_what_its_tokens_do(used: Usage, priced: models.Model, cost: str) -> None:
    assert usage.cost_of(used, priced) == Decimal(cost)
    assert sum(item.amount for item in usage.items_of(used, priced, "m")) == Decimal(cost)


def test_lines_tell_what_was_read_from_memory() -> None:
    lines = usage.items_of(Usage(100, 20, 30), model("1", "2", "0.5"), "@v/m")

    assert [(line.sku.rpartition("chat_completions.")[2], line.quantity) for line in lines] == [
        ("in", 70),
        ("out", 20),
        ("in.cached", 30),
    ]
    assert {line.description for line in lines} == {"Inference for AI model '@v/m'"}


# ---------------------------------------------------------------- sums


def one(principal: Principal, at: datetime, dice: random.Random) -> Bill:
    return Bill(
        models.new_id(models.Kind.USAGE),
        principal.workspace_id,
        models.new_id(models.Kind.TURN),
        dice.choice([None, *KEYS]),
        None,
        dice.choice([None, "", "ann", "bob"]),
        "provider",
        dice.choice(["small", "large"]),
        "vendor",
        "completion",
        dice.randrange(1000),
        dice.randrange(1000),
        0,
        False,
        Decimal(dice.randrange(1000)) / 1000,
        None,
        None,
        None,
        "[]",
        dice.random() < 0.8,
        None,
        at,
    )


@pytest.fixture
async def bills(principal: Principal, stranger: Principal) -> list[Bill]:
    """Four days, and somebody else's."""
    dice = random.Random(5)
    made = [one(principal, NOW - timedelta(minutes=dice.randrange(4 * 24 * 60)), dice) for _ in range(400)]
    async with connection() as bare:
        for start in range(0, len(made), 50):
            await bill(bare, made[start : start + 50])
        await bill(bare, [one(stranger, NOW, dice) for _ in range(20)])
    return made


RANGES = [
    TimeRange(),
    TimeRange(NOW - timedelta(hours=36)),
    TimeRange(TODAY - timedelta(days=2), TODAY - timedelta(microseconds=1)),
    TimeRange(None, NOW - timedelta(hours=30)),
    TimeRange(NOW - timedelta(hours=60), NOW - timedelta(hours=30)),
    TimeRange(NOW - timedelta(minutes=90), NOW - timedelta(minutes=30)),
    TimeRange(TODAY, NOW + timedelta(days=1)),
    TimeRange(NOW, NOW - timedelta(days=1)),
]


def within(bills: list[Bill], range: TimeRange) -> list[Bill]:
    return [
        each
        for each in bills
        if (range.start is None or each.created_at >= range.start)
        and (range.end is None or each.created_at <= range.end)
    ]


async def test_sums_are_those_of_the_calls(principal: Principal, bills: list[Bill]) -> None:
    for range in RANGES:
        expected = within(bills, range)

        found = await usage.statistics(principal, range, None)
        of_ann = await usage.statistics(principal, range, "ann")

        assert found.total_requests == len(expected), range
        assert found.total_cost == pytest.approx(float(sum(each.cost for each in expected)))
        assert found.input_tokens == sum(each.input_tokens for each in expected)
        assert {each.model_id: each.requests for each in found.models} == _counted(expected, "model_name")
        assert of_ann.total_requests == sum(each.external_user == "ann" for each in expected)


@pytest.mark.parametrize(
    ("group_by", "column"),
    [
        (UsageGrouping.MODEL, "model_name"),
        (UsageGrouping.KEY, "api_key_id"),
        (UsageGrouping.GATEWAY, "gateway_id"),
        (UsageGrouping.USER, "external_user"),
    ],
)
async def test_reports_group_them(
    principal: Principal, bills: list[Bill], group_by: UsageGrouping, column: str
) -> None:
    for range in RANGES:
        expected = within(bills, range)

        found = await usage_reports.report(principal, range, group_by, 100)

        assert {getattr(each, column): each.requests for each in found.groups} == _counted(expected, column), range
        assert [each.cost for each in found.groups] == sorted((each.cost for each in found.groups), reverse=True)
        assert (found.total.requests, found.total.cost) == (len(expected), sum(each.cost for each in expected))


def _counted(bills: list[Bill], column: str) -> dict[str | UUID | None, int]:
    counted: dict[str | UUID | None, int] = {}
    for each in bills:
        value = getattr(each, column) or None
        counted[value] = counted.get(value, 0) + 1
    return counted


async def test_days_come_in_order(principal: Principal, bills: list[Bill]) -> None:
    found = await usage_reports.report(principal, TimeRange(), UsageGrouping.DAY, 100)

    days = [each.day for each in found.groups]
    assert days == sorted({each.created_at.date() for each in bills})


async def test_only_so_many_groups_are_told(principal: Principal, bills: list[Bill]) -> None:
    found = await usage_reports.report(principal, TimeRange(), UsageGrouping.KEY, 1)

    assert len(found.groups) == 1
    assert found.total.requests == len(bills)
    with pytest.raises(Invalid):
        await usage_reports.report(principal, TimeRange(), UsageGrouping.KEY, 0)
