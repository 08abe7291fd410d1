"""What a streamed token, and a whole plain call, cost between the provider's socket and whoever reads the engine.

    python -m bench.engine [--tokens 20000] [--streams 1 200] [--calls 3000]

Prints CPU microseconds of this process, beside the least that a loop over aiohttp and orjson can do; the upstream runs
in a process of its own. "paced" tokens come one by one with a pause between them, as from a model, and each wakes the
process up; "each" come in packets of their own as fast as possible; "twenty" twenty in a packet. "passed on" is
`listen`, whose blocks a gateway forwards; "events" is `chat`. A plain call chooses between two targets.
"""

import argparse
import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import orjson
import uvloop

from engine import ChatRequest, Engine, Message, Target, Text
from engine.providers.openai import OpenAIProvider
from tests.upstream import upstream_process

QUESTION = ChatRequest(model="bench", messages=(Message.user("Hi"),))
TARGET, OTHER = Target("bench", "bench"), Target("other", "bench", tier=1)
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


async def passed_on(base_url: str, streams: int) -> int:
    async def read(engine: Engine) -> int:
        tokens = 0
        async for packet in engine.listen([TARGET], QUESTION, stream=True):
            tokens += sum(type(event) is Text for heard in packet.heard for event in heard.events)
        return tokens

    async with connected(base_url) as engine:
        return sum(await asyncio.gather(*(read(engine) for _ in range(streams))))


async def events(base_url: str, streams: int) -> int:
    async def read(engine: Engine) -> int:
        return sum([type(event) is Text async for event in engine.chat("bench", QUESTION)])

    async with connected(base_url) as engine:
        return sum(await asyncio.gather(*(read(engine) for _ in range(streams))))


async def bare_calls(base_url: str, calls: int) -> int:
    body = {"model": "bench", "messages": [{"role": "user", "content": "Hi"}]}
    async with aiohttp.ClientSession() as session:
        for _ in range(calls):
            async with session.post(f"{base_url}/chat/completions", json=body) as response:
                orjson.loads(await response.read())
    return calls


async def engine_calls(base_url: str, calls: int) -> int:
    async with connected(base_url) as engine:
        for _ in range(calls):
            async for _packet in engine.listen([TARGET, OTHER], QUESTION, stream=False):
                pass
    return calls


@asynccontextmanager
async def connected(base_url: str) -> AsyncIterator[Engine]:
    engine = Engine({name: OpenAIProvider(name, base_url) for name in ("bench", "other")})
    yield engine
    await engine.close()


async def cost(read: Callable[[str, int], Awaitable[int]], base_url: str, many: int) -> float:
    """The best of three, in microseconds."""
    costs = []
    for _ in range(3):
        before = time.process_time()
        done = await read(base_url, many)
        costs.append((time.process_time() - before) / done * 1e6)
    return min(costs)


async def main(tokens: int, streams: list[int], calls: int) -> None:
    print(f"{'streams':>8} {'tokens':>8} {'bare µs':>10} {'passed on':>10} {'events':>10}")
    for several in streams:
        for pace, script in PACES.items():
            count = min(tokens // several, 500 if pace == "paced" else tokens)
            async with upstream_process(text=" token", count=count, **script) as base_url:
                costs = [await cost(read, base_url, several) for read in (bare, passed_on, events)]
            print(f"{several:>8} {pace:>8}", *(f"{each:>10.1f}" for each in costs))
    async with upstream_process() as base_url:
        least, most = await cost(bare_calls, base_url, calls), await cost(engine_calls, base_url, calls)
    print(f"plain calls: bare {least:.0f} µs, engine {most:.0f} µs")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=20_000)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 200])
    parser.add_argument("--calls", type=int, default=3_000)
    options = parser.parse_args()
    uvloop.run(main(options.tokens, options.streams, options.calls))
