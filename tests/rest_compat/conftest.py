from collections.abc import AsyncIterator

import httpx
import pytest

from tests.rest_compat.serving import Served, served


@pytest.fixture
async def server() -> AsyncIterator[Served]:
    async with served() as server:
        yield server


@pytest.fixture
async def client(server: Served) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server.url, timeout=10) as client:
        yield client
