"""What the gateway adds to a call, and how much it carries, with authentication, budget and usage on.

    python -m bench.gateway [--seconds 5] [--calls 0]

One web process, a bare upstream on loopback, and the caller, all on the cores of this machine. `--calls 100000` also
watches the memory over so many calls. The peers were measured on two cores without keys, budgets or usage.
"""

import argparse
import asyncio
import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any  # GraphQL answers are open JSON.

import aiohttp
import orjson
import uvloop

from bench.serving import ROOT, Server, serving
from bench.wire import Caller, bare_upstream

CALLERS, TOKENS, STREAMS = 16, 16, 50
PATH = "/v1/chat/completions"
PEERS = {
    "added to a plain call, one caller": "LiteLLM 16.8 ms, Portkey 1.1, a Rust router 0.3; aim 1.5",
    "plain calls": "LiteLLM 94/s, Portkey 881, a Rust router 9,045; aim 1,000",
    "streams": "LiteLLM 30/s, Portkey 453, a Rust router 4,061; aim 600",
    "gaps": "direct 22 ms, Portkey 32, LiteLLM 500; aim 25",
}


def body(model: str, *, stream: bool, gap_ms: int = 0, tokens: int = TOKENS) -> bytes:
    asked: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": "Say something."}]}
    if stream:
        asked |= {"stream": True, "seed": gap_ms}
    return orjson.dumps({**asked, "max_tokens": tokens})


async def one_by_one(callers: Sequence[Callable[[], Awaitable[bytes]]], rounds: int) -> list[list[float]]:
    """Each in turn, so that a machine that slows down slows down all of them."""
    figures: list[list[float]] = [[] for _ in callers]
    for number in range(rounds + 50):
        for call, times in zip(callers, figures, strict=True):
            began = time.perf_counter()
            await call()
            if number >= 50:
                times.append((time.perf_counter() - began) * 1000)
    return figures


async def rate(url: str, content: bytes, headers: str, seconds: float) -> tuple[float, float]:
    """Answers a second of several callers, and the p50 of one in milliseconds."""
    callers = [await Caller.connected(url) for _ in range(CALLERS)]
    path = _path(url)
    times: list[float] = []
    ends = time.perf_counter() + seconds

    async def go(caller: Caller) -> None:
        while (began := time.perf_counter()) < ends:
            answer = await caller.post(path, content, headers)
            assert answer.startswith(b"HTTP/1.1 200"), answer
            times.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*map(go, callers))
    passed = time.perf_counter() - began
    for caller in callers:
        caller.close()
    return len(times) / passed, statistics.median(times) * 1000


async def gaps(url: str, headers: str, model: str, *, with_a_slow_one: bool = False) -> list[float]:
    """Milliseconds between two reads of a stream whose tokens are 20 ms apart, over all streams."""
    content = body(model, stream=True, gap_ms=20, tokens=100)
    callers = [await Caller.connected(url) for _ in range(STREAMS)]
    slow = await Caller.connected(url) if with_a_slow_one else None
    waiting = None
    if slow is not None:
        waiting = asyncio.ensure_future(slow.post(_path(url), body(model, stream=True, tokens=50_000), headers))
        slow.pause()
    gc.disable()
    for caller in callers:
        caller.notes_arrivals = True
    await asyncio.gather(*(caller.post(_path(url), content, headers) for caller in callers))
    gc.enable()
    for caller in (*callers, *([slow] if slow else [])):
        caller.close()
    if waiting is not None:
        await asyncio.wait([waiting])
        waiting.exception()
    return [
        (after - before) * 1000
        for caller in callers
        for before, after in zip(caller.arrivals[2:], caller.arrivals[3:], strict=False)
    ]


async def memory(server: Server, url: str, content: bytes, headers: str, calls: int) -> None:
    callers = [await Caller.connected(url) for _ in range(CALLERS)]
    for part in range(5):

        async def go(caller: Caller) -> None:
            for _ in range(calls // 5 // CALLERS):
                await caller.post(_path(url), content, headers)

        await asyncio.gather(*map(go, callers))
        print(f"after {(part + 1) * calls // 5:,} calls: {server.megabytes():.0f} MB (aim 200, and no slope)")


async def main(seconds: float, calls: int) -> None:
    with TemporaryDirectory(prefix="palaver-bench-") as folder:
        async with (
            bare_upstream() as model,
            serving(model, data_dir=Path(folder), env="production", allow_private_urls=True) as server,
        ):
            key = await prepared(server, Path(folder))
            headers, url = f"authorization: Bearer {key}\r\n", server.url + PATH
            there, here = await Caller.connected(model), await Caller.connected(url)
            plain, streamed = body("bench", stream=False), body("bench", stream=True)
            direct = f"{model}/chat/completions"

            theirs, ours = await one_by_one(
                [
                    lambda: there.post(_path(direct), plain),
                    lambda: here.post(PATH, plain, headers),
                ],
                1_000,
            )
            added = sorted(a - b for a, b in zip(ours, theirs, strict=True))
            print(
                f"added to a plain call, one caller   p50 {statistics.median(added):6.2f} ms"
                f"   p95 {added[int(0.95 * len(added))]:6.2f} ms   ({PEERS['added to a plain call, one caller']})"
            )
            for name, content in (("plain calls", plain), ("streams", streamed)):
                bare, _ = await rate(direct, content, "", seconds / 2)
                cpu, began = server.cpu_seconds(), time.perf_counter()
                found, p50 = await rate(url, content, headers, seconds)
                used = (server.cpu_seconds() - cpu) / (time.perf_counter() - began)
                print(
                    f"{name:12} {CALLERS} callers   {found:6.0f}/s   p50 {p50:5.1f} ms   CPU {used:.2f} of a core,"
                    f" {used / found * 1e6:.0f} us each; upstream alone {bare:.0f}/s   ({PEERS[name]})"
                )
            for name, found_gaps in (
                ("direct", await gaps(direct, "", "bench")),
                ("ours", await gaps(url, headers, "bench")),
                ("ours, beside a slow reader", await gaps(url, headers, "bench", with_a_slow_one=True)),
            ):
                ordered = sorted(found_gaps)
                print(
                    f"gap between tokens at {STREAMS} streams, {name}: p50 {statistics.median(ordered):.1f} ms,"
                    f" p99 {ordered[int(0.99 * len(ordered))]:.1f} ms   ({PEERS['gaps']})"
                )
            print(f"memory now: {server.megabytes():.0f} MB")
            if calls:
                await memory(server, url, plain, headers, calls)


async def prepared(server: Server, folder: Path) -> str:
    """A key with a budget, and a model with a price."""
    owner, key = await _key(folder, "owner"), await _key(folder, "sk")
    async with aiohttp.ClientSession(headers={"authorization": f"Bearer {owner}"}) as session:

        async def ask(query: str, **variables: Any) -> Any:
            async with session.post(f"{server.url}/graphql", json={"query": query, "variables": variables}) as answer:
                said = await answer.json(content_type=None)
                assert "errors" not in said, said
                return said["data"]

        [model] = (await ask("{ models { nodes { id } } }"))["models"]["nodes"]
        await ask(
            "mutation($id: ID!) { updateModel(input: {id: $id, inputPrice: 0.15, outputPrice: 0.6}) { model { id } } }",
            id=model["id"],
        )
        await ask("mutation { createBudget(input: {amount: 1000, period: MONTH}) { budget { id } } }")
    return key


async def _key(folder: Path, kind: str) -> str:
    import os
    import sys

    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app.cli", "keys", "create", kind),
        cwd=ROOT,
        env=os.environ | {"PALAVER_DATA_DIR": str(folder), "PALAVER_ENV": "production"},
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await child.communicate()
    return said.decode().strip()


def _path(url: str) -> str:
    return "/" + url.split("/", 3)[3]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--calls", type=int, default=0)
    given = parser.parse_args()
    uvloop.run(main(given.seconds, given.calls))
