"""The chunks of a document, of a sync category or of a collection, as they are shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any  # Metadata is open JSON.
from uuid import UUID

import asyncpg
import orjson

import models
from domain.identity import Principal
from knowledge.retrieve import CHUNK_METADATA_SQL
from models.database import connection

__all__ = [
    "ChunkOwner",
    "DocumentChunk",
    "Measures",
    "beginnings",
    "chunk_from",
    "chunks",
    "count",
    "measures",
    "texts",
]


@dataclass(frozen=True, slots=True)
class ChunkOwner:
    """Whose chunks: everything given must hold."""

    document_id: str | None = None
    sync_category_id: str | None = None
    collection_id: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class DocumentChunk:
    """A chunk as a piece of one document; documents that say the same share their chunks."""

    id: UUID
    text: str
    index: int
    start_line: int | None
    end_line: int | None
    created_at: datetime
    metadata: dict[str, Any]
    document: models.KnowledgeDocument
    external_id: str | None = None

    @property
    def character_count(self) -> int:
        return len(self.text)


_FROM_SQL = """
    FROM knowledge_documents d
    JOIN collections k ON k.id = d.collection_id AND k.deleted_at IS NULL
    JOIN contents n ON n.id = d.content_id
    JOIN chunks c ON c.content_id = d.content_id
    LEFT JOIN sync_records r ON k.kind = 'SYNC' AND r.document_id = d.id
    WHERE d.workspace_id = $1 AND d.deleted_at IS NULL AND d.state = 'INDEXED'
      AND ($2::uuid IS NULL OR d.id = $2) AND ($3::uuid IS NULL OR d.collection_id = $3)
      AND ($4::uuid IS NULL OR d.collection_id = (SELECT collection_id FROM sync_categories WHERE id = $4))
"""


async def chunks(principal: Principal, of: ChunkOwner, *, offset: int, limit: int) -> list[DocumentChunk]:
    """By document and place. What is not there, or not yours, has none."""
    if (owner := _ids(of)) is None:
        return []
    async with connection() as bare:
        rows = await bare.fetch(
            f"""
            SELECT c.id, c.text, c.position, c.start_line, c.end_line, c.created_at,
                   d.metadata || {CHUNK_METADATA_SQL} AS all_metadata,
                   r.external_id, row_to_json(d)::text AS document
            {_FROM_SQL} ORDER BY d.id, c.position LIMIT $5 OFFSET $6
            """,
            principal.workspace_id,
            *owner,
            limit,
            offset,
        )
    return [chunk_from(row) for row in rows]


async def count(principal: Principal, of: ChunkOwner) -> int:
    if (owner := _ids(of)) is None:
        return 0
    async with connection() as bare:
        found: int = await bare.fetchval(f"SELECT count(*) {_FROM_SQL}", principal.workspace_id, *owner)
    return found


def _ids(of: ChunkOwner) -> list[UUID | None] | None:
    """Nothing when one of them can be no id."""
    given = [of.document_id, of.collection_id, of.sync_category_id]
    ids = [models.parse_id(id) if id is not None else None for id in given]
    if any(text is not None and id is None for text, id in zip(given, ids, strict=True)) or not any(ids):
        return None
    return ids


def chunk_from(row: asyncpg.Record) -> DocumentChunk:
    return DocumentChunk(
        row["id"],
        row["text"],
        row["position"],
        row["start_line"],
        row["end_line"],
        row["created_at"],
        orjson.loads(row["all_metadata"]),
        _document_from(orjson.loads(row["document"])),
        row["external_id"],
    )


def _document_from(values: dict[str, Any]) -> models.KnowledgeDocument:
    """A row that came as JSON."""
    for name in ("id", "workspace_id", "collection_id", "content_id"):
        values[name] = UUID(values[name])
    for name in ("created_at", "updated_at", "indexed_at", "deleted_at"):
        values[name] = datetime.fromisoformat(values[name]) if values[name] else None
    values["state"] = models.IndexState(values["state"])
    row = models.KnowledgeDocument(**values)
    row._saved_in_db = True
    return row


# ---------------------------------------------------------------- contents


@dataclass(frozen=True, slots=True)
class Measures:
    characters: int
    words: int
    chunks: int

    @property
    def tokens(self) -> int:
        return round(self.characters / 4)


async def measures(content_ids: Sequence[UUID]) -> list[Measures]:
    rows = await _of_contents("characters, words, coalesce(chunk_count, 0)", content_ids)
    return [Measures(*rows[id]) for id in content_ids]


async def texts(content_ids: Sequence[UUID]) -> list[str | None]:
    rows = await _of_contents("text", content_ids)
    return [rows[id][0] for id in content_ids]


async def beginnings(content_ids: Sequence[UUID]) -> list[str]:
    rows = await _of_contents("coalesce(left(text, 1001), '')", content_ids)
    return [rows[id][0] for id in content_ids]


async def _of_contents(columns: str, content_ids: Sequence[UUID]) -> dict[UUID, tuple[Any, ...]]:
    async with connection() as bare:
        rows = await bare.fetch(f"SELECT id, {columns} FROM contents WHERE id = ANY($1::uuid[])", list(content_ids))
    return {row[0]: tuple(row)[1:] for row in rows}
