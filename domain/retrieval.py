"""Asking the workspace's knowledge: what may be asked, what is answered, and what is kept on record of it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any  # Metadata is open JSON.
from uuid import UUID

import asyncpg
import orjson
from tortoise.queryset import QuerySet

import models
from domain import collections, knowledge_status
from domain.checks import clean
from domain.chunks import DocumentChunk, chunk_from
from domain.collections import DEFAULT_CHUNKS, Chunking
from domain.embedders import Embedders
from domain.identity import Principal
from domain.knowledge_status import KnowledgeStatus
from errors import Invalid
from knowledge import embed, retrieve, vector_index
from models.database import connection

__all__ = [
    "MOST_RESULTS",
    "Asked",
    "Found",
    "Hit",
    "Retrieval",
    "Search",
    "SearchMethod",
    "SearchOrder",
    "check_filter",
    "forget_logs",
    "logs_visible_to",
]

_MOST_TERMS, MOST_RESULTS = 10, 128
_TERM_CHARACTERS = 10_000
_LOGGED_CHARACTERS = 4_000
_FORGOTTEN_AT_ONCE = 2_000
DEFAULT_TOP = 5
_SIZE_SECONDS = 30.0


class SearchMethod(StrEnum):
    HYBRID = "HYBRID"
    MEANING = "MEANING"
    WORDS = "WORDS"


class SearchOrder(StrEnum):
    RELEVANCE = "RELEVANCE"
    SCORE = "SCORE"


@dataclass(frozen=True, slots=True)
class Search:
    """Everything given must hold. Without collections, all of the workspace are searched."""

    terms: tuple[str, ...]
    collection_ids: tuple[str, ...] | None = None
    collection_name: str | None = None
    document_ids: tuple[str, ...] | None = None
    tags: tuple[str, ...] = ()
    category: str | None = None
    reference: str | None = None
    metadata: str | None = None
    top: int = DEFAULT_TOP
    min_score: float = 0.0
    per_document: bool = False
    include_references: bool = False
    method: SearchMethod = SearchMethod.HYBRID
    order: SearchOrder = SearchOrder.RELEVANCE


@dataclass(frozen=True, slots=True)
class Hit:
    chunk: DocumentChunk
    score: float
    relevance: float
    rank: int
    # The category of the record, when it was synced.
    category_id: UUID | None = None
    references: Sequence[models.KnowledgeDocument] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """For which answer something was looked up."""

    agent: str
    session_id: UUID | None = None
    message_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Found:
    query: str
    collections: list[models.Collection]
    hits: Sequence[Hit]
    duration_ms: float

    @property
    def collection(self) -> models.Collection | None:
        return self.collections[0] if len(self.collections) == 1 else None


def check_filter(metadata: Any) -> str | None:
    """As the text of a JSON object; an empty one sieves nothing."""
    if metadata is None or metadata == {}:
        return None
    if not isinstance(metadata, dict):
        raise Invalid("metadata", "must be a JSON object")
    return orjson.dumps(metadata).decode()


def logs_visible_to(principal: Principal) -> QuerySet[models.RetrievalLog]:
    return models.RetrievalLog.filter(workspace_id=principal.workspace_id)


async def forget_logs(after_days: float) -> None:
    """Ids begin with the time they were made at, so old ones are found without a search, some at a time.

    Several processes may be at it at once; each takes what the others have not.
    """
    oldest_kept = UUID(int=int((time.time() - after_days * 86_400) * 1000) << 80)
    done = ""
    while done != "DELETE 0":
        async with connection() as bare:
            done = await bare.execute(
                "DELETE FROM retrieval_logs WHERE id IN"
                " (SELECT id FROM retrieval_logs WHERE id < $1 ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED)",
                oldest_kept,
                _FORGOTTEN_AT_ONCE,
            )


class Retrieval:
    def __init__(self, embedders: Embedders, *, data_directory: str = "", chunking: Chunking = DEFAULT_CHUNKS) -> None:
        self._embedders, self._data_directory = embedders, data_directory
        # Of collections that do not say otherwise.
        self.chunking = chunking
        self._sizes: dict[UUID, tuple[int, float]] = {}

    async def search(self, principal: Principal, wanted: Search) -> Found:
        began = time.perf_counter()
        wanted = replace(wanted, terms=tuple(clean(term) for term in wanted.terms))
        _check(wanted)
        scope = await _scope(principal, wanted)
        rows = await self._rows(principal, wanted, scope) if scope else []
        hits = _hits(rows, wanted)
        if wanted.include_references:
            hits = await _with_references(hits)
        return Found("\n".join(wanted.terms), scope, hits, round((time.perf_counter() - began) * 1000, 3))

    async def record(self, principal: Principal, found: Found, asked: Asked) -> None:
        """What a model was given, for whoever wants to know later why it said what it said."""
        hits = found.hits
        async with connection() as bare:
            await bare.execute(
                """
                INSERT INTO retrieval_logs (id, workspace_id, query, chunk_id, chunk_text, document_id, document_name,
                                            source_id, is_synced, score, rank, agent, session_id, message_id,
                                            created_at)
                SELECT id, $1, $2, chunk_id, chunk_text, document_id, document_name, source_id, is_synced, score, rank,
                       $3, $4, $5, now()
                FROM unnest($6::uuid[], $7::uuid[], $8::text[], $9::uuid[], $10::text[], $11::uuid[], $12::bool[],
                            $13::float8[], $14::int[])
                     AS new (id, chunk_id, chunk_text, document_id, document_name, source_id, is_synced, score, rank)
                """,
                principal.workspace_id,
                found.query[:_LOGGED_CHARACTERS],
                asked.agent,
                asked.session_id,
                asked.message_id,
                [models.new_id(models.Kind.RETRIEVAL_LOG) for _ in hits],
                [hit.chunk.id for hit in hits],
                [hit.chunk.text[:_LOGGED_CHARACTERS] for hit in hits],
                [hit.chunk.document.id for hit in hits],
                [hit.chunk.document.name for hit in hits],
                [hit.category_id or hit.chunk.document.id for hit in hits],
                [hit.category_id is not None for hit in hits],
                [hit.score for hit in hits],
                [hit.rank for hit in hits],
            )

    async def status(self, principal: Principal) -> KnowledgeStatus:
        return await knowledge_status.status(
            principal, data_directory=self._data_directory, chunking=self.chunking, default_top=DEFAULT_TOP
        )

    async def query(self, principal: Principal, wanted: Search) -> retrieve.Query:
        """As it is put to the database."""
        return await self._query(principal, wanted, await _scope(principal, wanted))

    async def _query(self, principal: Principal, wanted: Search, scope: Sequence[models.Collection]) -> retrieve.Query:
        return retrieve.Query(
            principal.workspace_id,
            wanted.terms,
            tuple([await self._space(row, wanted.terms, group) for row, group in await _by_embedder(scope)]),
            limit=wanted.top,
            is_distinct=wanted.per_document,
            min_score=wanted.min_score,
            by_meaning=wanted.method is not SearchMethod.WORDS,
            by_words=wanted.method is not SearchMethod.MEANING,
            tags=orjson.dumps(wanted.tags).decode() if wanted.tags else None,
            metadata=wanted.metadata,
            category=wanted.category,
            reference=wanted.reference,
            document_ids=_ids(wanted.document_ids),
        )

    async def _rows(
        self, principal: Principal, wanted: Search, scope: Sequence[models.Collection]
    ) -> list[asyncpg.Record]:
        query = await self._query(principal, wanted, scope)
        rows = await retrieve.find(query)
        is_sieved = any((query.tags, query.metadata, query.category, query.reference, query.document_ids))
        if len(rows) < query.limit and is_sieved and any(space.is_large for space in query.spaces):
            # An index gives up when it meets too little that passes; what passes is few, so all of it is compared.
            return await retrieve.find(retrieve.exactly(query))
        return rows

    async def _space(
        self, row: models.Embedder, terms: Sequence[str], group: Sequence[models.Collection]
    ) -> retrieve.Space:
        vectors = await embed.embed_question(self._embedders.named(row.name), *terms)
        ids = tuple(collection.id for collection in group)
        is_large = await self._is_large(row.id, ids)
        return retrieve.Space(row.id, row.dimension, ids, tuple(embed.to_sql(vectors)), is_large)

    async def _is_large(self, embedder_id: UUID, collection_ids: Sequence[UUID]) -> bool:
        """Looked up now and then: a collection that has just become large is compared a little longer."""
        now = time.monotonic()
        unknown = [id for id in collection_ids if id not in self._sizes or self._sizes[id][1] < now]
        if unknown:
            async with connection() as bare:
                rows = await bare.fetch(
                    f"""
                    SELECT id, CASE WHEN {vector_index.exists_sql(embedder_id)} THEN (
                        SELECT count(*) FROM (
                            SELECT FROM chunk_vectors v WHERE v.collection_id = id LIMIT {vector_index.SMALLEST}) AS few
                        ) ELSE 0 END AS n
                    FROM unnest($1::uuid[]) AS id
                    """,
                    unknown,
                )
            self._sizes |= {row["id"]: (row["n"], now + _SIZE_SECONDS) for row in rows}
        return sum(self._sizes[id][0] for id in collection_ids) >= vector_index.SMALLEST


def _check(wanted: Search) -> None:
    if not 1 <= len(wanted.terms) <= _MOST_TERMS or not any(term.strip() for term in wanted.terms):
        raise Invalid("terms", f"must be between one and {_MOST_TERMS} texts that are not empty")
    if any(len(term) > _TERM_CHARACTERS for term in wanted.terms):
        raise Invalid("terms", f"must not be longer than {_TERM_CHARACTERS:,} characters each")
    if not 1 <= wanted.top <= MOST_RESULTS:
        raise Invalid("top", f"must be between 1 and {MOST_RESULTS}")
    if not 0 <= wanted.min_score <= 1:
        raise Invalid("minScore", "must be between 0 and 1")


async def _scope(principal: Principal, wanted: Search) -> list[models.Collection]:
    if wanted.collection_ids is not None:
        return await collections.find_many(principal, wanted.collection_ids)
    if wanted.collection_name is not None:
        return [await collections.find_named(principal, wanted.collection_name)]
    return await collections.visible_to(principal).order_by("id")


async def _by_embedder(
    scope: Sequence[models.Collection],
) -> list[tuple[models.Embedder, list[models.Collection]]]:
    rows = {row.id: row for row in await models.Embedder.filter(id__in={each.embedder_id for each in scope})}
    groups: dict[UUID, list[models.Collection]] = {}
    for collection in scope:
        groups.setdefault(collection.embedder_id, []).append(collection)
    return [(rows[id], group) for id, group in groups.items()]


def _ids(texts: Sequence[str] | None) -> tuple[UUID, ...] | None:
    """What can be no id is no document's."""
    return None if texts is None else tuple(id for text in texts if (id := models.parse_id(text)) is not None)


def _hits(rows: Sequence[asyncpg.Record], wanted: Search) -> list[Hit]:
    hits = [Hit(chunk_from(row), row["score"], float(row["relevance"]), 0, row["category_id"]) for row in rows]
    if wanted.order is SearchOrder.SCORE:
        hits.sort(key=lambda hit: -hit.score)
    return [replace(hit, rank=place) for place, hit in enumerate(hits, 1)]


async def _with_references(hits: Sequence[Hit]) -> list[Hit]:
    """The documents that say of themselves that they belong to the same."""
    wanted = {(hit.chunk.document.collection_id, hit.chunk.document.reference) for hit in hits}
    named = {(collection_id, reference) for collection_id, reference in wanted if reference}
    rows = await models.KnowledgeDocument.filter(
        collection_id__in={collection_id for collection_id, _ in named},
        reference__in={reference for _, reference in named},
        deleted_at=None,
        state=models.IndexState.INDEXED,
    ).order_by("id")
    by_reference: dict[tuple[UUID, str | None], list[models.KnowledgeDocument]] = {}
    for row in rows:
        by_reference.setdefault((row.collection_id, row.reference), []).append(row)
    return [replace(hit, references=_others(hit.chunk.document, by_reference)) for hit in hits]


def _others(
    document: models.KnowledgeDocument,
    by_reference: dict[tuple[UUID, str | None], list[models.KnowledgeDocument]],
) -> list[models.KnowledgeDocument]:
    found = by_reference.get((document.collection_id, document.reference), [])
    return [each for each in found if each.id != document.id]
