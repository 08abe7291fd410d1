"""What a token costs from the upstream's socket to a client's: the server's whole CPU time, by the token.

    python -m bench.tokens [--streams 200] [--tokens 100] [--pause-ms 20]

Everything is on: identity, rows, the turn log and its writing to Postgres. Clients and upstream are processes of their
own; their time is not counted, but they share the machine's cores.
"""

import argparse
import asyncio
from collections.abc import Awaitable, Callable

import aiohttp
import orjson
import uvloop

from bench.serving import Server, serving, upstream_process

QUERY = """subscription { reply(input: {text: "Hi"}) {
  ... on TextAdded { sequence text } ... on TurnFinished { turn { status } } } }"""

Client = Callable[[aiohttp.ClientSession, Server], Awaitable[int]]


async def aegis(session: aiohttp.ClientSession, server: Server) -> int:
    async with session.post(f"{server.url}/ai/chat/stream", json={"message": "Hi"}) as response:
        return (await response.read()).count(b"event: chunk")


async def graphql_sse(session: aiohttp.ClientSession, server: Server) -> int:
    headers = {"accept": "text/event-stream"}
    async with session.post(f"{server.url}/graphql", json={"query": QUERY}, headers=headers) as response:
        return (await response.read()).count(b'"text":')


async def graphql_websocket(session: aiohttp.ClientSession, server: Server) -> int:
    tokens = 0
    async with session.ws_connect(f"{server.url}/graphql", protocols=["graphql-transport-ws"]) as socket:
        await socket.send_str('{"type":"connection_init"}')
        await socket.receive()
        await socket.send_str(orjson.dumps({"id": "1", "type": "subscribe", "payload": {"query": QUERY}}).decode())
        async for message in socket:
            if '"text":' in message.data:
                tokens += 1
            elif '"complete"' in message.data:
                break
    return tokens


async def measure(name: str, client: Client, server: Server, streams: int) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await client(session, server)
        before = server.cpu_seconds()
        tokens = sum(await asyncio.gather(*(client(session, server) for _ in range(streams))))
        # What is written to the database a moment later belongs to it.
        await asyncio.sleep(0.5)
        spent = server.cpu_seconds() - before
    print(f"{name:22} {streams:4} streams {tokens:7} tokens {spent / tokens * 1e6:7.1f} µs a token")


async def main(streams: int, tokens: int, pause_ms: float) -> None:
    clients = {"Aegis SSE": aegis, "GraphQL SSE": graphql_sse, "GraphQL WebSocket": graphql_websocket}
    for count, length, pause in ((1, 5000, 1.0), (streams, tokens, pause_ms)):
        async with (
            upstream_process(count=length, text=" token", delay_seconds=pause / 1000) as model,
            serving(model) as server,
        ):
            for name, client in clients.items():
                await measure(name, client, server, count)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--tokens", type=int, default=100)
    parser.add_argument("--pause-ms", type=float, default=20)
    options = parser.parse_args()
    uvloop.run(main(options.streams, options.tokens, options.pause_ms))
