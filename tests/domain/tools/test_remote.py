from uuid import uuid4

import bcrypt
import pytest

from domain.calling import Caller
from domain.gateways.parameters import RemoteSource
from domain.identity import Principal, PrincipalKind
from domain.tools import Nonces, RemoteText, RemoteTexts
from engine.guard import Guard
from errors import SourceFailed
from tests.domain.tools.conftest import caller_of
from tests.domain.tools.listening import Server


@pytest.fixture
def remote(guard: Guard, nonces: Nonces) -> RemoteTexts:
    return RemoteTexts(guard, nonces)


async def test_reads_texts_in_their_order(remote: RemoteTexts, caller: Caller, server: Server, salt: str) -> None:
    server.says("/tone", "Be brief.")
    server.says("/rules", "Fälle äußern")
    tone = RemoteSource("Tone", f"{server.url}/tone", "How to speak", {"Authorization": "Bearer x"})

    texts = await remote.of(caller, [tone, RemoteSource("Rules", f"{server.url}/rules")])

    assert texts == [RemoteText("Tone", "How to speak", "Be brief."), RemoteText("Rules", None, "Fälle äußern")]
    headers = {seen.path: seen.headers for seen in server.seen}["/tone"]
    assert headers["authorization"] == "Bearer x"
    assert bcrypt.checkpw(salt.encode(), headers["x-request-nonce"].encode())


async def test_keeps_a_text_for_its_headers_and_workspace_alone(
    remote: RemoteTexts, caller: Caller, server: Server
) -> None:
    server.says("/tone", "Be brief.")
    one = RemoteSource("Tone", f"{server.url}/tone", headers={"token": "one"})
    stranger = caller_of(Principal(uuid4(), PrincipalKind.SK, frozenset()))

    await remote.of(caller, [one, one])
    await remote.of(caller, [one])
    assert len(server.seen) == 1

    await remote.of(caller, [RemoteSource("Tone", one.url, headers={"token": "two"})])
    await remote.of(stranger, [one])
    assert len(server.seen) == 3


async def test_a_source_without_duration_is_asked_each_time(
    remote: RemoteTexts, caller: Caller, server: Server
) -> None:
    source = RemoteSource("Tone", f"{server.url}/tone", cache_duration=0)
    server.says("/tone", "Be brief.")
    await remote.of(caller, [source])
    server.says("/tone", "Be long.")

    (text,) = await remote.of(caller, [source])

    assert text.text == "Be long."


async def test_forgives_a_source_that_was_heard_before(remote: RemoteTexts, caller: Caller, server: Server) -> None:
    source = RemoteSource("Tone", f"{server.url}/tone", cache_duration=0)
    server.says("/tone", "Be brief.")
    await remote.of(caller, [source])
    server.says("/tone", status=503)

    (text,) = await remote.of(caller, [source])

    assert text.text == "Be brief."


async def test_names_the_source_that_fails(remote: RemoteTexts, caller: Caller, server: Server) -> None:
    fine = RemoteSource("Rules", f"{server.url}/rules")
    server.says("/rules", "Fine.")

    with pytest.raises(SourceFailed, match=r"instruction source 'Tone' answered with status 404\."):
        await remote.of(caller, [fine, RemoteSource("Tone", f"{server.url}/tone")])


async def test_reads_no_more_than_ten_megabytes(remote: RemoteTexts, caller: Caller, server: Server) -> None:
    server.says("/tone", "x" * 10_000_001)

    with pytest.raises(SourceFailed, match="more than 10,000,000 bytes"):
        await remote.of(caller, [RemoteSource("Tone", f"{server.url}/tone")])


async def test_asks_no_private_address(nonces: Nonces, caller: Caller, server: Server) -> None:
    """Neither at once nor by a redirect of somebody public."""
    with pytest.raises(SourceFailed, match="no public address"):
        await RemoteTexts(Guard(), nonces).of(caller, [RemoteSource("Tone", f"{server.url}/tone")])

    assert server.seen == []


async def test_tells_its_headers_to_no_other_host(remote: RemoteTexts, caller: Caller, server: Server) -> None:
    server.says("/moved", status=302, location=f"{server.url.replace('127.0.0.1', 'localhost')}/tone")
    server.says("/tone", "Be brief.")

    await remote.of(caller, [RemoteSource("Tone", f"{server.url}/moved", headers={"Authorization": "Bearer x"})])

    assert "authorization" in server.seen[0].headers
    assert not {"authorization", "x-request-nonce"} & server.seen[1].headers.keys()
