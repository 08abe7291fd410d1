"""What executing costs: the plan beside graphql-core and beside the plain Python that builds the same dictionaries.

    python -m bench.execution

All in one process and one run, the best of several tries each, so that the ratios hold on any machine.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import strawberry
from graphql import GraphQLSchema, execute, parse, subscribe, validate

from execution import Executor, Limits, Refused, Request

ROWS, CHILDREN, EVENTS, TRIVIAL = 3_000, 3, 20_000, 2_000


@strawberry.interface
class Node:
    id: strawberry.ID


@strawberry.type
class Child:
    id: strawberry.ID
    name: str
    size: int


@strawberry.type
class Row:
    id: strawberry.ID
    name: str
    size: int
    children: list[Child]

    @strawberry.field
    async def later(self) -> str:
        return self.name


@strawberry.type
class Known(Node):
    """Told apart by the interface it has, as nearly every type of a real graph is."""

    name: str
    size: int


@strawberry.type
class Event:
    sequence: int
    kind: str
    text: str


@strawberry.type
class Query:
    @strawberry.field
    def hello(self) -> str:
        return "hello"

    @strawberry.field
    def rows(self) -> list[Row]:
        return rows

    @strawberry.field
    def nodes(self) -> list[Node]:
        return nodes


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def events(self) -> AsyncGenerator[Event, None]:
        event = Event(sequence=1, kind="text", text="word ")
        for _ in range(EVENTS):
            yield event


def child(number: int) -> Child:
    return Child(id=strawberry.ID(f"c{number}"), name=f"child {number}", size=number)


rows = [
    Row(id=strawberry.ID(f"r{n}"), name=f"row {n}", size=n, children=[child(m) for m in range(CHILDREN)])
    for n in range(ROWS)
]
known = [Known(id=strawberry.ID(f"n{n}"), name=f"node {n}", size=n) for n in range(ROWS)]
nodes: list[Node] = [*known]
schema = strawberry.Schema(Query, subscription=Subscription, types=[Known])
core: GraphQLSchema = schema._schema


def flat() -> Any:
    return {"rows": [{"id": row.id, "name": row.name, "size": row.size} for row in rows]}


def nested() -> Any:
    return {
        "rows": [
            {
                "id": row.id,
                "name": row.name,
                "size": row.size,
                "children": [{"id": one.id, "name": one.name, "size": one.size} for one in row.children],
            }
            for row in rows
        ]
    }


def told_apart() -> Any:
    return {"nodes": [{"__typename": "Known", "id": node.id, "name": node.name} for node in known]}


async def with_tasks() -> Any:
    async def one(row: Row) -> dict[str, Any]:
        return {"id": row.id, "later": row.name}

    return {"rows": await asyncio.gather(*(one(row) for row in rows))}


async def best(action: Callable[[], Awaitable[Any]], tries: int = 7) -> float:
    """Milliseconds."""
    times = []
    for _ in range(tries):
        start = time.perf_counter()
        await action()
        times.append(time.perf_counter() - start)
    return min(times) * 1_000


def line(name: str, ours: float, theirs: float, plain: float | None, aim: str = "") -> None:
    beside = f"{plain:9.3f}  x{ours / plain:<6.1f}" if plain else " " * 18
    print(f"{name:34}{ours:9.3f}{theirs:11.3f}   1/{theirs / ours:<6.0f}{beside}  {aim}")


async def lists() -> None:
    executor = Executor(schema, limits=Limits(cost=10**9))
    cases: list[tuple[str, str, Any, str]] = [
        (f"{ROWS} rows x 3", "{ rows { id name size } }", flat, "aim: 1/10"),
        (
            f"{ROWS} rows x 3, {CHILDREN} children each",
            "{ rows { id name size children { id name size } } }",
            nested,
            "",
        ),
        (f"{ROWS} rows behind an interface", "{ nodes { __typename id ... on Known { name } } }", told_apart, ""),
        (f"{ROWS} rows with an async field", "{ rows { id later } }", with_tasks, ""),
    ]
    for name, text, plain, aim in cases:
        operation, document = executor.prepare(Request(text)), parse(text)

        async def ours(operation: Any = operation) -> Any:
            return (await executor.run(operation, {}, None)).data

        async def theirs(document: Any = document) -> Any:
            outcome: Any = execute(core, document)
            return (await outcome if hasattr(outcome, "__await__") else outcome).data

        async def by_hand(plain: Any = plain) -> Any:
            made = plain()
            return await made if hasattr(made, "__await__") else made

        assert await ours() == await theirs() == await by_hand()
        line(name, await best(ours), await best(theirs, 3), await best(by_hand), aim)


async def trivial() -> None:
    executor = Executor(schema)

    async def ours() -> None:
        for _ in range(TRIVIAL):
            await executor.run(executor.prepare(Request("{ hello }")), {}, None)

    async def theirs() -> None:
        for _ in range(TRIVIAL // 10):
            document = parse("{ hello }")
            assert not validate(core, document)
            execute(core, document)

    line(
        "a trivial query, limits on",
        await best(ours) / TRIVIAL,
        await best(theirs) / (TRIVIAL // 10),
        None,
        "aim: 0.150 ms",
    )


async def events() -> None:
    executor, text = Executor(schema), "subscription { events { sequence kind text } }"

    async def ours() -> None:
        async for _ in executor.stream(executor.prepare(Request(text)), {}, None):
            pass

    async def theirs() -> None:
        stream: Any = subscribe(core, parse(text))
        async for _ in await stream:
            pass

    async def plain() -> None:
        async def dictionaries() -> AsyncGenerator[Any, None]:
            event = Event(sequence=1, kind="text", text="word ")
            for _ in range(EVENTS):
                yield {"events": {"sequence": event.sequence, "kind": event.kind, "text": event.text}}

        async for _ in dictionaries():
            pass

    one, other, least = [await best(action, 3) / EVENTS for action in (ours, theirs, plain)]
    line("an event of a subscription", one, other, least, "aim: 0.005 ms")


async def checking() -> None:
    """The first time a document is seen."""
    text = (
        "{ "
        + " ".join(f"r{n}: rows {{ id name children {{ id ...C }} }}" for n in range(20))
        + " } fragment C on Child { name size }"
    )
    limits = Limits(cost=10**9)

    async def ours() -> None:
        Executor(schema, limits=limits).prepare(Request(text))

    async def theirs() -> None:
        validate(core, parse(text))

    line("checking 100 fields once", await best(ours), await best(theirs), None)


@dataclass(frozen=True)
class Bomb:
    name: str
    text: str


def bombs() -> None:
    chain = " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(26))
    made = [
        Bomb("26 fragments, each spread twice", f"{{ ...F0 }} {chain} fragment F26 on Query {{ hello }}"),
        Bomb("4,900 times the same field", "{ rows { " + "id " * 4_900 + "} }"),
        Bomb("400 times the same spread", "{ rows {" + " ...F" * 400 + " } } fragment F on Row { id children { id } }"),
        Bomb("1,200 aliases", "{ " + " ".join(f"a{n}: hello" for n in range(1_200)) + " }"),
    ]
    for bomb in made:
        start = time.perf_counter()
        try:
            Executor(schema).prepare(Request(bomb.text))
            verdict = "valid"
        except Refused as refused:
            verdict = refused.errors[0].message
        print(f"{bomb.name:34}{(time.perf_counter() - start) * 1_000:9.3f}   {verdict}")


async def main() -> None:
    print(f"{'milliseconds':34}{'ours':>9}{'graphql-core':>14}{'':>5}{'plain Python':>14}")
    await lists()
    await trivial()
    await events()
    await checking()
    print()
    bombs()


if __name__ == "__main__":
    asyncio.run(main())
