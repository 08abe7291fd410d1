"""The way in on a real socket, in the loop of the tests."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

import uvicorn
from starlette.applications import Starlette
from starlette.requests import HTTPConnection

from errors import Unauthenticated
from execution import Executor
from tests.transport import toy
from transport import GraphQLApp, TransportOptions


class _Uvicorn(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening, self.stopping = asyncio.Event(), asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    async def main_loop(self) -> None:
        """Uvicorn's own looks ten times a second whether it should stop, which is long for a test."""
        await self.stopping.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass
class Served:
    stage: toy.Stage
    app: GraphQLApp
    port: int
    # Keys that were good once.
    revoked: set[str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/graphql"

    @property
    def socket_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/graphql"

    def revoke(self, key: str) -> None:
        self.revoked.add(key)
        self.app.recheck()


@contextlib.asynccontextmanager
async def served(
    options: TransportOptions | None = None,
    *,
    executor: Executor | None = None,
) -> AsyncIterator[Served]:
    revoked = set[str]()

    async def open_context(connection: HTTPConnection, key: str | None) -> toy.Context:
        key = key or connection.headers.get("authorization", "").removeprefix("Bearer ") or "nobody"
        if key == "wrong" or key in revoked:
            raise Unauthenticated
        return toy.Context(key, serving.stage)

    app = GraphQLApp(
        executor or Executor(toy.schema),
        open_context,
        options,
        still_valid=lambda context: context.principal not in revoked,
    )
    server = _Uvicorn(
        uvicorn.Config(
            Starlette(routes=app.routes),
            port=0,
            log_config=None,
            ws="websockets-sansio",
            ws_per_message_deflate=False,
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
    )
    running = asyncio.create_task(server.serve())
    await server.listening.wait()
    serving = Served(toy.Stage(), app, server.servers[0].sockets[0].getsockname()[1], revoked)
    try:
        yield serving
    finally:
        server.stopping.set()
        serving.stage.go.set()
        await running


async def settled(count: Callable[[], int]) -> int:
    """The count once it has stood still over many turns of the loop."""
    seen, still = -1, 0
    while still < 200:
        await asyncio.sleep(0)
        still = still + 1 if count() == seen and seen > 0 else 0
        seen = count()
    return seen
