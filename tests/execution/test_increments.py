import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import strawberry
from strawberry.schema.config import StrawberryConfig

from execution import Executor, Limits, Request, Result


@strawberry.type
class Report:
    title: str = "title"

    @strawberry.field
    async def body(self) -> str:
        return "body"

    @strawberry.field
    async def broken(self) -> str | None:
        raise ValueError("secret")

    @strawberry.field
    async def stuck(self) -> str:
        await asyncio.Event().wait()
        return ""


@strawberry.type
class Query:
    @strawberry.field
    def report(self) -> Report:
        return Report()

    @strawberry.field
    async def lines(self) -> strawberry.Streamable[str]:
        for word in ("one", "two", "three"):
            yield word


SCHEMA = strawberry.Schema(Query, config=StrawberryConfig(enable_experimental_incremental_execution=True))


async def stream(text: str, **limits: Any) -> AsyncGenerator[Result, None]:
    executor = Executor(SCHEMA, limits=Limits(**limits))
    async for result in executor.stream(executor.prepare(Request(text)), {}, None):
        yield result


async def payloads(text: str, **limits: Any) -> list[dict[str, Any]]:
    return [result.payload() async for result in stream(text, **limits)]


async def test_sends_what_is_deferred_afterwards() -> None:
    assert await payloads('{ report { title ... @defer(label: "rest") { body } } }') == [
        {
            "data": {"report": {"title": "title"}},
            "pending": [{"id": "0", "path": ["report"], "label": "rest"}],
            "hasNext": True,
        },
        {"incremental": [{"id": "0", "data": {"body": "body"}}], "completed": [{"id": "0"}], "hasNext": False},
    ]


async def test_sends_the_items_of_a_list_as_they_come() -> None:
    first, *rest = await payloads("{ lines @stream(initialCount: 1) }")

    assert first["data"] == {"lines": ["one"]}
    items = [item for payload in rest for part in payload.get("incremental", ()) for item in part["items"]]
    assert items == ["two", "three"]
    assert rest[-1]["hasNext"] is False


async def test_masks_what_goes_wrong_on_the_way() -> None:
    _, last = await payloads("{ report { title ... @defer { broken } } }")

    [error] = last["incremental"][0]["errors"]
    assert error["message"] == "Internal error"
    assert error["path"] == ["report", "broken"]


async def test_completes_what_takes_too_long() -> None:
    first, last = await payloads("{ report { title ... @defer { stuck } } }", query_seconds=0.01)

    assert first["data"] == {"report": {"title": "title"}}
    assert last["hasNext"] is False
    assert last["completed"][0]["errors"][0]["extensions"] == {"code": "timeout"}


async def test_a_single_answer_has_everything() -> None:
    executor = Executor(SCHEMA)
    operation = executor.prepare(Request("{ report { title ... @defer { body } } lines @stream }"))

    result = await executor.run(operation, {}, None)

    assert result.data == {"report": {"title": "title", "body": "body"}, "lines": ["one", "two", "three"]}
