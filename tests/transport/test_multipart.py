import email.policy
import json
from email.parser import BytesParser
from typing import Any

import httpx
import pytest

from tests.transport.server import Served, served
from transport import TransportOptions

Client = httpx.AsyncClient

SUBSCRIPTIONS = "multipart/mixed;subscriptionSpec=1.0, application/json"
DEFERRED = '{ slow { name ...D @defer(label: "late") } } fragment D on Slow { afterGo }'
STREAMED = "{ numbers(to: 4) @stream(initialCount: 1) }"


async def ask(client: Client, server: Served, query: str, accept: str) -> httpx.Response:
    return await client.post(server.url, json={"query": query}, headers={"accept": accept})


def parts_of(response: httpx.Response) -> list[Any]:
    """Read by Python's own parser, which complains of every flaw in the framing."""
    head = f"content-type: {response.headers['content-type']}\r\n\r\n".encode()
    whole = BytesParser(policy=email.policy.HTTP).parsebytes(head + response.content)
    assert whole.is_multipart()
    parts = list(whole.iter_parts())
    assert [*whole.defects, *(defect for part in parts for defect in part.defects)] == []
    assert not whole.preamble
    assert {part.get_content_type() for part in parts} == {"application/json"}
    return [json.loads(part.get_content()) for part in parts]


class TestSubscriptions:
    async def test_wrap_each_result_in_a_payload(self, client: Client, server: Served) -> None:
        response = await ask(client, server, "subscription { hello }", SUBSCRIPTIONS)

        assert response.headers["content-type"] == 'multipart/mixed; boundary="graphql"; subscriptionSpec=1.0'
        assert parts_of(response) == [
            {"payload": {"data": {"hello": greeting}}} for greeting in ("Hi", "Bonjour", "Hola")
        ]

    async def test_report_what_breaks_beside_the_payload(self, client: Client, server: Served) -> None:
        parts = parts_of(await ask(client, server, "subscription { breaks }", SUBSCRIPTIONS))

        assert parts[0] == {"payload": {"data": {"breaks": "one"}}}
        assert "hunter2" not in str(parts)
        assert "reference" in str(parts[1])

    async def test_are_refused_in_one_piece(self, client: Client, server: Served) -> None:
        response = await ask(client, server, "subscription { nothingLikeIt }", SUBSCRIPTIONS)

        assert response.headers["content-type"] == "application/json; charset=utf-8"
        assert response.json()["errors"]

    async def test_are_kept_alive_by_empty_parts(self, client: Client) -> None:
        async with (
            served(TransportOptions(heartbeat_seconds=0.02)) as server,
            client.stream(
                "POST", server.url, json={"query": "subscription { waits }"}, headers={"accept": SUBSCRIPTIONS}
            ) as response,
        ):
            lines = response.aiter_lines()
            assert [await anext(lines) for _ in range(5)][::4] == ["--graphql", "--graphql"]
            server.stage.go.set()
            rest = [line async for line in lines]

        assert '{"payload":{"data":{"waits":"done"}}}' in rest
        assert rest[-1] == "--graphql--"


class TestIncrementalDelivery:
    async def test_of_what_was_deferred(self, client: Client, server: Served) -> None:
        server.stage.go.set()

        response = await ask(client, server, DEFERRED, "multipart/mixed, application/json")

        assert response.headers["content-type"] == 'multipart/mixed; boundary="graphql"'
        first, second = parts_of(response)
        assert first == {
            "data": {"slow": {"name": "tortoise"}},
            "pending": [{"id": "0", "path": ["slow"], "label": "late"}],
            "hasNext": True,
        }
        assert second == {
            "incremental": [{"id": "0", "data": {"afterGo": "there it is"}}],
            "completed": [{"id": "0"}],
            "hasNext": False,
        }

    async def test_of_what_was_deferred_as_of_2022(self, client: Client, server: Served) -> None:
        server.stage.go.set()

        response = await ask(client, server, DEFERRED, "multipart/mixed;deferSpec=20220824, application/json")

        assert parts_of(response) == [
            {"data": {"slow": {"name": "tortoise"}}, "hasNext": True},
            {
                "incremental": [{"data": {"afterGo": "there it is"}, "path": ["slow"], "label": "late"}],
                "hasNext": False,
            },
        ]

    async def test_of_a_list_as_of_2022(self, client: Client, server: Served) -> None:
        response = await ask(client, server, STREAMED, "multipart/mixed;deferSpec=20220824, application/json")

        first, *rest = parts_of(response)
        pieces = [piece for part in rest for piece in part.get("incremental", ())]
        numbers = first["data"]["numbers"]
        for piece in pieces:
            assert piece["path"] == ["numbers", len(numbers)]
            numbers += piece["items"]
        assert numbers == [0, 1, 2, 3]
        assert [part["hasNext"] for part in (first, *rest)][-1] is False

    @pytest.mark.parametrize("accept", ["application/json", "application/graphql-response+json", "*/*"])
    async def test_is_only_for_those_who_accept_it(self, client: Client, server: Served, accept: str) -> None:
        server.stage.go.set()

        response = await ask(client, server, DEFERRED, accept)

        assert response.json() == {"data": {"slow": {"name": "tortoise", "afterGo": "there it is"}}}

    async def test_is_not_needed_for_a_single_piece(self, client: Client, server: Served) -> None:
        both = await ask(client, server, "{ hello }", "multipart/mixed;deferSpec=20220824, application/json")
        only = await ask(client, server, "{ hello }", "multipart/mixed")

        assert both.json() == {"data": {"hello": "Hello world"}}
        assert parts_of(only) == [{"data": {"hello": "Hello world"}}]
