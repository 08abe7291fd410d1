"""What the REST compiler costs: a small read and a streamed token, beside the same thing written by hand in Starlette.

    python -m bench.rest [--requests 20000] [--tokens 50000] [--lists 1000]

The first two run the same resolver in this process, through their whole ASGI application, without a socket or a
database: the difference is the compiler's and the executor's alone. The third is the real server's list of
conversations over its Postgres and a socket, beside a handler with the one query somebody would write; its client is in
the same process and counted on both sides. Printed is CPU time, the best of three rounds.
"""

import argparse
import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any  # ASGI messages are open.

import aiohttp
import orjson
import strawberry
import uvloop
from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Scope

import models
from app.runtime import Runtime
from execution import Executor
from execution import Request as GraphQLRequest
from models.database import migrate
from rest_compat import Dialect, RestApp, compile_documents
from rest_compat.dialect import EventStream, Frame
from schema.scalars import print_time
from tests.conftest import credentials, postgres_execute
from tests.postgres import running_postgres
from tests.serving import listening, serving
from tests.upstream import Upstream

ROUNDS = 3


@dataclass
class Row:
    id: str
    role: str
    text: str


@dataclass
class Chat:
    id: str
    title: str
    model: str
    message_count: int


CHAT = Chat("0190c0de", "A chat", "scripted-1", 2)
ROWS = [Row("1", "user", "Hi"), Row("2", "assistant", "Hello there.")]


async def find(id: strawberry.ID) -> Chat:
    return CHAT


async def messages_of(root: Chat) -> list[Row]:
    return ROWS


async def words(count: int) -> AsyncGenerator[Row, None]:
    row = Row("2", "assistant", " word")
    for _ in range(count):
        yield row


@strawberry.type
class Message:
    id: strawberry.ID
    role: str
    text: str


@strawberry.type
class Conversation:
    id: strawberry.ID
    title: str
    model: str
    message_count: int
    messages = strawberry.field(resolver=messages_of, graphql_type=list[Message])


@strawberry.type
class TextAdded:
    id: strawberry.ID
    text: str

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return isinstance(value, Row)


@strawberry.type
class TurnFinished:
    id: strawberry.ID

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return False


@strawberry.type
class Query:
    conversation = strawberry.field(resolver=find, graphql_type=Conversation)


@strawberry.type
class Subscription:
    reply = strawberry.subscription(resolver=words, graphql_type=TextAdded | TurnFinished)


READ = """query ($id: ID!) {
  conversation(id: $id) { id title model message_count: messageCount messages { id role content: text } }
}"""
DOCUMENT = """
query ReadChat($id: ID!) @route(method: GET, path: "/chats/{id}") {
  conversation(id: $id) @body {
    id
    title
    model
    message_count: messageCount
    messages { id role content: text }
  }
}

subscription Stream($count: Int!) @route(method: GET, path: "/stream", as: SSE) {
  reply(count: $count) {
    ... on TextAdded @event(name: "chunk") {
      content: text
      is_final: __typename @always(value: false)
      message_id: id
    }
    ... on TurnFinished @event(name: "final") { id }
  }
}
"""


class Context:
    principal = None

    def fresh(self) -> "Context":
        return self


async def open_context(connection: HTTPConnection, key: str | None) -> Context:
    return Context()


def compiled(executor: Executor) -> ASGIApp:
    dialect = Dialect(
        name="bench",
        prefixes=("/chats", "/stream"),
        events=EventStream(closing=(Frame({"status": "completed"}, "complete"),)),
    )
    endpoints = compile_documents(dialect, executor.schema, {"bench.graphql": DOCUMENT})
    return RestApp({dialect: endpoints}, executor=executor, open_context=open_context)


def by_hand() -> ASGIApp:
    async def read_chat(request: Request) -> Response:
        await open_context(request, request.headers.get("authorization"))
        chat = await find(strawberry.ID(request.path_params["id"]))
        answer = {
            "id": chat.id,
            "title": chat.title,
            "model": chat.model,
            "message_count": chat.message_count,
            "messages": [{"id": row.id, "role": row.role, "content": row.text} for row in await messages_of(chat)],
        }
        return Response(orjson.dumps(answer), media_type="application/json")

    async def stream(request: Request) -> Response:
        async def frames() -> AsyncGenerator[bytes, None]:
            async for row in words(int(request.query_params["count"])):
                event = {"content": row.text, "is_final": False, "message_id": row.id}
                yield b"event: chunk\ndata: " + orjson.dumps(event) + b"\n\n"
            yield b'event: complete\ndata: {"status":"completed"}\n\n'

        return StreamingResponse(frames(), media_type="text/event-stream")

    return Starlette(routes=[Route("/chats/{id}", read_chat), Route("/stream", stream)])


async def ask(app: ASGIApp, path: str, query: str = "") -> bytes:
    body = bytearray()
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(b"host", b"here"), (b"accept", b"*/*"), (b"user-agent", b"bench")],
    }
    gone = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        body.extend(message.get("body", b""))

    await app(scope, receive, send)
    return bytes(body)


async def best(work: Callable[[], Awaitable[Any]], count: int) -> float:
    """Microseconds of CPU for each of `count` things that `work` does."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        await work()
        rounds.append(time.process_time() - began)
    return min(rounds) / count * 1e6


async def main(requests: int, tokens: int) -> None:
    executor = Executor(strawberry.Schema(query=Query, subscription=Subscription, types=[TextAdded, TurnFinished]))
    ours, theirs = compiled(executor), by_hand()
    assert orjson.loads(await ask(ours, "/chats/1")) == orjson.loads(await ask(theirs, "/chats/1"))
    assert await ask(ours, "/stream", "count=2") == await ask(theirs, "/stream", "count=2")
    operation = executor.prepare(GraphQLRequest(READ))

    async def reads(app: ASGIApp) -> None:
        for _ in range(requests):
            await ask(app, "/chats/1")

    async def runs() -> None:
        for _ in range(requests):
            await executor.run(operation, {"id": "1"}, Context())

    hand = await best(lambda: reads(theirs), requests)
    whole, executed = await best(lambda: reads(ours), requests), await best(runs, requests)
    print(f"a small read      by hand {hand:6.1f} µs   compiled {whole:6.1f} µs, of which executing {executed:6.1f} µs")
    count = f"count={tokens}"
    hand = await best(lambda: ask(theirs, "/stream", count), tokens)
    whole = await best(lambda: ask(ours, "/stream", count), tokens)
    print(f"a streamed token  by hand {hand:6.1f} µs   compiled {whole:6.1f} µs")


async def lists(requests: int) -> None:
    async with running_postgres() as address:
        await postgres_execute(address, "CREATE DATABASE bench")
        await migrate(credentials(address, "bench"))
        async with Upstream() as upstream, serving(credentials(address, "bench"), upstream) as server:
            for number in range(3):
                await server.client.post("/ai/chat", json={"message": f"Question {number}"})
            by_hand = Starlette(routes=[Route("/ai/conversations", partial(conversations, server.runtime))])
            async with listening(by_hand) as url, aiohttp.ClientSession() as session:

                async def gets(base: str) -> bytes:
                    for _ in range(requests):
                        async with session.get(f"{base}/ai/conversations") as response:
                            answer = await response.read()
                    return answer

                assert await gets(server.url) == await gets(url)
                hand, whole = await best(lambda: gets(url), requests), await best(lambda: gets(server.url), requests)
    print(f"a list of rows    by hand {hand:6.1f} µs   compiled {whole:6.1f} µs, {whole / hand:.2f} times")


async def conversations(runtime: Runtime, request: Request) -> Response:
    principal = await runtime.authenticate(request, None)
    mine = models.Conversation.filter(workspace_id=principal.workspace_id, external_user="api-user")
    rows = await mine.order_by("-last_activity_at", "-id").limit(50).select_related("model__provider")
    answer = [
        {
            "id": str(row.id),
            "title": row.title,
            "message_count": row.message_count,
            "last_activity": print_time(row.last_activity_at),
            "provider": row.model.provider.name if row.model else None,
            "model": row.model.name if row.model else None,
        }
        for row in rows
    ]
    return Response(orjson.dumps(answer), media_type="application/json")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--tokens", type=int, default=50_000)
    parser.add_argument("--lists", type=int, default=1_000, help="0 leaves out what needs a database")
    arguments = parser.parse_args()
    uvloop.run(main(arguments.requests, arguments.tokens))
    if arguments.lists:
        uvloop.run(lists(arguments.lists))
