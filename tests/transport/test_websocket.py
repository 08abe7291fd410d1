"""The protocol, frame by frame: what the reference server's own tests look at, and where we promise more."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

from tests.transport.server import Served, served, settled
from transport import CORS, TransportOptions

PROTOCOL = Subprotocol("graphql-transport-ws")


class Talk:
    """A socket that speaks JSON."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def say(self, *messages: object) -> None:
        for message in messages:
            await self.socket.send(message if isinstance(message, str | bytes) else json.dumps(message))

    async def hear(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(await asyncio.wait_for(self.socket.recv(), 5))
        return message

    async def ask(self, id: str, query: str, **more: object) -> None:
        await self.say({"id": id, "type": "subscribe", "payload": {"query": query, **more}})

    async def closed(self) -> tuple[int, str]:
        await asyncio.wait_for(self.socket.wait_closed(), 5)
        assert self.socket.close_code is not None
        return self.socket.close_code, self.socket.close_reason or ""


@asynccontextmanager
async def talk(server: Served, **options: Any) -> AsyncIterator[Talk]:
    async with connect(server.socket_url, subprotocols=[PROTOCOL], max_size=None, **options) as socket:
        yield Talk(socket)


@asynccontextmanager
async def acknowledged(server: Served, payload: object = None, **options: Any) -> AsyncIterator[Talk]:
    async with talk(server, **options) as client:
        await client.say({"type": "connection_init", "payload": payload})
        assert await client.hear() == {"type": "connection_ack"}
        yield client


class TestHandshake:
    @pytest.mark.parametrize("subprotocols", [None, [Subprotocol("graphql-ws")]])
    async def test_only_the_current_protocol_is_spoken(
        self, server: Served, subprotocols: list[Subprotocol] | None
    ) -> None:
        async with connect(server.socket_url, subprotocols=subprotocols) as socket:
            assert await Talk(socket).closed() == (4406, "Subprotocol not acceptable")

    @pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://["])
    async def test_pages_of_other_origins_are_kept_out(self, server: Served, origin: str) -> None:
        with pytest.raises(InvalidStatus) as refused:
            await connect(server.socket_url, subprotocols=[PROTOCOL], origin=Origin(origin))

        assert refused.value.response.status_code == 403

    async def test_the_same_origin_and_those_of_the_settings_come_in(self) -> None:
        async with served(TransportOptions(cors=CORS(origins=("https://ours.example",)))) as server:
            for origin in ("https://ours.example", f"http://127.0.0.1:{server.port}"):
                async with acknowledged(server, origin=Origin(origin)):
                    pass

    async def test_any_origin_means_any_without_cookies(self) -> None:
        async with served(TransportOptions(cors=CORS(origins=("*",)))) as server:
            async with acknowledged(server, origin=Origin("https://any.example")):
                pass
            with pytest.raises(InvalidStatus):
                await connect(
                    server.socket_url,
                    subprotocols=[PROTOCOL],
                    origin=Origin("https://any.example"),
                    additional_headers={"cookie": "session=1"},
                )


class TestInitialisation:
    async def test_must_come_in_time(self) -> None:
        async with served(TransportOptions(init_seconds=0.05)) as server, talk(server) as client:
            assert await client.closed() == (4408, "Connection initialisation timeout")

    async def test_comes_once(self, server: Served) -> None:
        async with acknowledged(server) as client:
            await client.say({"type": "connection_init"})
            assert await client.closed() == (4429, "Too many initialisation requests")

    async def test_comes_first(self, server: Served) -> None:
        async with talk(server) as client:
            await client.ask("1", "{ hello }")
            assert await client.closed() == (4401, "Unauthorized")

    @pytest.mark.parametrize("name", ["authorization", "Authorization"])
    async def test_carries_a_key(self, server: Served, name: str) -> None:
        async with acknowledged(server, {name: "Bearer alice"}) as client:
            await client.ask("1", "{ who }")
            assert (await client.hear())["payload"] == {"data": {"who": "alice"}}

    async def test_carries_a_key_by_its_own_name(self, server: Served) -> None:
        async with acknowledged(server, {"key": "alice"}) as client:
            await client.ask("1", "{ who }")
            assert (await client.hear())["payload"] == {"data": {"who": "alice"}}

    async def test_goes_by_the_handshake_without_a_key(self, server: Served) -> None:
        async with acknowledged(server, additional_headers={"authorization": "Bearer bob"}) as client:
            await client.ask("1", "{ who }")
            assert (await client.hear())["payload"] == {"data": {"who": "bob"}}

    async def test_with_a_wrong_key_is_forbidden(self, server: Served) -> None:
        async with talk(server) as client:
            await client.say({"type": "connection_init", "payload": {"key": "wrong"}})
            assert await client.closed() == (4403, "This request needs a valid key.")

    async def test_pings_are_answered_before_it(self, server: Served) -> None:
        async with talk(server) as client:
            await client.say({"type": "ping"}, {"type": "ping", "payload": {"n": 1}}, {"type": "pong"})
            assert await client.hear() == {"type": "pong"}
            assert await client.hear() == {"type": "pong", "payload": {"n": 1}}


class TestMessages:
    @pytest.mark.parametrize(
        "message",
        [
            "",
            "{",
            "null",
            '"str"',
            "3",
            "[]",
            "{}",
            b"\xff",
            {"type": "nonsense"},
            {"type": 3},
            {"type": "connection_ack"},
            {"type": "next", "id": "1", "payload": {}},
            {"type": "ping", "payload": "x"},
            {"type": "connection_init", "payload": [1]},
            {"type": "connection_init", "payload": {"authorization": 3}},
            {"type": "subscribe", "payload": {"query": "{ hello }"}},
            {"type": "subscribe", "id": "", "payload": {"query": "{ hello }"}},
            {"type": "subscribe", "id": 1, "payload": {"query": "{ hello }"}},
            {"type": "subscribe", "id": "1"},
            {"type": "subscribe", "id": "1", "payload": "{ hello }"},
            {"type": "complete"},
            {"type": "complete", "id": 3},
        ],
    )
    async def test_that_are_none_close_the_socket(self, server: Served, message: object) -> None:
        async with talk(server) as client:
            await client.say(message)
            assert (await client.closed())[0] == 4400

    @pytest.mark.parametrize(
        "payload",
        [
            {},
            {"query": 3},
            {"query": None},
            {"query": "{ hello }", "variables": "x"},
            {"query": "{ hello }", "variables": []},
            {"query": "{ hello }", "extensions": "x"},
            {"query": "{ hello }", "operationName": {}},
        ],
    )
    async def test_with_ill_typed_parameters_close_the_socket(self, server: Served, payload: object) -> None:
        async with acknowledged(server) as client:
            await client.say({"type": "subscribe", "id": "1", "payload": payload})
            assert (await client.closed())[0] == 4400

    async def test_are_bounded(self) -> None:
        async with served(TransportOptions(message_bytes=1000)) as server, acknowledged(server) as client:
            await client.ask("1", "{ hello }" + "#" * 1000)
            assert (await client.closed())[0] == 1009

    async def test_null_parameters_are_absent_ones(self, server: Served) -> None:
        async with acknowledged(server) as client:
            await client.ask("1", "{ hello }", variables=None, extensions=None, operationName=None)
            assert (await client.hear())["type"] == "next"


class TestOperations:
    @pytest.mark.parametrize("kind", ["query", "mutation"])
    async def test_of_one_result_complete(self, server: Served, kind: str) -> None:
        async with acknowledged(server) as client:
            await client.ask("1", "{ hello }" if kind == "query" else 'mutation { rename(name: "x") }')
            data = {"hello": "Hello world"} if kind == "query" else {"rename": "x"}
            assert await client.hear() == {"id": "1", "type": "next", "payload": {"data": data}}
            assert await client.hear() == {"id": "1", "type": "complete"}

    async def test_of_many_results_complete(self, server: Served) -> None:
        async with acknowledged(server) as client:
            await client.ask('a "quoted" id', "subscription { hello }")
            received = [await client.hear() for _ in range(4)]

        assert [message["id"] for message in received] == ['a "quoted" id'] * 4
        assert [message["type"] for message in received] == ["next", "next", "next", "complete"]
        assert received[1]["payload"] == {"data": {"hello": "Bonjour"}}

    async def test_deliver_what_was_deferred(self, server: Served) -> None:
        async with acknowledged(server) as client:
            await client.ask("1", "{ slow { name ... @defer { afterGo } } }")
            first = await client.hear()
            server.stage.go.set()
            second = await client.hear()

        assert first["payload"]["data"] == {"slow": {"name": "tortoise"}}
        assert (first["payload"]["hasNext"], second["payload"]["hasNext"]) == (True, False)
        assert second["payload"]["incremental"][0]["data"] == {"afterGo": "there it is"}

    @pytest.mark.parametrize(
        ("document", "more", "words"),
        [
            ("{", {}, "Syntax Error"),
            ("{ nothingLikeIt }", {}, "Cannot query field"),
            ("query ($n: Int!) { number(n: $n) }", {"variables": {"n": "x"}}, "$n"),
            ("query A { hello }", {"operationName": "B"}, "B"),
            ("query A { hello } query B { hello }", {}, "operation"),
        ],
    )
    async def test_that_cannot_start_end_only_themselves(
        self, server: Served, document: str, more: dict[str, object], words: str
    ) -> None:
        async with acknowledged(server) as client:
            await client.ask("other", "subscription { waits }")
            await server.stage.until(lambda stage: stage.running == 1)
            await client.ask("1", document, **more)
            refused = await client.hear()
            server.stage.go.set()
            other = await client.hear()

        assert (refused["id"], refused["type"]) == ("1", "error")
        assert words in refused["payload"][0]["message"]
        assert other == {"id": "other", "type": "next", "payload": {"data": {"waits": "done"}}}

    async def test_that_break_are_masked(self, server: Served) -> None:
        async with acknowledged(server) as client:
            await client.ask("1", "subscription { breaks }")
            received = [await client.hear() for _ in range(2)]

        assert received[0]["payload"] == {"data": {"breaks": "one"}}
        assert "hunter2" not in json.dumps(received)
        assert "reference" in json.dumps(received[1])

    async def test_need_ids_of_their_own(self, server: Served) -> None:
        async with acknowledged(server) as client:
            await client.ask("1", "subscription { waits }")
            await client.ask("1", "{ hello }")
            assert await client.closed() == (4409, "Subscriber for 1 already exists")
        await server.stage.until(lambda stage: stage.ended == stage.started)

    async def test_may_take_an_id_again(self, server: Served) -> None:
        async with acknowledged(server) as client:
            for _ in range(3):
                await client.ask("1", "{ hello }")
                assert [(await client.hear())["type"] for _ in range(2)] == ["next", "complete"]

    async def test_stop_when_told(self, server: Served) -> None:
        async with acknowledged(server) as client:
            await client.ask("1", "subscription { waits }")
            await server.stage.until(lambda stage: stage.running == 1)
            await client.say({"id": "1", "type": "complete"}, {"id": "unknown", "type": "complete"})
            await server.stage.until(lambda stage: stage.ended == 1)
            await client.say({"type": "ping"})
            assert await client.hear() == {"type": "pong"}

    async def test_are_bounded(self) -> None:
        async with served(TransportOptions(operations_per_socket=2)) as server, acknowledged(server) as client:
            for id in ("1", "2", "3"):
                await client.ask(id, "subscription { waits }")
            refused = await client.hear()

        assert (refused["id"], refused["type"]) == ("3", "error")
        assert refused["payload"][0]["extensions"]["code"] == "limit_reached"

    async def test_each_have_loaders_of_their_own(self, server: Served) -> None:
        async with acknowledged(server) as client:
            for id in ("1", "2"):
                await client.ask(id, "{ renewals }")
            received = [await client.hear() for _ in range(4)]

        renewals = [message["payload"]["data"]["renewals"] for message in received if message["type"] == "next"]
        assert renewals == [1, 1]


class TestKeys:
    async def test_a_revoked_key_closes_its_sockets_at_once(self, server: Served) -> None:
        async with acknowledged(server, {"key": "carol"}) as client, acknowledged(server, {"key": "dave"}) as other:
            await client.ask("1", "subscription { waits }")
            await server.stage.until(lambda stage: stage.running == 1)

            server.revoke("carol")

            assert await client.closed() == (4403, "Forbidden")
            await server.stage.until(lambda stage: stage.ended == 1)
            await other.say({"type": "ping"})
            assert await other.hear() == {"type": "pong"}

    async def test_a_revoked_key_starts_nothing(self, server: Served) -> None:
        async with acknowledged(server, {"key": "erin"}) as client:
            server.revoked.add("erin")
            await client.ask("1", "{ hello }")
            assert await client.closed() == (4403, "Forbidden")


class TestSlowReaders:
    async def test_hold_up_their_own_source_and_no_other(self, server: Served) -> None:
        async with acknowledged(server) as slow, acknowledged(server) as quick:
            slow.socket.transport.pause_reading()
            await slow.ask("1", "subscription { endless(size: 100000) }")
            await server.stage.until(lambda stage: stage.running == 1)
            produced = await settled(lambda: server.stage.produced)
            await quick.ask("1", "{ hello }")
            assert (await quick.hear())["type"] == "next"

            assert server.stage.produced == produced
            # What the kernel's buffers on both sides take, and not a byte of ours beyond the high-water mark.
            assert produced * 100_000 < 20_000_000
            slow.socket.transport.abort()

    async def test_that_leave_are_forgotten(self, server: Served) -> None:
        async with acknowledged(server) as slow:
            slow.socket.transport.pause_reading()
            await slow.ask("1", "subscription { endless(size: 100000) }")
            await settled(lambda: server.stage.produced)
            slow.socket.transport.abort()
            await server.stage.until(lambda stage: stage.running == 0 and stage.ended == 1)


class TestTasks:
    async def test_are_one_for_a_socket_and_one_for_an_operation(self, server: Served) -> None:
        async with acknowledged(server) as client:
            before = len(asyncio.all_tasks())
            for id in range(20):
                await client.ask(str(id), "subscription { waits }")
            await server.stage.until(lambda stage: stage.running == 20)

            assert len(asyncio.all_tasks()) - before == 20
        await server.stage.until(lambda stage: stage.ended == 20)


class TestKeepalive:
    async def test_quiet_sockets_are_pinged(self) -> None:
        async with served(TransportOptions(heartbeat_seconds=0.02)) as server, acknowledged(server) as client:
            assert await client.hear() == {"type": "ping"}
            await client.say({"type": "pong"})
            assert await client.hear() == {"type": "ping"}


class TestLeaving:
    async def test_closes_sockets_for_a_restart(self) -> None:
        async with served() as server, acknowledged(server) as client:
            await client.ask("1", "subscription { waits }")
            await server.stage.until(lambda stage: stage.running == 1)
            server.app.leave()
            assert await client.closed() == (1012, "Service restart")
            await server.stage.until(lambda stage: stage.ended == 1)


class TestDisconnects:
    @pytest.mark.parametrize("what", ["waits", "endless"])
    async def test_leave_nothing_behind(self, server: Served, what: str, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.WARNING)
        before = len(asyncio.all_tasks())

        for _ in range(5):
            await asyncio.gather(*(_ask_and_vanish(server, f"subscription {{ {what} }}") for _ in range(20)))
        await server.stage.until(lambda stage: stage.ended == stage.started == 100)
        await _until(lambda: len(asyncio.all_tasks()) <= before)

        assert server.app.pulse.live == set()
        assert caplog.records == []


async def _ask_and_vanish(server: Served, document: str) -> None:
    started = server.stage.started
    async with acknowledged(server) as client:
        await client.ask("1", document)
        await server.stage.until(lambda stage: stage.started > started)
        client.socket.transport.abort()


async def _until(fact: Callable[[], bool]) -> None:
    for _ in range(100_000):
        if fact():
            return
        await asyncio.sleep(0)
    assert fact()
