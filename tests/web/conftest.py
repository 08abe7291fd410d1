import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio
import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp

from app.asgi import create_app
from app.postgres import Address
from app.runtime import Surroundings
from app.settings import Settings
from engine.testing import ScriptedProvider, saying
from tests.conftest import credentials, postgres_execute
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
    routes = [*pages(built_pages, {"aegis": "Aegis"}), *toy.build(pacer).routes]
    async with serving(Starlette(routes=routes)) as address:
        yield Site(address, pacer)


@pytest_asyncio.fixture
async def platform(built_pages: Path, postgres: Address, template: str) -> AsyncIterator[str]:
    """The whole platform on a port of its own, over a model that always says the same; yields its address."""
    name = f"web_{uuid4().hex}"
    await postgres_execute(postgres, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    model = ScriptedProvider(saying("Short ", "waves ", "scatter ", "most."))
    surroundings = Surroundings(credentials(postgres, name), model)
    async with serving(create_app(Settings(), surroundings)) as address:
        yield address


@pytest_asyncio.fixture(scope="session")
async def chromium() -> AsyncIterator[browser.Browser]:
    if not browser.find_chromium():
        pytest.skip("there is no Chromium on this machine: apt install chromium")
    async with browser.launch() as running:
        yield running


@contextlib.asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[str]:
    """The app behind a real server on a free port of loopback."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        # Listening before the server runs: early requests wait in the backlog instead of being refused.
        listener.listen()
        server = uvicorn.Server(uvicorn.Config(app, lifespan="auto", log_level="warning", ws="websockets-sansio"))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(server.serve(sockets=[listener]))
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            server.should_exit = True
