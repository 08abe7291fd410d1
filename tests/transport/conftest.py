from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.transport.peers import run
from tests.transport.server import Served, served


@pytest.fixture
async def server() -> AsyncIterator[Served]:
    async with served() as server:
        yield server


@pytest.fixture
async def client(server: Served) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as client:
        yield client


@pytest.fixture(scope="session")
def peers() -> Path:
    return run.install()
