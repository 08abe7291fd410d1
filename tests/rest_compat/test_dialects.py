"""Every documented exchange of every API, against the real application on a socket."""

from pathlib import Path

import pytest

from tests.rest_compat.exchanges import Exchange, found_in, play
from tests.serving import Served

EXCHANGES = found_in(Path(__file__).parent / "dialects")


@pytest.mark.parametrize("exchange", EXCHANGES, ids=lambda exchange: exchange.name)
async def test_answers_as_documented(exchange: Exchange, palaver: Served) -> None:
    await play(exchange, palaver.client)
