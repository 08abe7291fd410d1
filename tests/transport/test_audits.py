"""The audits that the makers of GraphQL over HTTP hold servers to."""

from pathlib import Path

from tests.transport.peers.run import node
from tests.transport.server import Served


async def test_every_audit_is_ok(server: Served, peers: Path) -> None:
    results = await node("audit.js", server.url)

    assert [result for result in results if result["status"] != "ok"] == []
    assert len(results) == 61
