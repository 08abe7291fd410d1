"""Ten thousand clients that vanish in the middle of an answer, and what is left of them.

    python -m bench.disconnects

Half come by WebSocket, half by server-sent events; half of each in the middle of a flood of tokens, half while the
source is silent. Every connection is reset, as by a train that enters a tunnel.
"""

import asyncio
import json
import socket
import struct
import sys
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.request import Request, urlopen

import psutil
import uvloop

from bench.transport import Counting, events, running, websocket

CLIENTS = 10_000
AT_ONCE = 200

# Tokens without end, or one token and then an hour of silence.
FLOOD, SILENCE = (10_000_000, 0), (2, 3_600_000)


async def vanish(port: int, client: Callable[[int, int, int], Counting], count: int, pause_ms: int) -> None:
    made = client(port, count, pause_ms)
    # The first token tells that the source runs; the client closes on it.
    made.left = 1
    transport, _ = await asyncio.get_running_loop().create_connection(partial(_itself, made), "127.0.0.1", port)
    connection: socket.socket = transport.get_extra_info("socket")
    # Closed like this, a connection is reset.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await made.done


def _itself(made: Counting) -> Counting:
    return made


def state(server: psutil.Process, port: int) -> dict[str, Any]:
    request = Request(
        f"http://127.0.0.1:{port}/graphql",
        json.dumps({"query": "{ open }"}).encode(),
        {"content-type": "application/json", "connection": "close"},
    )
    with urlopen(request) as response:
        sources, tasks = json.load(response)["data"]["open"]
    return {
        "sources": sources,
        "tasks": tasks,
        "descriptors": server.num_fds(),
        "MB": round(server.memory_info().rss / 1e6),
    }


async def main() -> None:
    async with running(sys.executable, "-m", "bench.transport", "serve") as (server, port):
        kinds = [(client, *what) for client in (websocket, events) for what in (FLOOD, SILENCE)]
        print(f"{'before':>22}: {state(server, port)}")
        for done in range(0, CLIENTS, AT_ONCE):
            await asyncio.gather(*(vanish(port, *kinds[index % 4]) for index in range(AT_ONCE)))
            if (done + AT_ONCE) % 2_000 == 0:
                print(f"{done + AT_ONCE:>13,} vanished: {state(server, port)}")
        await asyncio.sleep(1)
        after = state(server, port)
        print(f"{'a second later':>22}: {after}")
        if after["sources"]:
            raise SystemExit("something was left behind")


if __name__ == "__main__":
    uvloop.run(main())
