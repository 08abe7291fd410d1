"""MCP messages through the graph."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from domain import collections
from domain.identity import Principal, Scope
from tests.conftest import MakeTalk
from tests.resolvers.asking import Asker, asker
from tests.resolvers.test_providers import code, data

SERVE = "mutation($input: ServeCollectionsInput!) { serveCollections(input: $input) { message isRefused } }"
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


@pytest.fixture
async def ask(process: MakeTalk, principal: Principal) -> AsyncIterator[Asker]:
    async with process() as talk:
        yield asker(talk, principal)


async def test_answers_requests_and_hears_notifications(ask: Asker, principal: Principal) -> None:
    collection = await collections.create(principal, "Handbook")
    here = {"collectionIds": [str(collection.id)]}

    asked = data(await ask(SERVE, input={"message": PING, **here}))
    told = data(await ask(SERVE, input={"message": {"jsonrpc": "2.0", "method": "notifications/initialized"}, **here}))

    assert asked == {"serveCollections": {"message": {"jsonrpc": "2.0", "id": 1, "result": {}}, "isRefused": False}}
    assert told == {"serveCollections": {"message": None, "isRefused": False}}


async def test_who_may_only_read_offers_no_writing(ask: Asker, principal: Principal) -> None:
    collection = await collections.create(principal, "Handbook")
    reader = replace(ask, principal=replace(principal, scopes=frozenset({Scope.KNOWLEDGE_READ})))
    wanted = {"message": PING, "collectionIds": [str(collection.id)]}

    assert data(await reader(SERVE, input=wanted))["serveCollections"]["message"]["result"] == {}
    assert code(await reader(SERVE, input={**wanted, "access": "WRITE"})) == "forbidden"


async def test_a_message_is_an_object(ask: Asker) -> None:
    result = await ask(SERVE, input={"message": [PING], "collectionIds": []})

    assert result.data is None
