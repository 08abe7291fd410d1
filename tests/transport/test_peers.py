"""Other people's clients, as they are."""

from pathlib import Path

import pytest

from tests.transport.peers.run import node
from tests.transport.server import Served

WORDS = {number: {"data": {"count": {"text": f"word {number}"}}} for number in (1, 2, 3)}
EXPECTED = {
    "mutation": {"received": [{"data": {"rename": "x"}}]},
    "subscription": {"received": [{"data": {"hello": greeting}} for greeting in ("Hi", "Bonjour", "Hola")]},
    "stopped": {"received": [{"data": {"endless": "xxxxxxxxxx"}}] * 2},
    "sideBySide": [{"received": [WORDS[number] for number in range(1, to + 1)]} for to in (1, 2, 3)],
}


async def test_the_websocket_client(server: Served, peers: Path) -> None:
    answers = await node("ws.js", server.socket_url)

    syntax, validation = answers.pop("syntax"), answers.pop("validation")
    assert answers == {"query": {"received": [{"data": {"hello": "Hello ws", "who": "alice"}}]}, **EXPECTED}
    assert "Syntax Error" in syntax["errors"][0]
    assert "Cannot query field" in validation["errors"][0]
    await server.stage.until(lambda stage: stage.running == 0)


@pytest.mark.parametrize("mode", ["distinct", "single"])
async def test_the_server_sent_events_client(server: Served, peers: Path, mode: str) -> None:
    answers = (await node("sse.js", server.url))[mode]

    syntax = answers.pop("syntax")
    assert answers == {"query": {"received": [{"data": {"hello": "Hello sse", "who": "alice"}}]}, **EXPECTED}
    if mode == "distinct":
        assert "Syntax Error" in syntax["received"][0]["errors"][0]["message"]
    else:
        assert "error" in syntax
    await server.stage.until(lambda stage: stage.running == 0)


async def test_multipart_readers_agree(server: Served, peers: Path) -> None:
    accept = "multipart/mixed;subscriptionSpec=1.0, application/json"

    answer = await node("parts.js", server.url, accept, "subscription { hello }")

    assert answer["parts"] == [
        {"json": True, "body": {"payload": {"data": {"hello": greeting}}}} for greeting in ("Hi", "Bonjour", "Hola")
    ]


async def test_incremental_readers_agree(server: Served, peers: Path) -> None:
    server.stage.go.set()

    answer = await node(
        "parts.js", server.url, "multipart/mixed, application/json", "{ slow { name ... @defer { afterGo } } }"
    )

    first, second = [part["body"] for part in answer["parts"]]
    assert all(part["json"] for part in answer["parts"])
    assert first["data"] == {"slow": {"name": "tortoise"}}
    assert second["incremental"][0]["data"] == {"afterGo": "there it is"}
    assert second["hasNext"] is False
