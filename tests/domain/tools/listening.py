"""Somebody's server on loopback, for tests of what is called over the web."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any  # What was sent is open JSON.

import orjson
from aiohttp import web

__all__ = ["Server", "serving"]

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Seen:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


@dataclass(slots=True)
class Server:
    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    # What is answered at a path: an answer, or whoever makes one. Anything else is 404.
    answers: dict[str, web.Response | Answer] = field(default_factory=dict)

    def says(self, path: str, text: str = "", *, status: int = 200, **headers: str) -> None:
        async def answer(request: web.Request) -> web.Response:
            return web.Response(status=status, text=text, headers={k.replace("_", "-"): v for k, v in headers.items()})

        self.answers[path] = answer

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.seen.append(Seen(request.method, request.path_qs, headers, await request.read()))
        answer = self.answers.get(request.path)
        if answer is None:
            return web.Response(status=404)
        return answer if isinstance(answer, web.Response) else await answer(request)


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    server = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server._answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()
