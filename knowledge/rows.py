"""Chunks and their vectors as rows: written by place, once, by whoever comes first."""

import dataclasses
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from uuid import UUID

import asyncpg
import numpy as np

from engine.embeddings import Embedder, Vectors
from errors import Conflict
from knowledge import embed
from models.database import connection, transaction

__all__ = [
    "BY_KEY_SQL",
    "COLUMNS_SQL",
    "Embedded",
    "Piece",
    "Target",
    "add",
    "digest_of",
    "embedded",
    "embedded_anew",
    "forget",
    "without_vectors",
    "work",
]


# Every row is looked for by its key. A plan that is made while a table is empty would rather read it whole, and is kept
# when the table is full.
BY_KEY_SQL = "SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off"


@asynccontextmanager
async def work() -> AsyncIterator[asyncpg.Connection]:
    """A transaction of a job. What it writes may reach the disk later: it does before the job is struck off."""
    async with transaction(), connection() as bare:
        await bare.execute(f"{BY_KEY_SQL}; SET LOCAL synchronous_commit = off")
        yield bare


@dataclass(frozen=True, slots=True)
class Target:
    """Where chunks go, and whose vectors they get."""

    workspace_id: UUID
    collection_id: UUID
    embedder_id: UUID


@dataclass(frozen=True, slots=True)
class Piece:
    """A chunk. Its digest is that of its passage: what has one digest has one vector."""

    id: UUID
    content_id: UUID
    position: int
    heading: str
    text: str
    digest: str
    start_line: int | None
    end_line: int | None

    @property
    def passage(self) -> str:
        return _passage(self.heading, self.text)


# The columns of a piece, of rows called c.
COLUMNS_SQL = "c.id, c.content_id, c.position, c.heading, c.text, c.digest, c.start_line, c.end_line"


def digest_of(heading: str, text: str) -> str:
    return hashlib.blake2b(_passage(heading, text).encode(errors="replace"), digest_size=16).hexdigest()


def _passage(heading: str, text: str) -> str:
    return f"{heading}\n\n{text}" if heading else text


@dataclass(frozen=True, slots=True)
class Embedded:
    """Pieces and their vectors, by digest: a row of `vectors`, or a chunk that has the same one already."""

    pieces: Sequence[Piece]
    vectors: Vectors
    rows: Mapping[str, int]
    origins: Mapping[str, UUID]


_NO_VECTORS: Vectors = np.empty((0, 0), np.float32)


async def embedded(target: Target, pieces: Sequence[Piece], embedder: Embedder) -> Embedded:
    """What was embedded before, wherever in the workspace, will be copied."""
    origins = await _origins(target, [piece.digest for piece in pieces])
    return await _embedded(pieces, embedder, origins)


async def embedded_anew(pieces: Sequence[Piece], embedder: Embedder) -> Embedded:
    return await _embedded(pieces, embedder, {})


async def _embedded(pieces: Sequence[Piece], embedder: Embedder, origins: Mapping[str, UUID]) -> Embedded:
    passages = {piece.digest: piece.passage for piece in pieces if piece.digest not in origins}
    vectors = await embed.embed_passages(embedder, list(passages.values())) if passages else _NO_VECTORS
    return Embedded(pieces, vectors, {digest: row for row, digest in enumerate(passages)}, origins)


async def add(bare: asyncpg.Connection, target: Target, found: Embedded) -> None:
    """Chunks and their vectors, within a transaction; what another process has written meanwhile stays as it is."""
    chunkless, vectorless = await _missing(bare, target, found.pieces)
    await _write_chunks(bare, target, chunkless)
    new = [piece for piece in vectorless if piece.digest in found.rows]
    await _write_vectors(bare, target, new, found.vectors[[found.rows[piece.digest] for piece in new]])
    await _copy_vectors(bare, target, [piece for piece in vectorless if piece.digest in found.origins], found.origins)


async def forget(bare: asyncpg.Connection, content_ids: Sequence[UUID]) -> None:
    """All chunks of these, to be written anew within the same transaction: until it ends, the old ones answer."""
    await bare.execute("DELETE FROM chunks WHERE content_id = ANY($1::uuid[])", list(content_ids))


# ---------------------------------------------------------------- what is there


async def _missing(
    bare: asyncpg.Connection, target: Target, pieces: Sequence[Piece]
) -> tuple[list[Piece], list[Piece]]:
    """Those without a chunk, and those without a vector, under the ids that their chunks have.

    Cutting again gives the same pieces: what a process that died has written in a place is good. A job may run twice
    at once, so whoever is second waits here. What has been deleted meanwhile gets neither.
    """
    content_ids = list({piece.content_id for piece in pieces})
    held = await bare.fetch(
        "SELECT id FROM contents WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE", content_ids
    )
    # A statement of its own, which sees what those have written for whom the one before has waited.
    rows = await bare.fetch(
        """
        SELECT c.content_id, c.position, c.id, v.chunk_id IS NOT NULL AS has_vector FROM chunks c
        LEFT JOIN chunk_vectors v ON v.chunk_id = c.id AND v.embedder_id = $2
        WHERE c.content_id = ANY($1::uuid[])
        """,
        content_ids,
        target.embedder_id,
    )
    there = {(row["content_id"], row["position"]): (row["id"], row["has_vector"]) for row in rows}
    contents = {row["id"] for row in held}
    chunkless, vectorless = [], []
    for piece in pieces:
        id, has_vector = there.get((piece.content_id, piece.position), (None, False))
        if has_vector or piece.content_id not in contents:
            continue
        if id is None:
            chunkless.append(piece)
        vectorless.append(piece if id is None else dataclasses.replace(piece, id=id))
    return chunkless, vectorless


async def without_vectors(target: Target, content_ids: Sequence[UUID]) -> list[Piece]:
    """Chunks that are there and have to be embedded once more."""
    if not content_ids:
        return []
    async with work() as bare:
        rows = await bare.fetch(
            f"""
            SELECT {COLUMNS_SQL} FROM chunks c
            LEFT JOIN chunk_vectors v ON v.chunk_id = c.id AND v.embedder_id = $2
            WHERE c.content_id = ANY($1::uuid[]) AND v.chunk_id IS NULL
            """,
            list(content_ids),
            target.embedder_id,
        )
    return [Piece(*row.values()) for row in rows]


async def _origins(target: Target, digests: Sequence[str]) -> dict[str, UUID]:
    """A chunk that has the vector, by digest."""
    async with work() as bare:
        rows = await bare.fetch(
            """
            SELECT DISTINCT ON (c.digest) c.digest, c.id FROM chunks c
            JOIN chunk_vectors v ON v.chunk_id = c.id AND v.embedder_id = $3
            WHERE c.workspace_id = $1 AND c.digest = ANY($2::text[])
            """,
            target.workspace_id,
            list(dict.fromkeys(digests)),
            target.embedder_id,
        )
    return {row["digest"]: row["id"] for row in rows}


# ---------------------------------------------------------------- rows


_CHUNK_COLUMNS = (
    "id", "workspace_id", "collection_id", "content_id", "position", "heading", "text", "digest", "start_line",
    "end_line", "created_at",
)  # fmt: skip


async def _write_chunks(bare: asyncpg.Connection, target: Target, pieces: Sequence[Piece]) -> None:
    here, now = (target.workspace_id, target.collection_id), datetime.now(UTC)
    rows = [
        (each.id, *here, each.content_id, each.position, each.heading, each.text, each.digest, each.start_line,
         each.end_line, now)
        for each in pieces
    ]  # fmt: skip
    if rows:
        await bare.copy_records_to_table("chunks", columns=_CHUNK_COLUMNS, records=rows)


async def _write_vectors(bare: asyncpg.Connection, target: Target, pieces: Sequence[Piece], vectors: Vectors) -> None:
    if not pieces:
        return
    await bare.copy_to_table(
        "chunk_vectors",
        source=BytesIO(_vector_rows(target, pieces, vectors)),
        columns=("chunk_id", "embedder_id", "collection_id", "content_id", "embedding"),
        format="binary",
    )


# How a COPY in binary begins, and how it ends.
_COPY_BEGINS, _COPY_ENDS = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"


def _vector_rows(target: Target, pieces: Sequence[Piece], vectors: Vectors) -> bytes:
    """As Postgres itself would write them to a file: numbers as text take four times as long on both sides.

    A row says how many columns it has, and each column how many bytes; a vector is its dimension and its numbers.
    """
    dimension = vectors.shape[1]
    ids = [(f"id{n}", [("size", ">i4"), ("bytes", "V16")]) for n in range(4)]
    row = np.dtype(
        [
            ("columns", ">i2"),
            *ids,
            ("size", ">i4"),
            ("dimension", ">u2"),
            ("unused", ">u2"),
            ("numbers", ">f4", dimension),
        ]
    )
    rows = np.zeros(len(pieces), row)
    columns = (
        [piece.id for piece in pieces],
        [target.embedder_id],
        [target.collection_id],
        [p.content_id for p in pieces],
    )
    rows["columns"], rows["size"], rows["dimension"] = 5, 4 + 4 * dimension, dimension
    for n, column in enumerate(columns):
        rows[f"id{n}"]["size"] = 16
        rows[f"id{n}"]["bytes"] = np.frombuffer(b"".join(id.bytes for id in column), "V16")
    rows["numbers"] = vectors
    return _COPY_BEGINS + rows.tobytes() + _COPY_ENDS


async def _copy_vectors(
    bare: asyncpg.Connection, target: Target, pieces: Sequence[Piece], origins: Mapping[str, UUID]
) -> None:
    if not pieces:
        return
    done = await bare.execute(
        """
        INSERT INTO chunk_vectors (chunk_id, embedder_id, collection_id, content_id, embedding)
        SELECT new.id, $1, $2, new.content_id, v.embedding
        FROM unnest($3::uuid[], $4::uuid[], $5::uuid[]) AS new (id, content_id, origin)
        JOIN chunk_vectors v ON v.chunk_id = new.origin AND v.embedder_id = $1
        """,
        target.embedder_id,
        target.collection_id,
        [piece.id for piece in pieces],
        [piece.content_id for piece in pieces],
        [origins[piece.digest] for piece in pieces],
    )
    if done != f"INSERT 0 {len(pieces)}":
        raise Conflict("A text that was to be copied has just been deleted")
