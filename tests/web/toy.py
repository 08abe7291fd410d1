"""A small graph with the manner of the real one, for the pages to talk to before the whole platform is needed."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import strawberry
from starlette.requests import HTTPConnection
from strawberry.asgi import GraphQL


@dataclass
class Pacer:
    """The test decides when the next word is said, and sees that the reader left."""

    said: asyncio.Queue[str | None] = field(default_factory=asyncio.Queue)
    left: asyncio.Event = field(default_factory=asyncio.Event)


@strawberry.type(description="Who is asking.")
class Principal:
    authorization: str | None = strawberry.field(description="The header as it came.")


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
    def me(self, info: strawberry.Info) -> Principal:
        connection: HTTPConnection = info.context["request"]
        return Principal(authorization=connection.headers.get("authorization"))


def build(pacer: Pacer) -> GraphQL:
    @strawberry.type
    class Subscription:
        @strawberry.subscription
        async def reply(self, text: str) -> AsyncGenerator[TurnEvent, None]:
            try:
                sequence = 0
                while (word := await pacer.said.get()) is not None:
                    yield TextAdded(sequence=(sequence := sequence + 1), text=word)
                yield TurnFinished(sequence=sequence + 1, status="COMPLETED")
            finally:
                pacer.left.set()

    schema = strawberry.Schema(Query, subscription=Subscription, types=[TextAdded, TurnFinished])
    return GraphQL(schema, graphql_ide=None)
