"""The toy dialects on a real socket, in the loop of the tests."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import uvicorn
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp

from errors import Unauthenticated
from execution import Executor
from rest_compat import Limits, RestApp, compile_documents
from tests.rest_compat.toy import dialects
from tests.rest_compat.toy.schema import Context, Stage, graph, schema

ENDPOINTS = {
    dialect: compile_documents(
        dialect, graph, {f"{dialect.name}.graphql": (dialects.HERE / f"{dialect.name}.graphql").read_text()}
    )
    for dialect in dialects.DIALECTS
}
EXECUTOR = Executor(schema)
LIMITS = Limits(json_bytes=20_000, upload_bytes=300_000, text_part_bytes=2_000)


@dataclass
class Served:
    stage: Stage
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def toy_app(stage: Stage) -> RestApp:
    async def open_context(connection: HTTPConnection, key: str | None) -> Context:
        if key == "wrong":
            raise Unauthenticated
        return Context(stage, key or "nobody")

    return RestApp(ENDPOINTS, executor=EXECUTOR, open_context=open_context, limits=LIMITS)


@contextlib.asynccontextmanager
async def served() -> AsyncIterator[Served]:
    stage = Stage()
    async with listening(toy_app(stage)) as port:
        yield Served(stage, port)


@contextlib.asynccontextmanager
async def listening(app: ASGIApp) -> AsyncIterator[int]:
    server = _Uvicorn(uvicorn.Config(app, port=0, log_config=None, lifespan="off", timeout_graceful_shutdown=1))
    running = asyncio.create_task(server.serve())
    await server.listening.wait()
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.stopping.set()
        await running


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
