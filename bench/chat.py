"""What a plain `POST /ai/chat` adds to asking the upstream directly, rows written and all.

    python -m bench.chat [--calls 300]

Both are asked in turn by one caller on kept connections, so that a machine that slows down slows down both.
"""

import argparse
import statistics
import time

import aiohttp
import uvloop

from bench.serving import serving, upstream_process


async def timed(session: aiohttp.ClientSession, url: str, body: dict[str, object]) -> float:
    began = time.perf_counter()
    async with session.post(url, json=body) as response:
        await response.read()
        response.raise_for_status()
    return (time.perf_counter() - began) * 1000


async def main(calls: int) -> None:
    direct: dict[str, object] = {"model": "bench", "messages": [{"role": "user", "content": "Hi"}]}
    asked: dict[str, object] = {"message": "Hi"}
    ours, theirs = [], []
    async with (
        upstream_process() as model,
        serving(model) as server,
        aiohttp.ClientSession() as session,
    ):
        for number in range(calls + 20):
            there = await timed(session, f"{model}/chat/completions", direct)
            here = await timed(session, f"{server.url}/ai/chat", asked)
            if number >= 20:
                theirs.append(there)
                ours.append(here)
        cpu = server.cpu_seconds()
        for _ in range(100):
            await timed(session, f"{server.url}/ai/chat", asked)
        cpu = (server.cpu_seconds() - cpu) * 10
    added = [here - there for here, there in zip(ours, theirs, strict=True)]
    for name, figures in (("upstream alone", theirs), ("POST /ai/chat", ours), ("added", added)):
        p50, p95 = statistics.median(figures), statistics.quantiles(figures, n=20)[-1]
        print(f"{name:16} p50 {p50:6.2f} ms   p95 {p95:6.2f} ms")
    print(f"{'server CPU':16} {cpu:10.2f} ms a call")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=300)
    uvloop.run(main(parser.parse_args().calls))
