"""Documents by hash and by id, on every way in."""

import hashlib
from typing import Any

import httpx
import pytest

from tests.transport.server import Served
from tests.transport.test_websocket import acknowledged

DOCUMENT = "query Persisted { hello }"
BY_HASH = {"persistedQuery": {"version": 1, "sha256Hash": hashlib.sha256(DOCUMENT.encode()).hexdigest()}}


@pytest.mark.parametrize(("accept", "status"), [("application/json", 200), ("application/graphql-response+json", 400)])
async def test_an_unknown_hash_asks_for_the_text(
    server: Served, client: httpx.AsyncClient, accept: str, status: int
) -> None:
    unknown = {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}

    response = await client.post(server.url, json={"extensions": unknown}, headers={"accept": accept})

    assert response.status_code == status
    assert response.json()["errors"][0]["message"] == "PersistedQueryNotFound"


async def test_a_known_hash_stands_for_its_text(server: Served, client: httpx.AsyncClient) -> None:
    await client.post(server.url, json={"query": DOCUMENT, "extensions": BY_HASH})

    by_post = await client.post(server.url, json={"extensions": BY_HASH})
    by_get = await client.get(server.url, params={"extensions": httpx.Response(200, json=BY_HASH).text})
    async with acknowledged(server) as socket:
        await socket.say({"id": "1", "type": "subscribe", "payload": {"extensions": BY_HASH}})
        by_socket = (await socket.hear())["payload"]

    assert by_post.json() == by_get.json() == by_socket == {"data": {"hello": "Hello world"}}


@pytest.mark.parametrize("id", ["unknown", 3, ""])
async def test_an_id_must_be_known(server: Served, client: httpx.AsyncClient, id: Any) -> None:
    response = await client.post(
        server.url, json={"documentId": id}, headers={"accept": "application/graphql-response+json"}
    )

    assert response.status_code == 400
    assert response.json()["errors"][0]["message"]
