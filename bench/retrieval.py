"""How long a search takes in a large collection beside its bare SQL, and what its index misses.

    python -m bench.retrieval [--chunks 100000] [--questions 200]

Vectors are synthetic: they lie in clusters, as those of texts do, and questions lie near some of them. Texts are drawn
from words as common as words are. At a million chunks filling takes some minutes and six gigabytes of disk.
"""

import argparse
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import numpy as np
import uvloop
from numpy.typing import NDArray

import models
from bench.filling import Ground, ground
from domain import collections
from domain.retrieval import Retrieval, Search, SearchMethod
from engine.embeddings import Purpose, Vectors
from knowledge import embed, retrieve, vector_index
from models.database import connection

DIMENSION, CLUSTERS, PER_DOCUMENT, AT_ONCE = 256, 2_000, 10, 10_000
VOCABULARY, WORDS_PER_CHUNK = 50_000, 80


class Synthetic:
    """Embeds questions that are numbers, as the vector of that number."""

    name, provider, model = "synthetic-256", "bench", "synthetic"

    def __init__(self, seed: int = 0) -> None:
        self.chance = np.random.default_rng(seed)
        self.centres = self.chance.standard_normal((CLUSTERS, DIMENSION)).astype(np.float32)
        self.questions: dict[str, NDArray[np.float32]] = {}

    async def dimension(self) -> int:
        return DIMENSION

    def draw(self, count: int) -> Vectors:
        centres = self.centres[self.chance.integers(CLUSTERS, size=count)]
        rows = centres + 0.7 * self.chance.standard_normal((count, DIMENSION)).astype(np.float32)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)

    async def embed(self, texts: Sequence[str], purpose: Purpose = Purpose.DOCUMENT) -> Vectors:
        return np.stack([self.questions[text] for text in texts])

    async def close(self) -> None:
        pass


def words(chance: np.random.Generator, count: int) -> list[str]:
    ranks = np.minimum(chance.zipf(1.1, size=count * 2), VOCABULARY * 4)
    kept = ranks[ranks < VOCABULARY][:count]
    return [f"w{rank}x" for rank in kept]


async def fill(here: Ground, embedder: Synthetic, count: int) -> models.Collection:
    collection = await collections.create(here.principal, "Synthetic")
    row = await collections.default_embedder(here.principal)
    began = time.perf_counter()
    for start in range(0, count, AT_ONCE):
        await _fill_some(collection, row.id, embedder, start, min(AT_ONCE, count - start))
        if start % 100_000 == 0:
            print(f"\r{start:,} chunks after {time.perf_counter() - began:.0f} s", end="", flush=True)
    print(f"\r{count:,} chunks written in {time.perf_counter() - began:.0f} s")
    began = time.perf_counter()
    await vector_index.build(row.id, DIMENSION)
    async with connection() as bare:
        await bare.execute("VACUUM ANALYZE knowledge_documents, contents, chunks, chunk_vectors", timeout=None)
        size = await bare.fetchval(
            "SELECT pg_size_pretty(pg_relation_size($1::text::regclass))", vector_index.name(row.id)
        )
    print(f"index built and tables vacuumed in {time.perf_counter() - began:.0f} s, {size}")
    return collection


async def _fill_some(
    collection: models.Collection, embedder_id: UUID, embedder: Synthetic, start: int, count: int
) -> None:
    now = datetime.now(UTC)
    contents = [models.new_id(models.Kind.CONTENT) for _ in range(-(-count // PER_DOCUMENT))]
    chunk_ids = [models.new_id(models.Kind.CHUNK) for _ in range(count)]
    bag = words(embedder.chance, count * WORDS_PER_CHUNK)
    texts = [" ".join(bag[n * WORDS_PER_CHUNK : (n + 1) * WORDS_PER_CHUNK]) for n in range(count)]
    here = (collection.workspace_id, collection.id)
    async with connection() as bare:
        await bare.copy_records_to_table(
            "contents",
            columns=[
                "id",
                "workspace_id",
                "collection_id",
                "digest",
                "name",
                "text",
                "characters",
                "words",
                "chunk_count",
                "created_at",
            ],
            records=[(id, *here, id.hex, "a.txt", "", 0, 0, PER_DOCUMENT, now) for id in contents],
        )
        await bare.copy_records_to_table(
            "knowledge_documents",
            columns=[
                "id",
                "workspace_id",
                "collection_id",
                "content_id",
                "key",
                "name",
                "tags",
                "metadata",
                "state",
                "created_at",
                "updated_at",
            ],
            records=[
                (
                    models.new_id(models.Kind.KNOWLEDGE_DOCUMENT),
                    *here,
                    id,
                    id.hex,
                    id.hex,
                    "[]",
                    "{}",
                    "INDEXED",
                    now,
                    now,
                )
                for id in contents
            ],
        )
        await bare.copy_records_to_table(
            "chunks",
            columns=[
                "id",
                "workspace_id",
                "collection_id",
                "content_id",
                "position",
                "heading",
                "text",
                "digest",
                "created_at",
            ],
            records=[
                (id, *here, contents[n // PER_DOCUMENT], n % PER_DOCUMENT, "", texts[n], id.hex, now)
                for n, id in enumerate(chunk_ids)
            ],
        )
        await bare.execute(
            "INSERT INTO chunk_vectors SELECT id, $1, $2, content_id, embedding::vector"
            " FROM unnest($3::uuid[], $4::uuid[], $5::text[]) AS new (id, content_id, embedding)",
            embedder_id,
            collection.id,
            chunk_ids,
            [contents[n // PER_DOCUMENT] for n in range(count)],
            embed.to_sql(embedder.draw(count)),
        )


async def measure(count: int, questions: int) -> None:
    embedder = Synthetic()
    async with ground(embedder) as here:
        collection = await fill(here, embedder, count)
        asked = [" ".join(words(embedder.chance, 6)) + f" {n}" for n in range(questions)]
        embedder.questions = dict(zip(asked, embedder.draw(questions), strict=True))
        retrieval = Retrieval(here.embedders)
        print(f"\n{'':28}{'p50':>9}{'p95':>9}")
        for method in SearchMethod:
            searches = [Search((each,), collection_ids=(str(collection.id),), top=10, method=method) for each in asked]
            for search in searches[:20]:
                await retrieval.search(here.principal, search)
            ours: list[float] = []
            bare: list[float] = []
            for place, search in enumerate(searches):
                # Who is second finds everything warm, so they take turns.
                for asks, seconds in [(_ours, ours), (_bare, bare)][:: 1 if place % 2 else -1]:
                    seconds.append(await asks(retrieval, here, search))
            _print(f"{method.value.lower()}, search", ours)
            _print(f"{method.value.lower()}, its bare SQL", bare)
            added = sorted(one - other for one, other in zip(ours, bare, strict=True))
            print(f"{'added':28}{added[len(added) // 2] * 1000:6.2f} ms")
        print(f"\nrecall@10 of the index: {await _recall(retrieval, here, collection, asked):.3f}")


async def _ours(retrieval: Retrieval, here: Ground, search: Search) -> float:
    began = time.perf_counter()
    await retrieval.search(here.principal, search)
    return time.perf_counter() - began


async def _bare(retrieval: Retrieval, here: Ground, search: Search) -> float:
    sql, arguments = retrieve.statement(await retrieval.query(here.principal, search))
    async with connection() as bare:
        began = time.perf_counter()
        await bare.fetch(sql, *arguments)
        return time.perf_counter() - began


async def _recall(retrieval: Retrieval, here: Ground, collection: models.Collection, asked: Sequence[str]) -> float:
    found = 0
    for each in asked:
        search = Search((each,), collection_ids=(str(collection.id),), top=10, method=SearchMethod.MEANING)
        query = await retrieval.query(here.principal, search)
        exact = retrieve.exactly(query)
        first, second = [{row["id"] for row in await retrieve.find(each)} for each in (query, exact)]
        found += len(first & second)
    return found / (10 * len(asked))


def _print(name: str, seconds: list[float]) -> None:
    ordered = sorted(seconds)
    p50, p95 = ordered[len(ordered) // 2], ordered[len(ordered) * 95 // 100]
    print(f"{name:28}{p50 * 1000:6.1f} ms{p95 * 1000:6.1f} ms")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--chunks", type=int, default=100_000)
    arguments.add_argument("--questions", type=int, default=200)
    given = arguments.parse_args()
    uvloop.run(measure(given.chunks, given.questions))


if __name__ == "__main__":
    main()
