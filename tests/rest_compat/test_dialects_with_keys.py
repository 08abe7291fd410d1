"""Every documented exchange that brings its keys: one application, and a workspace for each."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from app.postgres import Address
from tests.conftest import credentials, postgres_execute
from tests.rest_compat.arranging import arranged
from tests.rest_compat.exchanges import Exchange, found_in, play
from tests.rest_compat.test_dialects import EXCHANGES as WITH_AN_APPLICATION_EACH
from tests.serving import Served, serving
from tests.upstream import Upstream

_ELSEWHERE = {exchange.name for exchange in WITH_AN_APPLICATION_EACH}
EXCHANGES = [each for each in found_in(Path(__file__).parent / "dialects") if each.name not in _ELSEWHERE]


@pytest.fixture(scope="module")
async def shared(postgres: Address, template: str) -> AsyncIterator[Served]:
    name = f"test_{uuid4().hex}"
    await postgres_execute(postgres, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY WAL_LOG")
    async with Upstream() as upstream, serving(credentials(postgres, name), upstream) as served:
        yield served
    await postgres_execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("exchange", EXCHANGES, ids=lambda exchange: exchange.name)
async def test_answers_as_documented(exchange: Exchange, shared: Served, tmp_path: Path) -> None:
    await play(exchange, shared.client, await arranged(exchange.given, shared, tmp_path))
