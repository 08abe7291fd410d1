"""Changing a collection to another embedder: its index grows beside the one that answers, and then takes its place."""

from uuid import UUID

import models
from engine.embeddings import Embedder
from knowledge.rows import COLUMNS_SQL, Piece, Target, add, embedded, work
from models.database import connection, transaction

__all__ = ["change_over", "embed_missing"]

_CHUNKS_AT_ONCE = 1_000


async def embed_missing(collection_id: UUID, row: models.Embedder, embedder: Embedder) -> int:
    """Some of the chunks that have no vector of this embedder yet; how many they were."""
    async with connection() as bare:
        found = await bare.fetch(
            f"""
            SELECT {COLUMNS_SQL}, n.workspace_id FROM contents n JOIN chunks c ON c.content_id = n.id
            LEFT JOIN chunk_vectors v ON v.chunk_id = c.id AND v.embedder_id = $2
            WHERE n.collection_id = $1 AND v.chunk_id IS NULL LIMIT $3
            """,
            collection_id,
            row.id,
            _CHUNKS_AT_ONCE,
        )
    if found:
        target = Target(found[0]["workspace_id"], collection_id, row.id)
        pieces = await embedded(target, [Piece(*list(each.values())[:-1]) for each in found], embedder)
        async with work() as bare:
            await add(bare, target, pieces)
    return len(found)


async def change_over(collection_id: UUID, embedder_id: UUID) -> bool:
    """From the old index to the new one between two questions; not before the new one is complete.

    True when there is nothing left to do, also because somebody wants yet another embedder by now.
    """
    async with transaction(), connection() as bare:
        wanted = await bare.fetchval("SELECT next_embedder_id FROM collections WHERE id = $1 FOR UPDATE", collection_id)
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
