"""A small graph in the manner of the real one, behind the real way in; the test decides when a word is said."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import strawberry
from starlette.requests import HTTPConnection
from strawberry.schema.config import StrawberryConfig

from errors import Unauthenticated
from execution import Executor
from transport import GraphQLApp


@dataclass
class Pacer:
    said: asyncio.Queue[str | None] = field(default_factory=asyncio.Queue)
    left: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True)
class Context:
    principal: str
    pacer: Pacer

    def fresh(self) -> "Context":
        return self


Info = strawberry.Info[Context, None]


@strawberry.type
class Workspace:
    name: str


@strawberry.type(description="Who is asking.")
class Principal:
    key: str
    kind: str
    workspace: Workspace


@strawberry.interface(description="A step of an answer being made.")
class TurnEvent:
    sequence: int


@strawberry.type(description="More of the answer.")
class TextAdded(TurnEvent):
    text: str


@strawberry.type(description="The answer is complete.")
class TurnFinished(TurnEvent):
    status: str


@strawberry.type
class Query:
    @strawberry.field
    async def word(self, info: Info) -> str | None:
        try:
            return await info.context.pacer.said.get()
        finally:
            info.context.pacer.left.set()

    @strawberry.field
    def me(self, info: Info) -> Principal:
        key = info.context.principal
        return Principal(key=key, kind="LOCAL" if key == "nobody" else "WSK", workspace=Workspace(name="Toys"))


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def reply(self, info: Info, text: str) -> AsyncGenerator[TurnEvent, None]:
        pacer = info.context.pacer
        try:
            sequence = 0
            while (word := await pacer.said.get()) is not None:
                yield TextAdded(sequence=(sequence := sequence + 1), text=word)
            yield TurnFinished(sequence=sequence + 1, status="COMPLETED")
        finally:
            pacer.left.set()


schema = strawberry.Schema(
    Query,
    subscription=Subscription,
    types=[TextAdded, TurnFinished],
    config=StrawberryConfig(enable_experimental_incremental_execution=True),
)


def build(pacer: Pacer) -> GraphQLApp:
    async def open_context(connection: HTTPConnection, key: str | None) -> Context:
        header = connection.headers.get("authorization", "").removeprefix("Bearer ")
        if "unknown" in (key, header):
            raise Unauthenticated("There is no such key")
        return Context(key or header or "nobody", pacer)

    return GraphQLApp(Executor(schema), open_context)
