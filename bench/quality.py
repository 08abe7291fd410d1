"""Whether the right passage is found: hybrid retrieval beside either of its halves and beside plain full text.

    python -m bench.quality [--chunks 1000 --overlap 200] [--missed]

The corpus is this repository's own documents, imported as files through the whole pipeline with the built-in embedder.
`questions.jsonl` holds what people would ask of them, each with words that only the right passage says.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

import models
from domain import collections, storing
from domain.collections import Chunking
from domain.embedders import Embedders
from domain.identity import SCOPES, Principal, PrincipalKind
from domain.ingestion import Ingestion
from domain.retrieval import Retrieval, Search, SearchMethod
from domain.storing import NewDocument
from engine.wordllama import WordLlama
from models.database import Database, connection, migrate
from tests.postgres import running_postgres

ROOT = Path(__file__).parent.parent
QUESTIONS = Path(__file__).with_name("questions.jsonl")
PLACES, TOP = 50, 5

# What a first attempt at full text looks like: all words of the question that mean something.
PLAIN_FULL_TEXT = """
    SELECT text FROM chunks, websearch_to_tsquery('english', $2) AS question
    WHERE collection_id = $1 AND to_tsvector('english', text) @@ question
    ORDER BY ts_rank(to_tsvector('english', text), question) DESC, id LIMIT $3
"""


@dataclass(frozen=True, slots=True)
class Question:
    question: str
    file: str
    says: str


Found = Sequence[str]
Ask = Callable[[str], Coroutine[None, None, Found]]


def questions() -> list[Question]:
    asked = [Question(**orjson.loads(line)) for line in QUESTIONS.read_bytes().splitlines()]
    for each in asked:
        if flat(each.says) not in flat((ROOT / each.file).read_text()):
            raise SystemExit(f"{each.file} does not say {each.says!r} any more: bring {QUESTIONS.name} up to date")
    return asked


def flat(text: str) -> str:
    return " ".join(text.split())


def files() -> list[Path]:
    return [
        ROOT / "README.md",
        ROOT / "CHANGELOG.md",
        *sorted((ROOT / "docs").rglob("*.md")),
        *(ROOT / "docs").rglob("*.yaml"),
    ]


@asynccontextmanager
async def corpus(chunking: Chunking) -> AsyncIterator[tuple[models.Collection, Principal, Retrieval]]:
    embedders = Embedders([WordLlama()])
    async with running_postgres() as address:
        credentials = {
            "host": address.host,
            "port": address.port,
            "user": address.user,
            "database": "palaver",
            "password": None,
        }
        await migrate(credentials)
        database = Database(credentials)
        await database.open()
        workspace = await models.Workspace.create(name="bench")
        await embedders.offer(workspace)
        ingestion = Ingestion(embedders)
        ingestion.open()
        try:
            principal = Principal(workspace.id, PrincipalKind.LOCAL, SCOPES[PrincipalKind.LOCAL])
            collection = await collections.create(principal, "Documents", chunking=chunking)
            await storing.store(collection, [NewDocument(str(path.relative_to(ROOT)), source=path) for path in files()])
            async with aclosing(ingestion.follow(principal, str(collection.id))) as progress:
                async for step in progress:
                    counts = step.counts
            if counts.failed:
                raise SystemExit(f"{counts.failed} documents could not be indexed")
            async with connection() as bare:
                await bare.execute("ANALYZE")  # as autovacuum does within a minute
            yield collection, principal, Retrieval(embedders)
        finally:
            await ingestion.close()
            await database.close()
            await embedders.close()


async def place(question: Question, ask: Ask) -> int | None:
    """From 1, of the first passage that answers."""
    found = await ask(question.question)
    return next((rank for rank, text in enumerate(found, 1) if flat(question.says) in flat(text)), None)


async def measure(chunking: Chunking, *, shows_missed: bool) -> None:
    asked = questions()
    async with corpus(chunking) as (collection, principal, retrieval):

        def by(method: SearchMethod) -> Ask:
            async def ask(text: str) -> Found:
                search = Search((text,), collection_ids=(str(collection.id),), top=PLACES, method=method)
                return [hit.chunk.text for hit in (await retrieval.search(principal, search)).hits]

            return ask

        async def plainly(text: str) -> Found:
            async with connection() as bare:
                return [row["text"] for row in await bare.fetch(PLAIN_FULL_TEXT, collection.id, text, PLACES)]

        [chunks] = await collections.chunk_counts([collection.id])
        print(
            f"{len(asked)} questions, {len(files())} documents, {chunks} chunks of {chunking.characters} characters\n"
        )
        print(f"{'':24}{'recall@1':>10}{f'recall@{TOP}':>10}{'MRR':>10}")
        ways = {
            "plain full text": plainly,
            "words alone": by(SearchMethod.WORDS),
            "vectors alone": by(SearchMethod.MEANING),
            "hybrid": by(SearchMethod.HYBRID),
        }
        for name, ask in ways.items():
            places = [await place(question, ask) for question in asked]
            print(f"{name:24}{recall(places, 1):10.3f}{recall(places, TOP):10.3f}{reciprocal(places):10.3f}")
    if shows_missed:
        print()
        for question, found in zip(asked, places, strict=True):
            if found is None or found > TOP:
                print(f"{found or '-':>4}  {question.question}")


def recall(places: Sequence[int | None], top: int) -> float:
    return sum(place is not None and place <= top for place in places) / len(places)


def reciprocal(places: Sequence[int | None]) -> float:
    return sum(1 / place for place in places if place) / len(places)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--chunks", type=int, default=collections.DEFAULT_CHUNKS.characters, help="characters")
    arguments.add_argument("--overlap", type=int, default=collections.DEFAULT_CHUNKS.overlap, help="characters")
    arguments.add_argument("--missed", action="store_true", help=f"which questions hybrid does not answer among {TOP}")
    given = arguments.parse_args()
    asyncio.run(measure(Chunking(given.chunks, given.overlap), shows_missed=given.missed))


if __name__ == "__main__":
    main()
