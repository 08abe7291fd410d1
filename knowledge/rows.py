"""Chunks and their vectors as rows: written by place, once, by whoever comes first."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from engine.embeddings import Embedder
from errors import Conflict
from knowledge import embed
from models.database import connection, transaction

__all__ = ["COLUMNS_SQL", "Piece", "Target", "add", "digest_of", "kept", "replace", "without_vectors"]


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


async def add(target: Target, pieces: Sequence[Piece], embedder: Embedder) -> None:
    """Chunks and their vectors. What was embedded before, wherever in the workspace, is copied."""
    known = await _known(target, [piece.digest for piece in pieces])
    new = [piece for piece in pieces if piece.digest not in known]
    vectors = embed.to_sql(await embed.embed_passages(embedder, [piece.passage for piece in new])) if new else []
    async with transaction(), connection() as bare:
        await _write_chunks(bare, target, pieces)
        await _write_vectors(bare, target, new, vectors)
        copied = [piece for piece in pieces if piece.digest in known]
        await _copy_vectors(bare, target, copied, [known[piece.digest] for piece in copied])


async def replace(target: Target, content_ids: Sequence[UUID], pieces: Sequence[Piece], embedder: Embedder) -> None:
    vectors = embed.to_sql(await embed.embed_passages(embedder, [piece.passage for piece in pieces])) if pieces else []
    async with transaction(), connection() as bare:
        await bare.execute("DELETE FROM chunks WHERE content_id = ANY($1::uuid[])", list(content_ids))
        await _write_chunks(bare, target, pieces)
        await _write_vectors(bare, target, pieces, vectors)


# ---------------------------------------------------------------- what is there


async def kept(target: Target, content_ids: Sequence[UUID]) -> set[tuple[UUID, int]]:
    """What a process that died had written already. Cutting again gives the same pieces, so they are good."""
    async with connection() as bare:
        rows = await bare.fetch(
            """
            SELECT c.content_id, c.position FROM chunks c
            JOIN chunk_vectors v ON v.chunk_id = c.id AND v.embedder_id = $2
            WHERE c.content_id = ANY($1::uuid[])
            """,
            list(content_ids),
            target.embedder_id,
        )
    return {(row["content_id"], row["position"]) for row in rows}


async def without_vectors(target: Target, content_ids: Sequence[UUID]) -> list[Piece]:
    """Chunks that are there and have to be embedded once more."""
    if not content_ids:
        return []
    async with connection() as bare:
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


async def _known(target: Target, digests: Sequence[str]) -> dict[str, UUID]:
    """A chunk that has the vector, by digest."""
    async with connection() as bare:
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


async def _write_chunks(bare: asyncpg.Connection, target: Target, pieces: Sequence[Piece]) -> None:
    await bare.execute(
        """
        INSERT INTO chunks (id, workspace_id, collection_id, content_id, position, heading, text, digest, start_line,
                            end_line, created_at)
        SELECT id, $1, $2, content_id, position, heading, text, digest, start_line, end_line, now()
        FROM unnest($3::uuid[], $4::uuid[], $5::int[], $6::text[], $7::text[], $8::text[], $9::int[], $10::int[])
             AS new (id, content_id, position, heading, text, digest, start_line, end_line)
        ON CONFLICT DO NOTHING
        """,
        target.workspace_id,
        target.collection_id,
        *_columns(pieces, "id", "content_id", "position", "heading", "text", "digest", "start_line", "end_line"),
    )


async def _write_vectors(
    bare: asyncpg.Connection, target: Target, pieces: Sequence[Piece], vectors: Sequence[str]
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
        target.embedder_id,
        target.collection_id,
        *_columns(pieces, "content_id", "position"),
        vectors,
    )


async def _copy_vectors(
    bare: asyncpg.Connection, target: Target, pieces: Sequence[Piece], origins: Sequence[UUID]
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
        target.embedder_id,
        target.collection_id,
        *_columns(pieces, "content_id", "position"),
        origins,
    )
    if found != len(pieces):
        raise Conflict("A text that was to be copied has just been deleted")


def _columns(pieces: Iterable[Piece], *names: str) -> list[list[object]]:
    pieces = list(pieces)
    return [[getattr(piece, name) for piece in pieces] for name in names]
