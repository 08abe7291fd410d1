import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import pytest
import strawberry

from errors import LimitReached
from execution import Executor, Limits, Request, Result, Stage


@dataclass
class Context:
    """Counts how often it was renewed, as one with data loaders would be."""

    number: int = 0
    renewed: int = 0

    def fresh(self) -> "Context":
        self.renewed += 1
        return Context(self.renewed)


@strawberry.type
class Tick:
    number: int
    sequence: strawberry.Private[int | None] = None

    @strawberry.field
    def loaders(self, info: strawberry.Info[Context, None]) -> int:
        return info.context.number

    @strawberry.field
    async def stuck(self) -> int:
        await asyncio.Event().wait()
        return 1


@strawberry.type
class Tock:
    time: str


async def lost() -> None:
    """Waits for something that somebody else cancels."""
    other = asyncio.ensure_future(asyncio.Event().wait())
    asyncio.get_running_loop().call_soon(other.cancel)
    await other


@strawberry.type
class Query:
    @strawberry.field
    def hello(self) -> str:
        return "hello"

    @strawberry.field
    async def stuck(self, info: strawberry.Info[Any, None]) -> str:
        try:
            await asyncio.Event().wait()
        finally:
            info.context.append("stopped")
        return ""

    @strawberry.field
    async def lost(self) -> str:
        await lost()
        return ""


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def stuck(self) -> str:
        await asyncio.Event().wait()
        return ""


closed: list[str] = []


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def ticks(self, count: int = 3, fails: bool = False, refuses: bool = False) -> AsyncGenerator[Tick, None]:
        if refuses:
            raise LimitReached("The number of streams")
        try:
            for number in range(count):
                yield Tick(number=number, sequence=number + 10)
            if fails:
                raise ValueError("secret")
        finally:
            closed.append("ticks")

    @strawberry.subscription
    async def either(self) -> AsyncGenerator[Tick | Tock, None]:
        yield Tick(number=1)
        yield Tock(time="noon")

    @strawberry.subscription
    async def loses(self) -> AsyncGenerator[int, None]:
        yield 1
        await lost()

    @strawberry.subscription
    async def never(self, info: strawberry.Info[Any, None]) -> AsyncGenerator[int, None]:
        yield 1
        await asyncio.Event().wait()


SCHEMA = strawberry.Schema(Query, Mutation, Subscription)


async def everything(
    text: str, variables: dict[str, Any] | None = None, context: Any = None, **limits: Any
) -> list[Result]:
    executor = Executor(SCHEMA, limits=Limits(**limits))
    operation = executor.prepare(Request(text))
    return [result async for result in executor.stream(operation, variables or {}, context)]


async def test_gives_every_event_and_its_place() -> None:
    results = await everything("subscription { ticks { number } }")

    assert [result.data for result in results] == [{"ticks": {"number": number}} for number in range(3)]
    assert [result.sequence for result in results] == [10, 11, 12]


async def test_a_query_is_a_stream_of_one() -> None:
    [result] = await everything("{ hello }")

    assert result.payload() == {"data": {"hello": "hello"}}


async def test_each_event_has_loaders_of_its_own() -> None:
    results = await everything("subscription { ticks { loaders } }", context=Context())

    assert [result.data for result in results] == [{"ticks": {"loaders": number}} for number in (1, 2, 3)]


async def test_loaders_that_no_event_asks_for_are_not_made() -> None:
    context = Context()

    await everything("subscription { ticks { number } }", context=context)

    assert context.renewed == 0


async def test_telling_events_apart_takes_no_loaders() -> None:
    context = Context()

    results = await everything("subscription { either { ... on Tick { number } } }", context=context)

    assert [result.data for result in results] == [{"either": {"number": 1}}, {"either": {}}]
    assert context.renewed == 0


async def test_the_last_word_of_a_source_that_breaks_is_masked(caplog: pytest.LogCaptureFixture) -> None:
    *_, last = await everything("subscription { ticks(count: 1, fails: true) { number } }")

    assert last.data is None
    assert last.errors == [
        {
            "message": "Internal error",
            "locations": [{"line": 1, "column": 16}],
            "path": ["ticks"],
            "extensions": {
                "code": "internal",
                "reference": last.errors[0]["extensions"]["reference"] if last.errors else "",
            },
        }
    ]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


async def test_a_source_that_refuses_says_why() -> None:
    [result] = await everything("subscription { ticks(refuses: true) { number } }")

    assert result.errors
    assert result.errors[0]["extensions"]["code"] == "limit_reached"


async def test_variables_that_do_not_fit_are_the_only_result() -> None:
    [result] = await everything("subscription($n: Int!) { ticks(count: $n) { number } }", {"n": "many"})

    assert result.refused is Stage.VARIABLES


async def test_leaving_closes_the_source() -> None:
    closed.clear()
    executor = Executor(SCHEMA)
    operation = executor.prepare(Request("subscription { ticks(count: 100) { number } }"))

    async with aclosing(executor.stream(operation, {}, None)) as results:
        await anext(results)

    assert closed == ["ticks"]


async def test_leaving_stops_a_source_that_waits() -> None:
    executor = Executor(SCHEMA)
    results = executor.stream(executor.prepare(Request("subscription { never }")), {}, None)
    await anext(results)
    waiting = asyncio.ensure_future(anext(results))
    await asyncio.sleep(0)

    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting
    await results.aclose()


async def test_an_event_that_takes_too_long_gives_way_to_the_next() -> None:
    results = await everything("subscription { ticks(count: 2) { stuck } }", event_seconds=0.01)

    assert [result.errors[0]["extensions"] for result in results if result.errors] == [{"code": "timeout"}] * 2


async def test_a_query_that_takes_too_long_is_stopped() -> None:
    stopped: list[str] = []

    [result] = await everything("{ stuck }", context=stopped, query_seconds=0.01)

    assert result.data is None
    assert result.errors == [{"message": "This took longer than 0.01 seconds.", "extensions": {"code": "timeout"}}]
    assert stopped == ["stopped"]


async def test_a_mutation_has_its_own_time() -> None:
    [result] = await everything("mutation { stuck }", mutation_seconds=0.01, query_seconds=100)

    assert result.errors
    assert result.errors[0]["extensions"] == {"code": "timeout"}


async def test_cancelling_reaches_the_resolver() -> None:
    stopped: list[str] = []
    executor = Executor(SCHEMA)
    running = asyncio.ensure_future(executor.run(executor.prepare(Request("{ stuck }")), {}, stopped))
    await asyncio.sleep(0)

    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    assert stopped == ["stopped"]


@pytest.mark.parametrize("text", ["{ lost }", "{ lost hello }", "subscription { loses }"])
async def test_work_that_others_cancelled_has_failed(text: str) -> None:
    *_, last = await everything(text)

    assert last.errors
    assert last.errors[0]["extensions"]["code"] == "internal"


async def test_a_subscription_is_no_single_answer() -> None:
    executor = Executor(SCHEMA)

    result = await executor.run(executor.prepare(Request("subscription { never }")), {}, None)

    assert result.refused is Stage.REQUEST
    assert "data" not in result.payload()
