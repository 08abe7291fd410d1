import asyncio
from typing import Any  # ASGI messages are open dictionaries.

import pytest

from errors import Unauthenticated
from execution.departure import Departed
from rest_compat.audience import Audience
from rest_compat.dialects.aivax import AIVAX
from rest_compat.exchange import Exchange
from rest_compat.presence import present
from rest_compat.streams import _welcome


class Client:
    def __init__(self) -> None:
        self.leaves = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None: ...


async def nothing() -> None: ...


def exchange_with(client: Client) -> Exchange:
    scope = {"type": "http", "method": "POST", "path": "/", "headers": [], "query_string": b""}
    return Exchange(scope, client.receive, client.send, AIVAX, "/", Audience())


async def test_who_is_turned_away_twice_still_hears_why() -> None:
    exchange = exchange_with(Client())

    async with present(exchange, AIVAX.events, None, nothing) as presence:
        for _ in range(2):
            presence.turn_away()

        with pytest.raises(Unauthenticated):
            await _welcome(presence, asyncio.sleep(3600))


async def test_who_has_left_is_not_turned_away() -> None:
    client = Client()
    client.leaves.set()

    with pytest.raises(Departed):
        await _left(client)


async def _left(client: Client) -> None:
    async with present(exchange_with(client), AIVAX.events, None, nothing) as presence:
        try:
            await _welcome(presence, asyncio.sleep(3600))
        finally:
            presence.turn_away()
