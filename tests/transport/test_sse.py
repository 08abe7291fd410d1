import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.transport.server import Served, served, settled
from transport import TransportOptions

Client = httpx.AsyncClient

EVENTS = {"accept": "text/event-stream"}


@dataclass(frozen=True)
class Event:
    kind: str
    payload: Any = None
    id: str | None = None


async def events_of(response: httpx.Response) -> AsyncIterator[Event]:
    """Read as a browser does: an event without data is none."""
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        elif "data" in fields:
            yield Event(fields["event"], json.loads(fields["data"] or "null"), fields.get("id"))
            fields = {}
        else:
            fields = {}


async def stream(client: Client, server: Served, query: str, **more: Any) -> list[Event]:
    headers = EVENTS | more.pop("headers", {})
    async with client.stream("POST", server.url, json={"query": query, **more}, headers=headers) as response:
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        return [event async for event in events_of(response)]


class TestOneOperation:
    async def test_streams_a_subscription(self, client: Client, server: Served) -> None:
        events = await stream(client, server, "subscription { hello }")

        assert events == [
            *(Event("next", {"data": {"hello": greeting}}) for greeting in ("Hi", "Bonjour", "Hola")),
            Event("complete"),
        ]

    @pytest.mark.parametrize(
        ("document", "data"),
        [("{ hello }", {"hello": "Hello world"}), ('mutation { rename(name: "x") }', {"rename": "x"})],
    )
    async def test_streams_a_single_result(
        self, client: Client, server: Served, document: str, data: dict[str, str]
    ) -> None:
        assert await stream(client, server, document) == [Event("next", {"data": data}), Event("complete")]

    async def test_goes_by_get_as_well(self, client: Client, server: Served) -> None:
        params = {"query": "subscription { hello }"}
        async with client.stream("GET", server.url, params=params, headers=EVENTS) as response:
            events = [event async for event in events_of(response)]

        assert len(events) == 4

    @pytest.mark.parametrize(
        ("document", "words"),
        [
            ("{", "Syntax Error"),
            ("{ nothingLikeIt }", "Cannot query field"),
            ("query A { hello } query B { hello }", "operation"),
            ("subscription ($n: Int!) { count(to: $n) { text } }", "$n"),
        ],
    )
    async def test_says_in_the_stream_why_it_cannot_start(
        self, client: Client, server: Served, document: str, words: str
    ) -> None:
        first, last = await stream(client, server, document)

        assert words in first.payload["errors"][0]["message"]
        assert "data" not in first.payload
        assert last == Event("complete")

    async def test_masks_what_breaks_on_the_way(self, client: Client, server: Served) -> None:
        first, second, last = await stream(client, server, "subscription { breaks }")

        assert first == Event("next", {"data": {"breaks": "one"}})
        assert "hunter2" not in str(second)
        assert second.payload["errors"][0]["extensions"]["reference"]
        assert last == Event("complete")

    @pytest.mark.parametrize(
        ("method", "content", "status"),
        [("POST", b"{", 400), ("POST", b"3", 400), ("PUT", b"", 405), ("GET", b"", 405)],
    )
    async def test_is_no_stream_when_the_request_is_none(
        self, client: Client, server: Served, method: str, content: bytes, status: int
    ) -> None:
        response = await client.request(
            method,
            server.url,
            params={"query": 'mutation { rename(name: "x") }'},
            content=content,
            headers=EVENTS | {"content-type": "application/json"},
        )

        assert response.status_code == status
        assert "errors" in response.json()


class TestResuming:
    async def test_numbers_what_can_be_resumed(self, client: Client, server: Served) -> None:
        events = await stream(client, server, "subscription { count { text } }")

        assert [event.id for event in events] == ["1", "2", "3", None]

    async def test_does_not_number_what_would_start_again(self, client: Client, server: Served) -> None:
        events = await stream(client, server, "subscription { hello }")

        assert {event.id for event in events} == {None}

    @pytest.mark.parametrize(
        ("document", "variables"),
        [
            ("subscription { count { text } }", {}),
            ("subscription { count(to: 3, after: 1) { text } }", {}),
            ("subscription ($n: Int) { count(after: $n) { text } }", {"n": 0}),
            ("subscription ($n: Int) { count(after: $n) { text } }", {}),
            ("subscription { ...F } fragment F on Subscription { words: count { text } }", {}),
            ("subscription Words($to: Int) { ... on Subscription { count(to: $to) { text } } }", {"to": 3}),
        ],
    )
    async def test_goes_on_after_the_last_event_seen(
        self, client: Client, server: Served, document: str, variables: dict[str, int]
    ) -> None:
        events = await stream(client, server, document, variables=variables, headers={"last-event-id": "2"})

        assert [event.id for event in events] == ["3", None]

    async def test_refuses_ids_that_are_not_ours(self, client: Client, server: Served) -> None:
        response = await client.post(
            server.url,
            json={"query": "subscription { count { text } }"},
            headers=EVENTS | {"last-event-id": "9" * 4000},
        )

        assert response.status_code == 400
        assert "Last-Event-ID" in response.json()["errors"][0]["message"]


class TestStreams:
    async def test_are_kept_alive_while_nothing_happens(self, client: Client) -> None:
        async with (
            served(TransportOptions(heartbeat_seconds=0.02)) as server,
            client.stream("POST", server.url, json={"query": "subscription { waits }"}, headers=EVENTS) as response,
        ):
            lines = response.aiter_lines()
            assert [await anext(lines) for _ in range(6)] == [":", "", ":", "", ":", ""]
            server.stage.go.set()
            assert "event: next" in [line async for line in lines]

    async def test_end_with_the_key_that_opened_them(self, client: Client, server: Served) -> None:
        async with client.stream(
            "POST",
            server.url,
            json={"query": "subscription { waits }"},
            headers=EVENTS | {"authorization": "Bearer frank"},
        ) as response:
            await server.stage.until(lambda stage: stage.running == 1)
            server.revoke("frank")
            first, last = [event async for event in events_of(response)]

        assert first.payload["errors"][0]["extensions"]["code"] == "unauthenticated"
        assert last == Event("complete")
        await server.stage.until(lambda stage: stage.ended == 1)

    async def test_break_off_when_the_server_leaves(self, client: Client) -> None:
        async with (
            served() as server,
            client.stream("POST", server.url, json={"query": "subscription { waits }"}, headers=EVENTS) as response,
        ):
            await server.stage.until(lambda stage: stage.running == 1)
            server.app.leave()
            events = [event async for event in events_of(response)]
            await server.stage.until(lambda stage: stage.ended == 1)

        # Without `complete`, a client comes back and goes on after the last event it saw.
        assert events == []

    async def test_hold_up_their_source_when_nobody_reads(self, server: Served) -> None:
        _, writer = await _ask(server, "subscription { endless(size: 100000) }")
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # a socket's has it
        produced = await settled(lambda: server.stage.produced)
        writer.transport.abort()
        await server.stage.until(lambda stage: stage.ended == 1)

        # What the kernel's buffers on both sides take.
        assert produced * 100_000 < 20_000_000

    async def test_take_two_tasks_each(self, server: Served) -> None:
        before = len(asyncio.all_tasks())
        writers = [(await _ask(server, "subscription { waits }"))[1] for _ in range(20)]
        await server.stage.until(lambda stage: stage.running == 20)

        assert len(asyncio.all_tasks()) - before <= 2 * 20
        for writer in writers:
            writer.transport.abort()
        await server.stage.until(lambda stage: stage.ended == 20)

    @pytest.mark.parametrize("what", ["waits", "endless"])
    async def test_that_are_cut_leave_nothing_behind(
        self, server: Served, what: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.WARNING)
        before = len(asyncio.all_tasks())

        await asyncio.gather(*(_ask_and_vanish(server, f"subscription {{ {what} }}") for _ in range(50)))
        await server.stage.until(lambda stage: stage.ended == stage.started == 50)

        assert server.app.pulse.live == set()
        assert len(asyncio.all_tasks()) <= before + 1
        assert caplog.records == []


async def _ask(server: Served, document: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    body = json.dumps({"query": document}).encode()
    writer.write(
        b"POST /graphql HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\ncontent-type: application/json\r\n"
        b"content-length: %d\r\n\r\n%b" % (len(body), body)
    )
    return reader, writer


async def _ask_and_vanish(server: Served, document: str) -> None:
    reader, writer = await _ask(server, document)
    await reader.readuntil(b":\n\n")
    writer.transport.abort()


class TestSharedStreams:
    """Single connection mode: one stream for many operations."""

    async def test_carry_many_operations(self, client: Client, server: Served) -> None:
        async with opened(client, server) as shared:
            await shared.ask("a", "subscription { count(to: 1) { text } }")
            await shared.ask("b", "{ hello }")
            received = [await anext(shared.events) for _ in range(4)]

        assert {event.payload["id"] for event in received} == {"a", "b"}
        assert Event("next", {"id": "b", "payload": {"data": {"hello": "Hello world"}}}) in received
        assert Event("complete", {"id": "a"}) in received

    async def test_wait_for_nobody_before_they_are_open(self, client: Client, server: Served) -> None:
        token = await reserve(client, server)
        asked = await ask(client, server, token, "a", "{ hello }")
        async with opened(client, server, token) as shared:
            first = await anext(shared.events)

        assert asked.status_code == 202
        assert first == Event("next", {"id": "a", "payload": {"data": {"hello": "Hello world"}}})

    async def test_stop_an_operation_when_told(self, client: Client, server: Served) -> None:
        async with opened(client, server) as shared:
            await shared.ask("a", "subscription { waits }")
            await server.stage.until(lambda stage: stage.running == 1)
            stopped = await client.delete(f"{server.url}/stream", params={"operationId": "a"}, headers=shared.headers)
            await server.stage.until(lambda stage: stage.ended == 1)

        assert stopped.status_code == 200

    async def test_take_their_operations_with_them(self, client: Client, server: Served) -> None:
        async with opened(client, server) as shared:
            await shared.ask("a", "subscription { waits }")
            await server.stage.until(lambda stage: stage.running == 1)
        await server.stage.until(lambda stage: stage.ended == 1)

        gone = await ask(client, server, shared.token, "b", "{ hello }")

        assert gone.status_code == 404

    async def test_end_with_the_key_they_were_reserved_with(self, client: Client, server: Served) -> None:
        async with opened(client, server, key="grace") as shared:
            await shared.ask("a", "subscription { waits }")
            await server.stage.until(lambda stage: stage.running == 1)
            server.revoke("grace")
            rest = [event async for event in shared.events]
        await server.stage.until(lambda stage: stage.ended == 1)

        assert rest == []

    async def test_are_opened_once(self, client: Client, server: Served) -> None:
        async with opened(client, server) as shared:
            again = await client.get(f"{server.url}/stream", params={"token": shared.token}, headers=EVENTS)

        assert again.status_code == 409

    @pytest.mark.parametrize(
        ("json", "status"),
        [
            ({"query": "{ hello }"}, 400),
            ({"query": "{ hello }", "extensions": {"operationId": 3}}, 400),
            ({"query": "{", "extensions": {"operationId": "a"}}, 400),
            ({"query": "{ hello }", "extensions": {"operationId": "busy"}}, 409),
        ],
    )
    async def test_answer_bad_requests_where_they_were_made(
        self, client: Client, server: Served, json: dict[str, object], status: int
    ) -> None:
        async with opened(client, server) as shared:
            await shared.ask("busy", "subscription { waits }")
            headers = shared.headers | {"accept": "application/graphql-response+json"}
            response = await client.post(f"{server.url}/stream", json=json, headers=headers)

        assert response.status_code == status
        assert response.json()["errors"]

    @pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
    async def test_need_a_reservation(self, client: Client, server: Served, method: str) -> None:
        response = await client.request(
            method, f"{server.url}/stream", headers=EVENTS | {"x-graphql-event-stream-token": "invented"}
        )

        assert response.status_code == 404

    async def test_are_reserved_with_a_key(self, client: Client, server: Served) -> None:
        response = await client.put(f"{server.url}/stream", headers={"authorization": "Bearer wrong"})

        assert response.status_code == 401

    async def test_expire_unopened(self, client: Client) -> None:
        async with served(TransportOptions(reservation_seconds=0)) as server:
            token = await reserve(client, server)
            response = await ask(client, server, token, "a", "{ hello }")

        assert response.status_code == 404

    async def test_are_bounded(self, client: Client) -> None:
        async with served(TransportOptions(reservations=1)) as server:
            await reserve(client, server)
            response = await client.put(f"{server.url}/stream")

        assert response.status_code == 429

    async def test_know_four_methods(self, client: Client, server: Served) -> None:
        response = await client.patch(f"{server.url}/stream")

        assert (response.status_code, response.headers["allow"]) == (405, "GET, POST, PUT, DELETE")

    async def test_without_a_token_every_operation_has_its_own(self, client: Client, server: Served) -> None:
        response = await client.post(f"{server.url}/stream", json={"query": "{ hello }"}, headers=EVENTS)

        assert response.text.count("event: next") == 1


@dataclass(frozen=True)
class Shared:
    client: Client
    server: Served
    token: str
    events: AsyncIterator[Event]

    @property
    def headers(self) -> dict[str, str]:
        return {"x-graphql-event-stream-token": self.token}

    async def ask(self, id: str, query: str) -> None:
        assert (await ask(self.client, self.server, self.token, id, query)).status_code == 202


async def reserve(client: Client, server: Served, key: str = "nobody") -> str:
    response = await client.put(f"{server.url}/stream", headers={"authorization": f"Bearer {key}"})
    assert response.status_code == 201
    return response.text


async def ask(client: Client, server: Served, token: str, id: str, query: str) -> httpx.Response:
    return await client.post(
        f"{server.url}/stream",
        json={"query": query, "extensions": {"operationId": id}},
        headers={"x-graphql-event-stream-token": token},
    )


@asynccontextmanager
async def opened(
    client: Client, server: Served, token: str | None = None, *, key: str = "nobody"
) -> AsyncIterator[Shared]:
    token = token or await reserve(client, server, key)
    async with client.stream("GET", f"{server.url}/stream", params={"token": token}, headers=EVENTS) as response:
        assert response.status_code == 200
        yield Shared(client, server, token, events_of(response))
