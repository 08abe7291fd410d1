"""From documents that wait to chunks and vectors that are found; everything here may happen twice.

Embeddings first, rows second: what has no vectors yet is findable by no one, and a job that dies leaves nothing behind
that would have to be taken back.
"""

import asyncio
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg

import models
from engine.embeddings import Embedder
from errors import Conflict
from knowledge import read, rows, split
from knowledge.rows import Embedded, Piece, Target, digest_of
from models.database import connection

__all__ = ["Batch", "Source", "claim", "claim_indexed", "fail", "index"]

# How many chunks are embedded and written at once.
_CHUNKS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Source:
    """A content that is to be indexed, and the documents that say it."""

    id: UUID
    documents: tuple[UUID, ...]
    name: str
    media_type: str | None
    title: str | None
    text: str | None
    file: bytes | None
    # Whether its chunks are there already.
    is_cut: bool


@dataclass(frozen=True, slots=True)
class Batch:
    """Sources of one collection, claimed for this process."""

    workspace_id: UUID
    collection_id: UUID
    embedder_id: UUID
    embedder_name: str
    dimension: int
    sizes: split.SplitSizes
    sources: tuple[Source, ...]

    @property
    def target(self) -> Target:
        return Target(self.workspace_id, self.collection_id, self.embedder_id)

    def each(self) -> "list[Batch]":
        return [dataclasses.replace(self, sources=(source,)) for source in self.sources]


@dataclass(frozen=True, slots=True)
class _Cut:
    """A source, read and cut; or why that could not be done."""

    source: Source
    text: str = ""
    pieces: tuple[Piece, ...] = ()
    counts: read.Counts | None = None
    failure: str | None = None


async def claim(document_ids: Sequence[UUID]) -> list[Batch]:
    """Those that still wait, or that a process which is gone had begun with, by collection."""
    return await _batches(
        """
        UPDATE knowledge_documents SET state = 'INDEXING'
        WHERE id = ANY($1::uuid[]) AND state IN ('QUEUED', 'INDEXING')
          -- Spelled so that no index with this condition looks as if it helped: by their ids they are found at once.
          AND coalesce(deleted_at, 'infinity') = 'infinity'
        RETURNING id, content_id
        """,
        document_ids,
    )


async def claim_indexed(document_ids: Sequence[UUID]) -> list[Batch]:
    """Those that are found already, to be made anew."""
    return await _batches(
        "SELECT id, content_id FROM knowledge_documents"
        " WHERE id = ANY($1::uuid[]) AND state = 'INDEXED' AND deleted_at IS NULL",
        document_ids,
    )


async def _batches(documents_sql: str, document_ids: Sequence[UUID]) -> list[Batch]:
    async with rows.work() as bare:
        found = await bare.fetch(
            f"""
            WITH claimed AS ({documents_sql})
            SELECT n.id, array_agg(claimed.id) AS documents, n.name, n.media_type, n.title, n.text, n.source,
                   n.chunk_count, k.id AS collection_id, k.workspace_id, k.chunk_characters, k.chunk_overlap,
                   e.id AS embedder_id, e.name AS embedder_name, e.dimension
            FROM claimed JOIN contents n ON n.id = claimed.content_id
            JOIN collections k ON k.id = n.collection_id AND k.deleted_at IS NULL
            JOIN embedders e ON e.id = k.embedder_id
            GROUP BY n.id, k.id, e.id ORDER BY n.id
            """,
            list(document_ids),
        )
    batches: dict[UUID, list[asyncpg.Record]] = {}
    for record in found:
        batches.setdefault(record["collection_id"], []).append(record)
    return [_batch(records) for records in batches.values()]


def _batch(records: Sequence[asyncpg.Record]) -> Batch:
    first = records[0]
    sources = (
        Source(
            row["id"],
            tuple(row["documents"]),
            row["name"],
            row["media_type"],
            row["title"],
            row["text"],
            row["source"],
            row["chunk_count"] is not None,
        )
        for row in records
    )
    return Batch(
        first["workspace_id"],
        first["collection_id"],
        first["embedder_id"],
        first["embedder_name"],
        first["dimension"],
        split.SplitSizes(first["chunk_characters"], first["chunk_overlap"]),
        tuple(sources),
    )


async def index(batch: Batch, embedder: Embedder, *, anew: bool = False) -> None:
    """`anew` makes chunks that are there already once more; they answer until the new ones take their place."""
    to_cut = [source for source in batch.sources if anew or not source.is_cut]
    cuts = await asyncio.to_thread(_cut_all, to_cut, batch.sizes)
    for cut in cuts:
        if cut.failure is not None:
            await fail(dataclasses.replace(batch, sources=(cut.source,)), cut.failure)
    made = [cut for cut in cuts if cut.failure is None]
    pieces = [piece for cut in made for piece in cut.pieces]
    cut_before = [] if anew else [source for source in batch.sources if source.is_cut]
    if anew:
        embedded = await rows.embedded_anew(pieces, embedder)
    else:
        pieces += await rows.without_vectors(batch.target, [source.id for source in cut_before])
        embedded = await _all_but_the_last(batch, pieces, embedder)
    async with rows.work() as bare:
        if anew:
            await rows.forget(bare, [cut.source.id for cut in made])
        await rows.add(bare, batch.target, embedded)
        await _finish(bare, batch, made, cut_before)


async def _all_but_the_last(batch: Batch, pieces: Sequence[Piece], embedder: Embedder) -> Embedded:
    """Written some at a time, when there are very many; the last are written together with the end."""
    while len(pieces) > _CHUNKS_AT_ONCE:
        some, pieces = pieces[:_CHUNKS_AT_ONCE], pieces[_CHUNKS_AT_ONCE:]
        embedded = await rows.embedded(batch.target, some, embedder)
        async with rows.work() as bare:
            await rows.add(bare, batch.target, embedded)
    return await rows.embedded(batch.target, pieces, embedder)


async def fail(batch: Batch, reason: str) -> None:
    async with connection() as bare:
        await bare.execute(
            "UPDATE knowledge_documents SET state = 'FAILED', failure = $2, updated_at = now()"
            " WHERE id = ANY($1::uuid[]) AND state = 'INDEXING'",
            [id for source in batch.sources for id in source.documents],
            reason.replace("\0", ""),
        )


def _cut_all(sources: Sequence[Source], sizes: split.SplitSizes) -> list[_Cut]:
    return [_cut(source, sizes) for source in sources]


def _cut(source: Source, sizes: split.SplitSizes) -> _Cut:
    try:
        if source.file is not None:
            document = read.document_of(source.file, source.name, source.media_type)
        else:
            document = read.plain(source.text or "", source.name, source.media_type)
    except read.Unreadable as exc:
        return _Cut(source, failure=str(exc))
    pieces = []
    for chunk in split.split(document, sizes):
        heading = split.passage(document, chunk)[: -len(chunk.text)].strip().replace("\0", "")
        text = f"File: {source.title}\n\n{chunk.text}" if source.title else chunk.text
        text = text.replace("\0", "")
        pieces.append(
            Piece(
                models.new_id(models.Kind.CHUNK),
                source.id,
                chunk.index,
                heading,
                text,
                digest_of(heading, text),
                chunk.start_line,
                chunk.end_line,
            )
        )
    text = document.text.replace("\0", "")
    # Of what was stored as a text they are known already.
    counts = read.count(text) if source.file is not None else None
    return _Cut(source, text, tuple(pieces), counts)


async def _finish(bare: asyncpg.Connection, batch: Batch, made: Sequence[_Cut], cut_before: Sequence[Source]) -> None:
    """From here on they are found. Not when the collection has changed to another embedder meanwhile."""
    # The lock keeps out who changes the embedder, and nobody else.
    embedder_id = await bare.fetchval(
        "SELECT embedder_id FROM collections WHERE id = $1 FOR KEY SHARE", batch.collection_id
    )
    if embedder_id != batch.embedder_id:
        raise Conflict("The collection has changed to another embedder")
    if from_files := [cut for cut in made if cut.counts]:
        await bare.execute(
            """
            UPDATE contents n SET text = new.text, source = NULL, characters = new.characters, words = new.words
            FROM unnest($1::uuid[], $2::text[], $3::int[], $4::int[]) AS new (id, text, characters, words)
            WHERE n.id = new.id
            """,
            [cut.source.id for cut in from_files],
            [cut.text for cut in from_files],
            [cut.counts.characters for cut in from_files if cut.counts],
            [cut.counts.words for cut in from_files if cut.counts],
        )
    await bare.execute(
        "UPDATE contents n SET chunk_count = new.chunks FROM unnest($1::uuid[], $2::int[]) AS new (id, chunks)"
        " WHERE n.id = new.id",
        [cut.source.id for cut in made],
        [len(cut.pieces) for cut in made],
    )
    await bare.execute(
        "UPDATE knowledge_documents SET state = 'INDEXED', indexed_at = clock_timestamp(), failure = NULL"
        " WHERE id = ANY($1::uuid[]) AND state = 'INDEXING' AND content_id = ANY($2::uuid[])",
        [id for source in [*(cut.source for cut in made), *cut_before] for id in source.documents],
        [source.id for source in batch.sources],
    )
