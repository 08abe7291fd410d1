"""A small graph in which everything can be held still, so that tests wait for facts and not for time."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any, NewType

import strawberry
from strawberry.schema.config import StrawberryConfig

from errors import Forbidden, NotFound
from files import Upload


@dataclass
class Stage:
    """What the graph does and what was seen of it, shared by a test and the resolvers it drives."""

    # Set to let everything that waits go on.
    go: asyncio.Event = field(default_factory=asyncio.Event)
    # Sources that are running, and how many have ended in any way.
    running: int = 0
    ended: int = 0
    started: int = 0
    produced: int = 0
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def until(self, fact: Any, seconds: float = 5) -> None:
        """`fact` is a function of this stage."""
        async with asyncio.timeout(seconds), self.changed:
            await self.changed.wait_for(lambda: fact(self))

    async def note(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def enter(self) -> None:
        self.running += 1
        self.started += 1
        await self.note()

    def leave(self) -> None:
        """Not awaited: a generator that is being closed must not wait for a lock."""
        self.running -= 1
        self.ended += 1
        asyncio.get_running_loop().create_task(self.note())


@dataclass
class Context:
    principal: str
    stage: Stage
    loaders: int = 0

    def fresh(self) -> "Context":
        return Context(self.principal, self.stage, self.loaders + 1)


Info = strawberry.Info[Context, None]

JSON = NewType("JSON", object)
File = NewType("File", object)


@strawberry.type
class Counted:
    sequence: int
    text: str


@strawberry.type
class Received:
    filename: str
    media_type: str
    size: int
    content: str
    path: str


@strawberry.type
class Slow:
    name: str

    @strawberry.field
    async def after_go(self, info: Info) -> str:
        await info.context.stage.go.wait()
        return "there it is"


@strawberry.type
class Query:
    @strawberry.field
    def hello(self, name: str = "world") -> str:
        return f"Hello {name}"

    @strawberry.field
    def number(self, n: int) -> int:
        return n

    @strawberry.field
    def who(self, info: Info) -> str:
        return info.context.principal

    @strawberry.field
    def renewals(self, info: Info) -> int:
        return info.context.loaders

    @strawberry.field
    def bug(self) -> str | None:
        raise RuntimeError("the database password is hunter2")

    @strawberry.field
    def forbidden(self) -> str | None:
        raise Forbidden

    @strawberry.field
    def missing(self) -> str:
        raise NotFound("agent", 7)

    @strawberry.field
    def echo(self, value: JSON) -> JSON:
        return value

    @strawberry.field
    def slow(self) -> Slow:
        return Slow(name="tortoise")

    @strawberry.field
    def numbers(self, to: int = 3) -> strawberry.Streamable[int]:
        return list(range(to))  # type: ignore[return-value]  # any iterable will do

    @strawberry.field
    async def waits(self, info: Info) -> str:
        await _wait(info.context.stage)
        return "done"


@strawberry.type
class Mutation:
    @strawberry.mutation
    def rename(self, name: str) -> str:
        return name

    @strawberry.mutation
    async def waits(self, info: Info) -> str:
        await _wait(info.context.stage)
        return "done"

    @strawberry.mutation
    def receive(self, file: File) -> Received:
        return _read(file)

    @strawberry.mutation
    def receive_all(self, files: list[File]) -> list[Received]:
        return [_read(file) for file in files]


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def count(self, info: Info, to: int = 3, after: int = 0) -> AsyncGenerator[Counted, None]:
        stage = info.context.stage
        await stage.enter()
        try:
            for sequence in range(after + 1, to + 1):
                stage.produced += 1
                yield Counted(sequence=sequence, text=f"word {sequence}")
        finally:
            stage.leave()

    @strawberry.subscription
    async def hello(self) -> AsyncGenerator[str, None]:
        for greeting in ("Hi", "Bonjour", "Hola"):
            yield greeting

    @strawberry.subscription
    async def waits(self, info: Info) -> AsyncGenerator[str, None]:
        await _wait(info.context.stage)
        yield "done"

    @strawberry.subscription
    async def endless(self, info: Info, size: int = 10) -> AsyncGenerator[str, None]:
        """As fast as it is read, and always ready."""
        stage = info.context.stage
        await stage.enter()
        try:
            while True:
                stage.produced += 1
                yield "x" * size
        finally:
            stage.leave()

    @strawberry.subscription
    async def breaks(self) -> AsyncGenerator[str, None]:
        yield "one"
        raise RuntimeError("the database password is hunter2")


async def _wait(stage: Stage) -> None:
    await stage.enter()
    try:
        await stage.go.wait()
    finally:
        stage.leave()


def _read(file: Any) -> Received:
    assert isinstance(file, Upload)
    return Received(
        filename=file.filename,
        media_type=file.media_type,
        size=file.size,
        content=file.path.read_text("latin-1")[:100],
        path=str(file.path),
    )


schema = strawberry.Schema(
    Query,
    Mutation,
    Subscription,
    config=StrawberryConfig(
        enable_experimental_incremental_execution=True,
        scalar_map={
            JSON: strawberry.scalar(name="JSON", serialize=lambda value: value, parse_value=lambda value: value),
            File: strawberry.scalar(name="Upload", parse_value=lambda value: value),
        },
    ),
)
