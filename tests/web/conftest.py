import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
import uvicorn
from starlette.applications import Starlette

from tests.web import browser, toy
from transport.pages import pages

DIST = Path(__file__).parents[2] / "web" / "dist"


@dataclass(frozen=True)
class Site:
    address: str
    pacer: toy.Pacer


@pytest.fixture
def built_pages() -> Path:
    if not (DIST / "graphiql.html").is_file():
        pytest.skip("the browser pages are not built: run `make web`")
    return DIST


@pytest_asyncio.fixture
async def site(built_pages: Path) -> AsyncIterator[Site]:
    pacer = toy.Pacer()
    async with serving(Starlette(routes=[*pages(built_pages), *toy.build(pacer).routes])) as address:
        yield Site(address, pacer)


@pytest_asyncio.fixture(scope="session")
async def chromium() -> AsyncIterator[browser.Browser]:
    if not browser.find_chromium():
        pytest.skip("there is no Chromium on this machine: apt install chromium")
    async with browser.launch() as running:
        yield running


@contextlib.asynccontextmanager
async def serving(app: Starlette) -> AsyncIterator[str]:
    """The app behind a real server on a free port of loopback."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        # Listening before the server runs: early requests wait in the backlog instead of being refused.
        listener.listen()
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="warning", ws="websockets-sansio"))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(server.serve(sockets=[listener]))
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            server.should_exit = True
