"""CPU that a streamed token costs the way in, beside the Node reference server in the same run.

    python -m bench.transport

A scripted source takes the model's place, so this is what execution, transport and the server under them cost. One
stream goes as fast as it can; two hundred pause 20 ms between tokens, like people's answers do. The clients only count.
"""

import asyncio
import base64
import json
import os
import shutil
import struct
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import strawberry
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import HTTPConnection

from execution import Executor
from transport import GraphQLApp

PEERS = Path(__file__).parent.parent / "tests" / "transport" / "peers"

DOCUMENT = """subscription ($count: Int!, $pauseMs: Int!) {
  tokens(count: $count, pauseMs: $pauseMs) { sequence text }
}"""

# Microseconds of CPU a token at 200 streams: what the reference took where the aim was set.
AIM = 55


# ------------------------------------------------------------------------------------------------------ the server


@strawberry.type
class Token:
    sequence: int
    text: str


sources = 0


@strawberry.type
class Query:
    @strawberry.field
    def open(self) -> list[int]:
        """Sources that run, and tasks that exist while this is answered."""
        return [sources, len(asyncio.all_tasks())]


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def tokens(self, count: int, pause_ms: int) -> AsyncGenerator[Token, None]:
        global sources
        sources += 1
        try:
            for sequence in range(1, count + 1):
                if pause_ms and sequence > 1:
                    await asyncio.sleep(pause_ms / 1000)
                yield Token(sequence=sequence, text=f" word{sequence}")
        finally:
            sources -= 1


class Context:
    principal = "bench"

    def fresh(self) -> "Context":
        return self


def app() -> Starlette:
    async def open_context(connection: HTTPConnection, key: str | None) -> Context:
        return Context()

    return Starlette(
        routes=GraphQLApp(Executor(strawberry.Schema(Query, subscription=Subscription)), open_context).routes
    )


class Announcing(uvicorn.Server):
    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        print(self.servers[0].sockets[0].getsockname()[1], flush=True)


def serve() -> None:
    config = uvicorn.Config(
        app(), port=0, log_config=None, access_log=False, ws="websockets-sansio", ws_per_message_deflate=False
    )
    uvloop.run(Announcing(config).serve())


# ----------------------------------------------------------------------------------------------------- the clients


class Counting(asyncio.Protocol):
    """Reads a stream only as far as it takes to count its events."""

    def __init__(self, opening: bytes, answers: list[tuple[bytes, bytes]], mark: bytes, count: int) -> None:
        """`answers` are what to wait for and what to say then, before there is anything to count."""
        self.opening, self.answers, self.mark, self.left = opening, answers, mark, count
        self.first: float | None = None
        self.tail = b""
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:  # uvloop's is no subclass of asyncio's.
        self.transport = transport
        self.began = time.perf_counter()
        transport.write(self.opening)

    def data_received(self, data: bytes) -> None:
        if self.answers:
            awaited, answer = self.answers[0]
            if awaited in data:
                self.answers.pop(0)
                self.transport.write(answer)
            return
        seen = self.tail + data
        found = seen.count(self.mark)
        # A mark may be cut in two by a packet.
        self.tail = seen[-len(self.mark) + 1 :] if not seen.endswith(self.mark) else b""
        if found and self.first is None:
            self.first = time.perf_counter() - self.began
        self.left -= found
        if self.left <= 0 and not self.done.done():
            self.done.set_result(self.first)
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(ConnectionError("the server closed before the last token"))


def websocket(port: int, count: int, pause_ms: int) -> Counting:
    key = base64.b64encode(os.urandom(16)).decode()
    handshake = (
        f"GET /graphql HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
    )
    payload = {"query": DOCUMENT, "variables": {"count": count, "pauseMs": pause_ms}}
    answers = [
        (b" 101 ", masked({"type": "connection_init"})),
        (b"connection_ack", masked({"id": "1", "type": "subscribe", "payload": payload})),
    ]
    return Counting(handshake.encode(), answers, b'"type":"next"', count)


def masked(message: object) -> bytes:
    """A client's text frame; a mask of zeros leaves it readable."""
    body = json.dumps(message).encode()
    length = bytes([0x80 | len(body)]) if len(body) < 126 else b"\xfe" + struct.pack("!H", len(body))
    return b"\x81" + length + bytes(4) + body


def events(port: int, count: int, pause_ms: int) -> Counting:
    body = json.dumps({"query": DOCUMENT, "variables": {"count": count, "pauseMs": pause_ms}})
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: text/event-stream\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return Counting(head.encode() + body.encode(), [], b"event: next", count)


# ----------------------------------------------------------------------------------------------------- the measure


@dataclass(frozen=True)
class Figures:
    cpu_microseconds: float
    per_second: float
    first_milliseconds: float


@asynccontextmanager
async def running(*command: str) -> AsyncIterator[tuple[psutil.Process, int]]:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        port = int(await process.stdout.readline())
        yield psutil.Process(process.pid), port
    finally:
        process.kill()
        await process.wait()


async def measure(
    server: psutil.Process,
    client: Callable[[int, int, int], Counting],
    port: int,
    *,
    streams: int,
    count: int,
    pause_ms: int,
) -> Figures:
    loop = asyncio.get_running_loop()
    before, began = cpu_of(server), time.perf_counter()
    clients = [client(port, count, pause_ms) for _ in range(streams)]
    for made in clients:
        await loop.create_connection(partial(_itself, made), "127.0.0.1", port)
    firsts = sorted(await asyncio.gather(*(made.done for made in clients)))
    seconds, tokens = time.perf_counter() - began, streams * count
    return Figures((cpu_of(server) - before) / tokens * 1e6, tokens / seconds, firsts[len(firsts) // 2] * 1000)


def _itself(made: Counting) -> Counting:
    return made


def cpu_of(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


async def compare() -> None:
    ours: tuple[str, ...] = (sys.executable, "-m", "bench.transport", "serve")
    node = ("node", str(PEERS / "reference.js"))
    rows = [("ours, WebSocket", ours, websocket), ("ours, server-sent events", ours, events)]
    if shutil.which("node") and (PEERS / "node_modules").is_dir():
        rows.append(("graphql-ws reference, WebSocket", node, websocket))
    print(f"{'':34} {'1 stream':>20} {'200 streams':>20} {'first token':>13}")
    for name, command, client in rows:
        async with running(*command) as (server, port):
            await measure(server, client, port, streams=1, count=2_000, pause_ms=0)
            one = await measure(server, client, port, streams=1, count=20_000, pause_ms=0)
            many = await measure(server, client, port, streams=200, count=100, pause_ms=20)
        print(
            f"{name:34} {one.cpu_microseconds:5.1f} µs {one.per_second:9,.0f}/s"
            f" {many.cpu_microseconds:5.1f} µs {many.per_second:9,.0f}/s {many.first_milliseconds:10.0f} ms"
        )
    print(f"Aim: at most {AIM} µs of CPU a token at 200 streams, and not more than the reference beside it.")


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        serve()
    else:
        uvloop.run(compare())
