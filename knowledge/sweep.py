"""Removing what nothing leads to any more, a few rows at a time: long deletions would hold up everybody."""

from uuid import UUID

from models.database import connection, transaction

__all__ = ["sweep"]

_ROWS_AT_ONCE = 2_000


async def sweep(collection_id: UUID) -> None:
    """Of one collection: what was deleted of it, what nobody says any more, and all of it when it is deleted itself."""
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
