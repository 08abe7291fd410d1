"""Server-sent events under everything that clients and sources do to them, over a real socket."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from tests.rest_compat.serving import Served

SECONDS = 5


async def test_leaving_in_the_middle_stops_the_source(server: Served) -> None:
    async with _asked(server, "POST", "/ai/chat/stream", {"message": "one wait two"}) as (reader, writer):
        await _until(reader, b'"content":"one"')
        await _wait_for(server.stage.entered)

        writer.close()

        await _wait_for(server.stage.left)
    assert server.stage.produced == 1


async def test_leaving_before_the_first_event_stops_the_source(server: Served) -> None:
    async with _asked(server, "POST", "/v1/chat/completions", {"stream": True, "prompt": "wait"}) as (_, writer):
        await _wait_for(server.stage.entered)

        writer.close()

        await _wait_for(server.stage.left)


async def test_leaving_a_mutation_stops_it(server: Served) -> None:
    async with _asked(server, "POST", "/ai/waits", {}) as (_, writer):
        await _wait_for(server.stage.entered)

        writer.close()

        await _wait_for(server.stage.left)


async def test_a_client_that_stops_reading_stops_the_source(server: Served) -> None:
    """The source waits for the socket instead of filling our memory, and goes on when the client does."""
    async with _asked(server, "GET", "/ai/flood") as (reader, _):
        await _until(reader, b"event: chunk")
        produced = -1
        while produced != server.stage.produced:
            produced = server.stage.produced
            for _ in range(1000):
                await asyncio.sleep(0)

        received = 0
        while server.stage.produced == produced:
            received += len(await reader.read(65536))

        # Sockets and the server hold some; a thousand bytes an event, so this is below 20 MB.
        assert produced < 20_000
        assert received > 0


async def test_an_unforeseen_failure_in_the_middle_is_masked(client: httpx.AsyncClient) -> None:
    answer = await client.post("/ai/chat/stream", json={"message": "one bug"})

    assert answer.status_code == 200
    assert "hunter2" not in answer.text
    assert answer.text.endswith("\n\n")
    assert '"error":"internal"' in answer.text.splitlines()[-2]


async def test_an_export_that_breaks_off_does_not_look_whole(client: httpx.AsyncClient) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        await client.get("/api/v1/skills/follow.jsonl", params={"broken": "true"})


async def test_beats_while_there_is_nothing_to_say(server: Served) -> None:
    async with _asked(server, "POST", "/v1/chat/completions", {"stream": True, "prompt": "one wait two"}) as (
        reader,
        _,
    ):
        await _until(reader, b": ping\n\n")

        server.stage.go.set()

        await _until(reader, b"data: [DONE]\n\n")


async def test_beats_also_before_anything_was_said(server: Served) -> None:
    async with _asked(server, "POST", "/v1/chat/completions", {"stream": True, "prompt": "wait bug"}) as (reader, _):
        assert (await _until(reader, b": ping\n\n")).startswith(b"HTTP/1.1 200 ")

        server.stage.go.set()

        assert b'"error"' in await _until(reader, b"data: [DONE]\n\n")


async def test_a_client_can_ask_for_silence(server: Served) -> None:
    headers = {"Sse-Stream-Options": "no-ping"}
    body = {"stream": True, "prompt": "one wait two"}
    async with _asked(server, "POST", "/v1/chat/completions", body, headers) as (reader, _):
        await _wait_for(server.stage.entered)
        # Another stream beats meanwhile, so that it is known when this one would have.
        async with _asked(server, "POST", "/v1/chat/completions", body) as (other, _):
            await _until(other, b": ping\n\n")
            await _until(other, b": ping\n\n")
        server.stage.go.set()

        assert b"ping" not in await _until(reader, b"data: [DONE]\n\n")


async def test_lines_may_end_as_the_dialect_wants(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/chats/7", json={"message": "Hi"})

    assert answer.content.startswith(b'data: {"type":"start","messageId":"')
    assert answer.content.endswith(b'data: {"type":"finish"}\r\n\r\ndata: [DONE]\r\n\r\n')
    assert b"\n" not in answer.content.replace(b"\r\n", b"")


async def test_a_head_of_a_stream_does_no_work(server: Served, client: httpx.AsyncClient) -> None:
    answer = await client.head("/ai/chat/stream", params={"message": "one"})

    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert server.stage.produced == 0


async def test_two_requests_follow_on_one_connection(client: httpx.AsyncClient) -> None:
    """A stream that has ended leaves the connection as it found it."""
    for _ in range(3):
        answer = await client.post("/ai/chat/stream", json={"message": "Hi"})
        assert answer.text.endswith('"message":"Stream finished"}\n\n')


# -------------------------------------------------------------------- a client that sees every byte


@asynccontextmanager
async def _asked(
    server: Served, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    content = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: here", "Content-Type: application/json"]
    lines += [f"Content-Length: {len(content)}", *(f"{name}: {value}" for name, value in (headers or {}).items())]
    writer.write("\r\n".join([*lines, "", ""]).encode() + content)
    try:
        yield reader, writer
    finally:
        writer.close()


async def _until(reader: asyncio.StreamReader, text: bytes) -> bytes:
    async with asyncio.timeout(SECONDS):
        return await reader.readuntil(text)


async def _wait_for(event: asyncio.Event) -> None:
    async with asyncio.timeout(SECONDS):
        await event.wait()
