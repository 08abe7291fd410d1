"""The index of each embedder's vectors.

Putting a vector into an index that is there takes several times as long as reading, cutting and embedding its text,
and building the index in one go a fifth of that. So it is built when an import is through, and not before there is
something to gain: a few thousand vectors are compared one by one in the same time, and nothing is missed.
"""

from uuid import UUID

import asyncpg

from models import database

__all__ = ["SMALLEST", "URGENT", "build", "exists_sql", "is_due", "name"]

SMALLEST = 10_000
# From here on waiting for the end of an import would make searches wait too long.
URGENT = 200_000

# A graph that outgrows the memory it is built in takes many times as long. What a vector takes in it, beside its
# numbers of two bytes, and how much is asked for at most.
_LINKS_BYTES, _MOST_MEGABYTES = 500, 4_000


def name(embedder_id: UUID) -> str:
    return f"chunk_vectors_{embedder_id.hex}"


def exists_sql(embedder_id: UUID) -> str:
    return f"EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('{name(embedder_id)}') AND indisvalid)"


async def is_due(embedder_id: UUID, fewest: int) -> bool:
    """Whether there are at least so many vectors of it, and no index."""
    async with database.connection() as bare:
        due: bool = await bare.fetchval(
            f"""
            SELECT CASE WHEN {exists_sql(embedder_id)} THEN false ELSE $2 = (
                SELECT count(*) FROM (
                    SELECT FROM embedders e JOIN collections k ON k.workspace_id = e.workspace_id
                    JOIN chunk_vectors v ON v.collection_id = k.id AND v.embedder_id = e.id
                    WHERE e.id = $1 LIMIT $2
                ) AS few
            ) END
            """,
            embedder_id,
            fewest,
        )
    return due


async def build(embedder_id: UUID, dimension: int) -> None:
    """Nobody waits for it: what is written meanwhile is in it as well. On a connection of its own, as it takes long."""
    bare = await database.client().borrow()
    try:
        # One at a time, and nothing twice.
        if await bare.fetchval("SELECT pg_try_advisory_lock(hashtext($1))", name(embedder_id)):
            await _build(bare, embedder_id, dimension)
    finally:
        bare.terminate()


async def _build(bare: asyncpg.Connection, embedder_id: UUID, dimension: int) -> None:
    if await bare.fetchval(f"SELECT {exists_sql(embedder_id)}"):
        return
    # What a build that was broken off has left is no index.
    await bare.execute(f"DROP INDEX IF EXISTS {name(embedder_id)}")
    count = await bare.fetchval("SELECT count(*) FROM chunk_vectors WHERE embedder_id = $1", embedder_id)
    megabytes = min(64 + count * (2 * dimension + _LINKS_BYTES) // 1_000_000, _MOST_MEGABYTES)
    await bare.execute(f"SET maintenance_work_mem = '{megabytes}MB'")
    statement = (
        f"CREATE INDEX CONCURRENTLY {name(embedder_id)} ON chunk_vectors"
        f" USING hnsw ((embedding::halfvec({dimension})) halfvec_cosine_ops) WHERE embedder_id = '{embedder_id}'"
    )
    try:
        await bare.execute(statement)
    except (asyncpg.DiskFullError, asyncpg.OutOfMemoryError):
        # Several processes build it in shared memory, of which containers are given little.
        await bare.execute(f"DROP INDEX IF EXISTS {name(embedder_id)}")
        await bare.execute("SET max_parallel_maintenance_workers = 0")
        await bare.execute(statement)
    await bare.execute("ANALYZE chunks, chunk_vectors")
