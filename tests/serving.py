"""The real application on a real socket, in the loop of the tests."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any  # Settings and credentials are open dictionaries here.

import httpx
import uvicorn
from starlette.types import ASGIApp

from app.asgi import create_app
from app.runtime import Runtime, Surroundings
from app.serve import uvicorn_config
from app.settings import Settings
from tests.upstream import Upstream

__all__ = ["Served", "listening", "serving"]


@dataclass(frozen=True)
class Served:
    url: str
    runtime: Runtime
    upstream: Upstream
    client: httpx.AsyncClient


@asynccontextmanager
async def serving(credentials: dict[str, Any], upstream: Upstream, **settings: Any) -> AsyncIterator[Served]:
    """One web process over a database, whose model is the upstream."""
    chosen: dict[str, Any] = {
        "model_base_url": upstream.base_url,
        "model": "test-model",
        "provider_tries": 1,
    } | settings
    with TemporaryDirectory() as folder:
        app = create_app(Settings(**{"data_dir": folder} | chosen), Surroundings(credentials))
        async with listening(app) as url, httpx.AsyncClient(base_url=url, timeout=30) as client:
            yield Served(url, app.runtime, upstream, client)


@asynccontextmanager
async def listening(app: ASGIApp) -> AsyncIterator[str]:
    config = uvicorn_config(app, Settings())
    config.port = 0
    server = _Server(config)
    running = asyncio.create_task(server.serve())
    await server.listening.wait()
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.stopping.set()
        await running


class _Server(uvicorn.Server):
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
