import asyncio
import logging
from typing import Any

import httpx
import pytest

from errors import LimitReached
from execution import Executor
from tests.transport import toy
from tests.transport.server import Served, served
from transport import CORS, HTTPProfile, TransportOptions

GRAPHQL = "application/graphql-response+json"
JSON = "application/json"

Client = httpx.AsyncClient


async def post(client: Client, server: Served, document: str, *, accept: str = GRAPHQL, **more: Any) -> httpx.Response:
    return await client.post(server.url, json={"query": document, **more}, headers={"accept": accept})


def messages(response: httpx.Response) -> list[str]:
    return [error["message"] for error in response.json()["errors"]]


class TestNegotiation:
    @pytest.mark.parametrize(
        ("accept", "expected"),
        [
            (None, JSON),
            ("*/*", JSON),
            ("application/*", JSON),
            (JSON, JSON),
            (GRAPHQL, GRAPHQL),
            (f"{GRAPHQL}, {JSON}", GRAPHQL),
            (f"{JSON}, {GRAPHQL}", GRAPHQL),
            (f"{JSON};q=0.1, {GRAPHQL}", GRAPHQL),
            (f"{JSON}, {GRAPHQL};q=0.9", JSON),
            (f"{GRAPHQL};q=0, {JSON};q=0.2", JSON),
            (f"{GRAPHQL};q=0.5, */*", JSON),
            (f"{JSON};q=0, */*;q=0.1", GRAPHQL),
            ("image/png, */*;q=0.1", JSON),
            ("Application/GraphQL-Response+JSON; charset=utf-8", GRAPHQL),
            (f"{JSON}, text/event-stream", JSON),
            (f"{GRAPHQL}, {JSON}, text/event-stream, multipart/mixed", GRAPHQL),
        ],
    )
    async def test_answers_as_the_client_prefers(
        self, client: Client, server: Served, accept: str | None, expected: str
    ) -> None:
        request = client.build_request("POST", server.url, json={"query": "{ hello }"})
        del request.headers["accept"]
        if accept:
            request.headers["accept"] = accept

        response = await client.send(request)

        assert response.status_code == 200
        assert response.headers["content-type"] == f"{expected}; charset=utf-8"
        assert response.json() == {"data": {"hello": "Hello world"}}

    async def test_reads_only_so_many_preferences(self, client: Client, server: Served) -> None:
        response = await post(client, server, "{ hello }", accept="a/b," * 1000 + JSON)

        assert response.status_code == 406

    @pytest.mark.parametrize("accept", ["image/png", f"{JSON};q=0", "nonsense", ";;;,,,"])
    async def test_refuses_what_it_cannot_produce(self, client: Client, server: Served, accept: str) -> None:
        response = await post(client, server, "{ hello }", accept=accept)

        assert response.status_code == 406
        assert "Answers come as" in messages(response)[0]


class TestStatuses:
    @pytest.mark.parametrize(
        ("body", "statuses"),
        [
            ({"query": "{"}, (400, 200)),
            ({"query": "{ nothingLikeIt }"}, (400, 200)),
            ({"query": "query ($n: Int!) { number(n: $n) }", "variables": {"n": "x"}}, (400, 200)),
            ({"query": "query A { hello } query B { hello }"}, (400, 400)),
            ({"query": "query A { hello }", "operationName": "B"}, (400, 400)),
            ({"query": 3}, (400, 400)),
            ({"qeury": "{ hello }"}, (400, 400)),
            ({"query": "{ hello }", "variables": [7]}, (400, 400)),
            ({"query": "{ missing }"}, (200, 200)),
        ],
    )
    async def test_older_clients_get_200_for_what_is_well_formed(
        self, client: Client, server: Served, body: dict[str, Any], statuses: tuple[int, int]
    ) -> None:
        responses = [await client.post(server.url, json=body, headers={"accept": kind}) for kind in (GRAPHQL, JSON)]

        assert tuple(response.status_code for response in responses) == statuses
        assert all(response.json()["errors"] for response in responses)
        assert all(
            ("data" in response.json()) == (body["query"] == "{ missing }") for response in responses if "query" in body
        )

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            (b"{", 400),
            (b'{"query": "{"}', 400),
            (b'{"query": 3}', 422),
            (b"3", 422),
            (b'{"query": "{ nothingLikeIt }"}', 422),
            (b'{"query": "query A { hello } query B { hello }"}', 422),
            (b'{"query": "query ($n: Int!) { number(n: $n) }"}', 422),
            (b'{"query": "{ hello forbidden }"}', 294),
            (b'{"query": "{ missing }"}', 294),
            (b'{"query": "{ hello }"}', 200),
        ],
    )
    async def test_the_draft_of_2026_knows_422_and_294(self, client: Client, body: bytes, status: int) -> None:
        async with served(TransportOptions(http_profile=HTTPProfile.DRAFT_2026)) as server:
            headers = {"content-type": JSON}
            graphql = await client.post(server.url, content=body, headers=headers | {"accept": GRAPHQL})
            json = await client.post(server.url, content=body, headers=headers | {"accept": JSON})

        assert graphql.status_code == status
        assert json.status_code == (200 if status == 294 else status)

    async def test_a_bug_is_masked_and_logged_once(
        self, client: Client, server: Served, caplog: pytest.LogCaptureFixture
    ) -> None:
        response = await post(client, server, "{ bug }")

        error = response.json()["errors"][0]
        assert response.status_code == 200
        assert "hunter2" not in response.text
        assert [error["extensions"]["reference"] in record.message for record in caplog.records] == [True]

    async def test_mistakes_of_clients_are_logged_quietly(
        self, client: Client, server: Served, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)

        await post(client, server, "{")
        await client.post(server.url, content=b"\xff")
        await client.post(server.url, json={"query": "{ hello }"}, headers={"authorization": "Bearer wrong"})

        assert [record for record in caplog.records if record.name.startswith(("execution", "transport"))] == []


class TestRequests:
    @pytest.mark.parametrize("body", [b"3", b'"x"', b"null", b"true", b"[]", b"", b"{", b"\xff\xfe", b"[" * 100_000])
    async def test_a_body_that_is_no_request_is_400(self, client: Client, server: Served, body: bytes) -> None:
        response = await client.post(server.url, content=body, headers={"content-type": JSON})

        assert response.status_code == 400
        assert response.json()["errors"][0]["message"]

    @pytest.mark.parametrize(
        "content_type",
        [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/graphql",
            "application/json; charset=utf-16",
            "",
        ],
    )
    async def test_other_content_types_are_415(self, client: Client, server: Served, content_type: str) -> None:
        response = await client.post(
            server.url,
            content=b'{"query":"mutation { rename(name: \\"x\\") }"}',
            headers={"content-type": content_type},
        )

        assert response.status_code == 415
        assert "application/json" in response.headers["accept"]
        assert "errors" in response.json()

    @pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
    async def test_other_methods_are_405(self, client: Client, server: Served, method: str) -> None:
        response = await client.request(method, server.url, json={"query": "{ hello }"})

        assert (response.status_code, response.headers["allow"]) == (405, "GET, POST")
        assert "errors" in response.json()

    async def test_a_body_that_is_too_long_is_413(self, client: Client) -> None:
        async with served(TransportOptions(body_bytes=1000)) as server:
            declared = await client.post(server.url, json={"query": "{ hello }" + "#" * 1000})
            chunked = await client.post(server.url, content=_endless_chunks(), headers={"content-type": JSON})

        assert (declared.status_code, chunked.status_code) == (413, 413)
        assert messages(declared) == messages(chunked) == ["The body is larger than 1,000 bytes."]

    @pytest.mark.parametrize(
        ("kind", "start"), [(b"application/json", b"{"), (b"multipart/form-data; boundary=x", b"-")]
    )
    async def test_a_body_that_does_not_arrive_is_408(self, kind: bytes, start: bytes) -> None:
        async with served(TransportOptions(body_seconds=0.05, upload_seconds=0.05)) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(
                b"POST /graphql HTTP/1.1\r\nhost: x\r\nx-graphql-csrf: 1\r\ncontent-type: %b\r\n"
                b"content-length: 100\r\n\r\n%b" % (kind, start)
            )
            status = await reader.readline()
            writer.close()

        assert status.startswith(b"HTTP/1.1 408 ")

    @pytest.mark.parametrize("path", ["", "/stream"])
    async def test_an_address_that_is_too_long_is_414(self, client: Client, path: str) -> None:
        async with served(TransportOptions(query_string_bytes=1000)) as server:
            response = await client.get(f"{server.url}{path}?{'a&' * 500}&query={{hello}}")

        assert response.status_code == 414
        assert "use POST" in messages(response)[0]

    async def test_a_mutation_by_get_is_405(self, client: Client, server: Served) -> None:
        response = await client.get(server.url, params={"query": 'mutation { rename(name: "x") }'})

        assert (response.status_code, response.headers["allow"]) == (405, "POST")
        assert "errors" in response.json()

    async def test_a_query_by_get(self, client: Client, server: Served) -> None:
        response = await client.get(
            server.url,
            params={
                "query": "query A { hello } query B($n: Int!) { number(n: $n) }",
                "operationName": "B",
                "variables": '{"n": 4}',
            },
        )

        assert response.json() == {"data": {"number": 4}}

    @pytest.mark.parametrize("accept", ["*/*", JSON, GRAPHQL])
    async def test_a_subscription_without_a_stream_names_the_transports(
        self, client: Client, server: Served, accept: str
    ) -> None:
        response = await post(client, server, "subscription { hello }", accept=accept)

        assert response.status_code == 406
        assert all(name in messages(response)[0] for name in ("text/event-stream", "multipart/mixed", "WebSocket"))

    async def test_numbers_beyond_64_bits_come_back_whole(self, client: Client, server: Served) -> None:
        response = await post(client, server, "{ echo(value: 123456789012345678901234567890) }")

        assert response.text == '{"data":{"echo":123456789012345678901234567890}}'

    @pytest.mark.parametrize("accept", [JSON, GRAPHQL])
    async def test_an_allowance_that_is_used_up_is_429(self, client: Client, accept: str) -> None:
        def spend(context: object, cost: int) -> None:
            raise LimitReached("Your allowance", retry_after_seconds=7.2)

        async with served(executor=Executor(toy.schema, spend=spend)) as server:
            response = await post(client, server, "{ hello }", accept=accept)

        assert (response.status_code, response.headers["retry-after"]) == (429, "8")
        assert messages(response) == ["Your allowance is used up."]

    async def test_a_wrong_key_is_401(self, client: Client, server: Served) -> None:
        response = await client.post(server.url, json={"query": "{ hello }"}, headers={"authorization": "Bearer wrong"})

        assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
        assert response.json()["errors"][0]["extensions"]["code"] == "unauthenticated"


async def _endless_chunks() -> Any:
    for _ in range(10_000):
        yield b" " * 1000


class TestBatches:
    async def test_are_off_by_default(self, client: Client, server: Served) -> None:
        response = await client.post(server.url, json=[{"query": "{ hello }"}])

        assert response.status_code == 400
        assert "Batches are not accepted" in messages(response)[0]

    async def test_are_answered_in_order_and_each_for_itself(self, client: Client) -> None:
        async with served(TransportOptions(batch_size=4)) as server:
            response = await client.post(
                server.url,
                json=[
                    {"query": "{ hello }"},
                    {"query": "{"},
                    {"query": "subscription { hello }"},
                    {"query": "query ($n: Int!) { number(n: $n) }", "variables": {"n": 2}},
                ],
            )

        first, second, third, fourth = response.json()
        assert response.status_code == 200
        assert (first, fourth) == ({"data": {"hello": "Hello world"}}, {"data": {"number": 2}})
        assert "Syntax Error" in second["errors"][0]["message"]
        assert "subscription" in third["errors"][0]["message"]

    async def test_are_bounded(self, client: Client) -> None:
        async with served(TransportOptions(batch_size=2)) as server:
            response = await client.post(server.url, json=[{"query": "{ hello }"}] * 3)

        assert response.status_code == 400
        assert "1 to 2" in messages(response)[0]


class TestBrowsers:
    """A page of another site can make a browser send what needs no preflight: that must do nothing."""

    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({}, 200),
            ({"sec-fetch-site": "same-origin"}, 200),
            ({"sec-fetch-site": "none"}, 200),
            ({"sec-fetch-site": "cross-site"}, 403),
            ({"sec-fetch-site": "same-site"}, 403),
            ({"sec-fetch-site": "cross-site", "x-graphql-csrf": "1"}, 200),
            ({"sec-fetch-site": "cross-site", "apollo-require-preflight": "1"}, 200),
            ({"sec-fetch-site": "cross-site", "origin": "https://ours.example"}, 200),
            ({"sec-fetch-site": "cross-site", "origin": "https://evil.example"}, 403),
            ({"origin": "https://evil.example"}, 403),
            ({"origin": "null"}, 403),
            ({"cookie": "session=1"}, 403),
            ({"cookie": "session=1", "sec-fetch-site": "same-origin"}, 200),
        ],
    )
    async def test_a_get_that_may_be_forged_is_refused(
        self, client: Client, headers: dict[str, str], status: int
    ) -> None:
        async with served(TransportOptions(cors=CORS(origins=("https://ours.example",)))) as server:
            response = await client.get(server.url, params={"query": "{ hello }"}, headers=headers)

        assert response.status_code == status
        assert "x-graphql-csrf" in messages(response)[0] if status == 403 else response.json()["data"]

    async def test_only_origins_of_the_settings_may_read(self, client: Client) -> None:
        async with served(TransportOptions(cors=CORS(origins=("https://ours.example",), credentials=True))) as server:
            ours, evil = [
                await client.options(
                    server.url,
                    headers={
                        "origin": origin,
                        "access-control-request-method": "POST",
                        "access-control-request-headers": "content-type, x-graphql-csrf",
                    },
                )
                for origin in ("https://ours.example", "https://evil.example")
            ]

        assert (ours.status_code, ours.headers["access-control-allow-origin"]) == (200, "https://ours.example")
        assert (evil.status_code, "access-control-allow-origin" in evil.headers) == (400, False)

    async def test_without_settings_no_origin_may_read(self, client: Client, server: Served) -> None:
        response = await client.post(
            server.url, json={"query": "{ hello }"}, headers={"origin": "https://evil.example"}
        )

        assert "access-control-allow-origin" not in response.headers

    def test_cookies_are_never_for_every_origin(self) -> None:
        with pytest.raises(ValueError, match="every origin"):
            CORS(origins=("*",), credentials=True)


class TestDeparture:
    @pytest.mark.parametrize("kind", ["query", "mutation"])
    async def test_leaving_stops_the_operation(self, client: Client, server: Served, kind: str) -> None:
        asking = asyncio.create_task(post(client, server, kind + " { waits }"))
        await server.stage.until(lambda stage: stage.running == 1)

        asking.cancel()

        await server.stage.until(lambda stage: stage.ended == 1)
        assert server.stage.running == 0
