"""Every documented exchange of every API, against the real application on a socket.

Those that bring keys have a workspace of their own and share one application, in `test_dialects_with_keys.py`.
"""

from pathlib import Path
from typing import Any  # Credentials are an open dictionary.

import pytest

from tests.rest_compat.arranging import arranged
from tests.rest_compat.exchanges import Exchange, found_in, play
from tests.serving import serving
from tests.upstream import Upstream

EXCHANGES = [
    exchange
    for exchange in found_in(Path(__file__).parent / "dialects")
    if exchange.given.keys() & {"settings", "files"} or "keys" not in exchange.given
]


@pytest.mark.parametrize("exchange", EXCHANGES, ids=lambda exchange: exchange.name)
async def test_answers_as_documented(
    exchange: Exchange, database: dict[str, Any], upstream: Upstream, tmp_path: Path
) -> None:
    settings = {"index_roots": (tmp_path,)} | exchange.given.get("settings", {})
    async with serving(database, upstream, **settings) as served:
        await play(exchange, served.client, await arranged(exchange.given, served, tmp_path))
