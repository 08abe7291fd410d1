"""What a streamed token costs between the provider's socket and whoever reads the engine's events.

    python -m bench.engine [--tokens 20000] [--streams 1 200]

Prints CPU microseconds of this process per token, beside the least that a loop over aiohttp and orjson can do; the
upstream runs in a process of its own. "paced" tokens come one by one with a pause between them, as from a model, and
each wakes the process up; "each" come in packets of their own as fast as possible; "twenty" twenty in a packet.
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable

import aiohttp
import orjson
import uvloop

from engine import ChatRequest, Engine, Message, Text
from engine.providers.openai import OpenAIProvider
from tests.upstream import upstream_process

QUESTION = ChatRequest(model="bench", messages=(Message.user("Hi"),))
PACES: dict[str, dict[str, float]] = {
    "paced": {"burst": 1, "delay_seconds": 0.005},
    "each": {"burst": 1},
    "twenty": {"burst": 20},
}


async def bare(base_url: str, streams: int) -> int:
    async def read(session: aiohttp.ClientSession) -> int:
        tokens, rest = 0, b""
        body = {"model": "bench", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
        async with session.post(f"{base_url}/chat/completions", json=body) as response:
            async for chunk in response.content.iter_any():
                *blocks, rest = (rest + chunk).split(b"\n\n")
                for block in blocks:
                    if block != b"data: [DONE]":
                        tokens += bool(orjson.loads(block[6:])["choices"][0]["delta"].get("content"))
        return tokens

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        return sum(await asyncio.gather(*(read(session) for _ in range(streams))))


async def ours(base_url: str, streams: int) -> int:
    engine = Engine({"bench": OpenAIProvider("bench", base_url)})

    async def read() -> int:
        return sum([type(event) is Text async for event in engine.chat("bench", QUESTION)])

    tokens = sum(await asyncio.gather(*(read() for _ in range(streams))))
    await engine.close()
    return tokens


async def cost(read: Callable[[str, int], Awaitable[int]], base_url: str, streams: int) -> float:
    """The best of three, in microseconds."""
    costs = []
    for _ in range(3):
        before = time.process_time()
        tokens = await read(base_url, streams)
        costs.append((time.process_time() - before) / tokens * 1e6)
    return min(costs)


async def main(tokens: int, streams: list[int]) -> None:
    print(f"{'streams':>8} {'tokens':>8} {'bare µs':>8} {'ours µs':>8}")
    for several in streams:
        for pace, script in PACES.items():
            count = min(tokens // several, 500 if pace == "paced" else tokens)
            async with upstream_process(text=" token", count=count, **script) as base_url:
                least, most = await cost(bare, base_url, several), await cost(ours, base_url, several)
            print(f"{several:>8} {pace:>8} {least:>8.1f} {most:>8.1f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=20_000)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 200])
    options = parser.parse_args()
    uvloop.run(main(options.tokens, options.streams))
