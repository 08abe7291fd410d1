"""How fast documents become findable, beside the embedder alone, and what an import keeps in memory meanwhile.

    python -m bench.ingest [--documents 10000] [--import-mb 200]

Both do a few documents first. While the others are indexed a token of somebody's stream is due every 5 ms; how late it
comes is printed as well. Two cores are shared with the database here: the processors' time says what more would do, and
docs/decisions/0009-jobs-in-batches.md where it goes.
"""

import argparse
import asyncio
import random
import tempfile
import time
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import orjson
import psutil
import uvloop

from bench.filling import Ground, ground
from domain import collections, storing
from domain.collections import IndexCounts
from domain.importing import import_records
from domain.ingestion import Ingestion
from domain.storing import NewDocument
from engine.wordllama import WordLlama

WORDS = [word for word in Path(__file__).parent.parent.joinpath("README.md").read_text().split() if word.isalpha()]


def text(random: random.Random, words: int = 60) -> str:
    return " ".join(random.choices(WORDS, k=words)) + f" {random.random()}"


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds: on the clock, of this process on all cores, and of its database."""

    wall: float
    ours: float
    postgres: float

    @classmethod
    def so_far(cls) -> "Spent":
        # The database is a child of this process.
        times = [child.cpu_times() for child in psutil.Process().children(recursive=True)]
        return cls(time.perf_counter(), time.process_time(), sum(each.user + each.system for each in times))

    def since(self, began: "Spent") -> "Spent":
        return Spent(self.wall - began.wall, self.ours - began.ours, self.postgres - began.postgres)


async def embedder_alone(texts: list[str]) -> Spent:
    embedder = WordLlama()
    await embedder.embed(texts[:10])
    began = Spent.so_far()
    for start in range(0, len(texts), 1000):
        await embedder.embed(texts[start : start + 1000])
    return Spent.so_far().since(began)


async def late_tokens(lateness: list[float]) -> None:
    while True:
        due = time.perf_counter() + 0.005
        await asyncio.sleep(0.005)
        lateness.append(time.perf_counter() - due)


async def ingestion_speed(texts: list[str]) -> None:
    alone = await embedder_alone(texts)
    async with ground(WordLlama()) as here:
        ingestion = Ingestion(here.embedders)
        ingestion.open()
        await index(ingestion, here, "Warm", texts[:10])
        lateness: list[float] = []
        stream = asyncio.create_task(late_tokens(lateness))
        began = Spent.so_far()
        stored, counts = await index(ingestion, here, "Documents", texts)
        spent = Spent.so_far().since(began)
        stream.cancel()
        await ingestion.close()
    lateness.sort()
    speed = len(texts) / spent.wall
    print(f"{len(texts):,} documents; indexed {counts.indexed:,}, failed {counts.failed:,}")
    print(f"embedder alone            {len(texts) / alone.wall:8,.0f} documents/s   {alone.ours:.2f} s of processors")
    print(f"stored and queued         {len(texts) / (stored - began.wall):8,.0f} documents/s")
    print(f"stored, cut, embedded     {speed:8,.0f} documents/s   {alone.wall / spent.wall:.2f} of the embedder alone")
    print(f"processors, this process  {spent.ours:8.2f} s")
    print(f"processors, Postgres      {spent.postgres:8.2f} s")
    print(f"token late by, p50        {lateness[len(lateness) // 2] * 1000:8.1f} ms")
    print(f"token late by, p99        {lateness[len(lateness) * 99 // 100] * 1000:8.1f} ms")
    print(f"token late by, worst      {lateness[-1] * 1000:8.1f} ms")


async def index(ingestion: Ingestion, here: Ground, name: str, texts: list[str]) -> tuple[float, IndexCounts]:
    """When all were stored, and what became of them when all were indexed."""
    collection = await collections.create(here.principal, name)
    for start in range(0, len(texts), 1000):
        documents = [NewDocument(f"{start + n}.txt", each) for n, each in enumerate(texts[start : start + 1000])]
        await storing.store(collection, documents)
    stored = time.perf_counter()
    async with aclosing(ingestion.follow(here.principal, str(collection.id))) as progress:
        async for step in progress:
            counts = step.counts
    return stored, counts


async def import_memory(megabytes: int) -> None:
    chance = random.Random(1)
    process, peak = psutil.Process(), 0
    with tempfile.TemporaryDirectory(prefix="palaver-bench-") as folder:
        path, lines = Path(folder) / "documents.jsonl", 0
        with path.open("wb") as file:
            while file.tell() < megabytes * 1_000_000:
                file.write(orjson.dumps({"docid": f"doc {lines}", "text": text(chance, 300)}) + b"\n")
                lines += 1
        async with ground(WordLlama()) as here:
            collection = await collections.create(here.principal, "Documents")
            before = process.memory_info().rss

            async def watch() -> None:
                nonlocal peak
                while True:
                    peak = max(peak, process.memory_info().rss)
                    await asyncio.sleep(0.02)

            watching = asyncio.create_task(watch())
            began = time.perf_counter()
            done = await import_records(collection, path)
            seconds = time.perf_counter() - began
            watching.cancel()
    print(f"\nimport of {megabytes} MB, {lines:,} lines: {done.enqueued:,} enqueued in {seconds:.1f} s")
    print(f"memory before             {before / 1e6:8,.0f} MB")
    print(f"memory at most            {peak / 1e6:8,.0f} MB")


async def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--documents", type=int, default=10_000)
    arguments.add_argument("--import-mb", type=int, default=0)
    given = arguments.parse_args()
    chance = random.Random(0)
    await ingestion_speed([text(chance) for _ in range(given.documents)])
    if given.import_mb:
        await import_memory(given.import_mb)


if __name__ == "__main__":
    uvloop.run(main())
