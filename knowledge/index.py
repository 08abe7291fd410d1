"""From documents that wait to chunks and vectors that are found; everything here may happen twice.

Embeddings first, rows second: what has no vectors yet is findable by no one, and a job that dies leaves nothing behind
that would have to be taken back.
"""

import asyncio
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import asyncpg

import models
from engine.embeddings import Embedder
from errors import Conflict
from knowledge import embed, read, split
from models.database import connection, transaction

__all__ = ["Batch", "Source", "change_over", "claim", "claim_indexed", "embed_missing", "fail", "index", "sweep"]

# How many chunks are embedded and written at once.
_CHUNKS_AT_ONCE = 1_000
_ROWS_AT_ONCE = 2_000


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

    def each(self) -> "list[Batch]":
        return [replace(self, sources=(source,)) for source in self.sources]


@dataclass(frozen=True, slots=True)
class _Piece:
    """A chunk on its way into the index."""

    id: UUID
    content_id: UUID
    position: int
    heading: str
    text: str
    start_line: int
    end_line: int

    @property
    def passage(self) -> str:
        return f"{self.heading}\n\n{self.text}" if self.heading else self.text

    @property
    def digest(self) -> str:
        return hashlib.blake2b(self.passage.encode(errors="replace"), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class _Cut:
    """A source, read and cut; or why that could not be done."""

    source: Source
    text: str = ""
    pieces: tuple[_Piece, ...] = ()
    failure: str | None = None


async def claim(document_ids: Sequence[UUID]) -> list[Batch]:
    """Those that still wait, or that a process which is gone had begun with, by collection."""
    return await _batches(
        """
        UPDATE knowledge_documents SET state = 'INDEXING'
        WHERE id = ANY($1::uuid[]) AND state IN ('QUEUED', 'INDEXING') AND deleted_at IS NULL
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
    async with connection() as bare:
        rows = await bare.fetch(
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
    for row in rows:
        batches.setdefault(row["collection_id"], []).append(row)
    return [_batch(found) for found in batches.values()]


def _batch(rows: Sequence[asyncpg.Record]) -> Batch:
    first = rows[0]
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
        for row in rows
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
            await fail(replace(batch, sources=(cut.source,)), cut.failure)
    made = [cut for cut in cuts if cut.failure is None]
    pieces = [piece for cut in made for piece in cut.pieces]
    if anew:
        await _replace(batch, pieces, embedder)
    else:
        kept = await _kept(batch)
        pieces = [piece for piece in pieces if (piece.content_id, piece.position) not in kept]
        pieces += await _without_vectors(batch)
        for start in range(0, len(pieces), _CHUNKS_AT_ONCE):
            await _add(batch, pieces[start : start + _CHUNKS_AT_ONCE], embedder)
    await _finish(batch, made, [source for source in batch.sources if source not in to_cut])


async def _add(batch: Batch, pieces: Sequence[_Piece], embedder: Embedder) -> None:
    """Chunks and their vectors. What was embedded before, wherever in the workspace, is copied."""
    known = await _known(batch, [piece.digest for piece in pieces])
    new = [piece for piece in pieces if piece.digest not in known]
    vectors = embed.to_sql(await embed.embed_passages(embedder, [piece.passage for piece in new])) if new else []
    async with transaction(), connection() as bare:
        await _write_chunks(bare, batch, pieces)
        await _write_vectors(bare, batch, new, vectors)
        copied = [piece for piece in pieces if piece.digest in known]
        await _copy_vectors(bare, batch, copied, [known[piece.digest] for piece in copied])


async def _replace(batch: Batch, pieces: Sequence[_Piece], embedder: Embedder) -> None:
    vectors = embed.to_sql(await embed.embed_passages(embedder, [piece.passage for piece in pieces])) if pieces else []
    async with transaction(), connection() as bare:
        await bare.execute(
            "DELETE FROM chunks WHERE content_id = ANY($1::uuid[])", [source.id for source in batch.sources]
        )
        await _write_chunks(bare, batch, pieces)
        await _write_vectors(bare, batch, pieces, vectors)


async def fail(batch: Batch, reason: str) -> None:
    async with connection() as bare:
        await bare.execute(
            "UPDATE knowledge_documents SET state = 'FAILED', failure = $2, updated_at = now()"
            " WHERE id = ANY($1::uuid[]) AND state = 'INDEXING'",
            [id for source in batch.sources for id in source.documents],
            reason.replace("\0", ""),
        )


# ---------------------------------------------------------------- cutting


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
        heading = split.passage(document, chunk)[: -len(chunk.text)].strip()
        text = f"File: {source.title}\n\n{chunk.text}" if source.title else chunk.text
        pieces.append(
            _Piece(
                models.new_id(models.Kind.CHUNK),
                source.id,
                chunk.index,
                heading.replace("\0", ""),
                text.replace("\0", ""),
                chunk.start_line,
                chunk.end_line,
            )
        )
    return _Cut(source, document.text.replace("\0", ""), tuple(pieces))


# ---------------------------------------------------------------- what is there


async def _kept(batch: Batch) -> set[tuple[UUID, int]]:
    """What a process that died had written already. Cutting again gives the same pieces, so they are good."""
    uncut = [source.id for source in batch.sources if not source.is_cut]
    async with connection() as bare:
        rows = await bare.fetch(
            """
            SELECT c.content_id, c.position FROM chunks c
            JOIN chunk_vectors v ON v.chunk_id = c.id AND v.embedder_id = $2
            WHERE c.content_id = ANY($1::uuid[])
            """,
            uncut,
            batch.embedder_id,
        )
    return {(row["content_id"], row["position"]) for row in rows}


async def _without_vectors(batch: Batch) -> list[_Piece]:
    """Chunks that are there and have to be embedded once more."""
    cut = [source.id for source in batch.sources if source.is_cut]
    if not cut:
        return []
    async with connection() as bare:
        rows = await bare.fetch(
            """
            SELECT c.id, c.content_id, c.position, c.heading, c.text, c.start_line, c.end_line FROM chunks c
            LEFT JOIN chunk_vectors v ON v.chunk_id = c.id AND v.embedder_id = $2
            WHERE c.content_id = ANY($1::uuid[]) AND v.chunk_id IS NULL
            """,
            cut,
            batch.embedder_id,
        )
    return [_Piece(*row.values()) for row in rows]


async def _known(batch: Batch, digests: Sequence[str]) -> dict[str, UUID]:
    """A chunk that has the vector, by digest."""
    async with connection() as bare:
        rows = await bare.fetch(
            """
            SELECT DISTINCT ON (c.digest) c.digest, c.id FROM chunks c
            JOIN chunk_vectors v ON v.chunk_id = c.id AND v.embedder_id = $3
            WHERE c.workspace_id = $1 AND c.digest = ANY($2::text[])
            """,
            batch.workspace_id,
            list(dict.fromkeys(digests)),
            batch.embedder_id,
        )
    return {row["digest"]: row["id"] for row in rows}


# ---------------------------------------------------------------- rows


async def _write_chunks(bare: asyncpg.Connection, batch: Batch, pieces: Sequence[_Piece]) -> None:
    await bare.execute(
        """
        INSERT INTO chunks (id, workspace_id, collection_id, content_id, position, heading, text, digest, start_line,
                            end_line, created_at)
        SELECT id, $1, $2, content_id, position, heading, text, digest, start_line, end_line, now()
        FROM unnest($3::uuid[], $4::uuid[], $5::int[], $6::text[], $7::text[], $8::text[], $9::int[], $10::int[])
             AS new (id, content_id, position, heading, text, digest, start_line, end_line)
        ON CONFLICT DO NOTHING
        """,
        batch.workspace_id,
        batch.collection_id,
        *_columns(pieces, "id", "content_id", "position", "heading", "text", "digest", "start_line", "end_line"),
    )


async def _write_vectors(
    bare: asyncpg.Connection, batch: Batch, pieces: Sequence[_Piece], vectors: Sequence[str]
) -> None:
    """By place and not by id: another process may have written the chunk first."""
    await bare.execute(
        """
        INSERT INTO chunk_vectors (chunk_id, embedder_id, collection_id, content_id, embedding)
        SELECT c.id, $1, $2, c.content_id, new.embedding::vector
        FROM unnest($3::uuid[], $4::int[], $5::text[]) AS new (content_id, position, embedding)
        JOIN chunks c ON c.content_id = new.content_id AND c.position = new.position
        ON CONFLICT DO NOTHING
        """,
        batch.embedder_id,
        batch.collection_id,
        *_columns(pieces, "content_id", "position"),
        vectors,
    )


async def _copy_vectors(
    bare: asyncpg.Connection, batch: Batch, pieces: Sequence[_Piece], origins: Sequence[UUID]
) -> None:
    if not pieces:
        return
    found = await bare.fetchval(
        """
        WITH origin AS MATERIALIZED (
            SELECT new.content_id, new.position, v.embedding
            FROM unnest($3::uuid[], $4::int[], $5::uuid[]) AS new (content_id, position, origin)
            JOIN chunk_vectors v ON v.chunk_id = new.origin AND v.embedder_id = $1
        ), copied AS (
            INSERT INTO chunk_vectors (chunk_id, embedder_id, collection_id, content_id, embedding)
            SELECT c.id, $1, $2, c.content_id, origin.embedding FROM origin
            JOIN chunks c ON c.content_id = origin.content_id AND c.position = origin.position
            ON CONFLICT DO NOTHING
        )
        SELECT count(*) FROM origin
        """,
        batch.embedder_id,
        batch.collection_id,
        *_columns(pieces, "content_id", "position"),
        origins,
    )
    if found != len(pieces):
        raise Conflict("A text that was to be copied has just been deleted")


async def _finish(batch: Batch, made: Sequence[_Cut], cut_before: Sequence[Source]) -> None:
    """From here on they are found. Not when the collection has changed to another embedder meanwhile."""
    from_files = [cut for cut in made if cut.source.file is not None]
    counts = [read.count(cut.text) for cut in from_files]
    documents = [id for source in [*(cut.source for cut in made), *cut_before] for id in source.documents]
    async with transaction(), connection() as bare:
        embedder_id = await bare.fetchval(
            "SELECT embedder_id FROM collections WHERE id = $1 FOR SHARE", batch.collection_id
        )
        if embedder_id != batch.embedder_id:
            raise Conflict("The collection has changed to another embedder")
        await bare.execute(
            """
            UPDATE contents n SET text = new.text, source = NULL, characters = new.characters, words = new.words
            FROM unnest($1::uuid[], $2::text[], $3::int[], $4::int[]) AS new (id, text, characters, words)
            WHERE n.id = new.id
            """,
            [cut.source.id for cut in from_files],
            [cut.text for cut in from_files],
            [count.characters for count in counts],
            [count.words for count in counts],
        )
        await bare.execute(
            "UPDATE contents n SET chunk_count = new.chunks FROM unnest($1::uuid[], $2::int[]) AS new (id, chunks)"
            " WHERE n.id = new.id",
            [cut.source.id for cut in made],
            [len(cut.pieces) for cut in made],
        )
        await bare.execute(
            "UPDATE knowledge_documents SET state = 'INDEXED', indexed_at = now(), failure = NULL"
            " WHERE id = ANY($1::uuid[]) AND state = 'INDEXING' AND content_id = ANY($2::uuid[])",
            documents,
            [source.id for source in batch.sources],
        )


def _columns(pieces: Iterable[_Piece], *names: str) -> list[list[object]]:
    pieces = list(pieces)
    return [[getattr(piece, name) for piece in pieces] for name in names]


# ---------------------------------------------------------------- deleting


async def sweep(collection_id: UUID) -> None:
    """Remove what nothing leads to any more, a few rows at a time: long deletions would hold up everybody."""
    async with connection() as bare:
        is_gone = await bare.fetchval("SELECT deleted_at IS NOT NULL FROM collections WHERE id = $1", collection_id)
    while await _sweep_some(collection_id, everything=bool(is_gone)):
        pass
    while await _sweep_vectors(collection_id):
        pass
    if is_gone:
        async with connection() as bare:
            await bare.execute("DELETE FROM collections WHERE id = $1 AND deleted_at IS NOT NULL", collection_id)


async def _sweep_some(collection_id: UUID, *, everything: bool) -> bool:
    async with transaction(), connection() as bare:
        # So that nobody is just about to say one of these contents again.
        await bare.execute("SELECT FROM collections WHERE id = $1 FOR NO KEY UPDATE", collection_id)
        rows = await bare.fetch(
            """
            WITH gone AS (
                DELETE FROM knowledge_documents WHERE id IN (
                    SELECT id FROM knowledge_documents
                    WHERE collection_id = $1 AND ($2 OR deleted_at IS NOT NULL) LIMIT $3
                ) RETURNING id
            ) SELECT id FROM gone
            """,
            collection_id,
            everything,
            _ROWS_AT_ONCE,
        )
        done = await bare.execute(
            """
            DELETE FROM contents WHERE id IN (
                SELECT n.id FROM contents n WHERE n.collection_id = $1
                AND NOT EXISTS (SELECT FROM knowledge_documents d WHERE d.content_id = n.id) LIMIT $2
            )
            """,
            collection_id,
            _ROWS_AT_ONCE,
        )
    return len(rows) == _ROWS_AT_ONCE or done != "DELETE 0"


async def _sweep_vectors(collection_id: UUID) -> bool:
    """Those of an embedder that the collection has left."""
    async with connection() as bare:
        done = await bare.execute(
            """
            DELETE FROM chunk_vectors WHERE (chunk_id, embedder_id) IN (
                SELECT v.chunk_id, v.embedder_id FROM chunk_vectors v JOIN collections k ON k.id = v.collection_id
                WHERE k.id = $1 AND v.embedder_id <> k.embedder_id
                  AND v.embedder_id IS DISTINCT FROM k.next_embedder_id LIMIT $2)
            """,
            collection_id,
            _ROWS_AT_ONCE,
        )
    return done != "DELETE 0"


# ---------------------------------------------------------------- another embedder


async def embed_missing(collection_id: UUID, row: models.Embedder, embedder: Embedder) -> int:
    """Some of the chunks that have no vector of this embedder yet; how many they were."""
    async with connection() as bare:
        found = await bare.fetch(
            """
            SELECT c.id, c.content_id, c.position, c.heading, c.text, c.start_line, c.end_line, c.workspace_id
            FROM contents n JOIN chunks c ON c.content_id = n.id
            LEFT JOIN chunk_vectors v ON v.chunk_id = c.id AND v.embedder_id = $2
            WHERE n.collection_id = $1 AND v.chunk_id IS NULL LIMIT $3
            """,
            collection_id,
            row.id,
            _CHUNKS_AT_ONCE,
        )
    if not found:
        return 0
    pieces = [_Piece(*list(each.values())[:-1]) for each in found]
    batch = Batch(
        found[0]["workspace_id"], collection_id, row.id, row.name, row.dimension, split.SplitSizes(), sources=()
    )
    await _add(batch, pieces, embedder)
    return len(pieces)


async def change_over(collection_id: UUID, embedder_id: UUID) -> bool:
    """From the old index to the new one between two questions; not before the new one is complete.

    True when there is nothing left to do, also because somebody wants yet another embedder by now.
    """
    async with transaction(), connection() as bare:
        wanted = await bare.fetchval(
            "SELECT next_embedder_id FROM collections WHERE id = $1 FOR NO KEY UPDATE", collection_id
        )
        if wanted != embedder_id:
            return True
        is_missing = await bare.fetchval(
            """
            SELECT EXISTS (
                SELECT FROM contents n JOIN chunks c ON c.content_id = n.id
                LEFT JOIN chunk_vectors v ON v.chunk_id = c.id AND v.embedder_id = $2
                WHERE n.collection_id = $1 AND v.chunk_id IS NULL)
            """,
            collection_id,
            embedder_id,
        )
        if is_missing:
            return False
        await bare.execute(
            "UPDATE collections SET embedder_id = $2, next_embedder_id = NULL WHERE id = $1",
            collection_id,
            embedder_id,
        )
    return True
