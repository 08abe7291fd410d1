"""Awkward endpoints of all four contracts, asked over a socket and answered to the byte."""

from pathlib import Path

import httpx
import pytest

from tests.rest_compat.exchanges import Exchange, found_in, play

EXCHANGES = found_in(Path(__file__).parent / "toy" / "exchanges")


@pytest.mark.parametrize("exchange", EXCHANGES, ids=lambda exchange: exchange.name)
async def test_answers_as_documented(exchange: Exchange, client: httpx.AsyncClient) -> None:
    await play(exchange, client)
