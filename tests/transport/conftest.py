from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.transport import toy
from tests.transport.peers import run
from tests.transport.server import Served, served


@pytest.fixture(scope="session")
async def standing() -> AsyncIterator[Served]:
    async with served() as server:
        yield server


@pytest.fixture
def server(standing: Served) -> Served:
    """One server for all tests, with a stage of the test's own."""
    standing.stage = toy.Stage()
    return standing


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(verify=False) as client:
        yield client


@pytest.fixture(scope="session")
def peers() -> Path:
    return run.install()
