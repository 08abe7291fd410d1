"""The states of documents on their way into the index, and the jobs that carry them there."""

from collections.abc import Iterable, Sequence
from uuid import UUID

import asyncpg

from domain.jobs import enqueue
from errors import NotFound
from models import IndexState
from models.database import connection, transaction

__all__ = [
    "BUILD",
    "CHANNEL",
    "INGEST",
    "REBUILD",
    "REEMBED",
    "SWEEP",
    "announce",
    "cancel_pending",
    "enqueue_documents",
    "lock",
    "requeue",
]

# The channel on which processes tell each other which collections have changed.
CHANNEL = "palaver_knowledge"

# Jobs: index some documents, named by their ids; remove what is deleted from a collection, named by its id.
INGEST = "ingest"
SWEEP = "sweep"
# Give the chunks of a collection vectors of another embedder.
REEMBED = "reembed"
# Build the index of an embedder's vectors, if it is time for that.
BUILD = "build"
# Make every chunk of a sync category anew.
REBUILD = "rebuild"

# Small enough that a worker that dies loses little, and large enough that the queue is not what takes the time.
_DOCUMENTS_PER_JOB = 500
_CHARACTERS_PER_JOB = 400_000


async def announce(bare: asyncpg.Connection, collection_id: UUID) -> None:
    await bare.execute("SELECT pg_notify($1, $2)", CHANNEL, str(collection_id))


async def lock(bare: asyncpg.Connection, collection_id: UUID) -> None:
    """One at a time per collection: what two upserts of one name mean then has an answer, and sweeps see whole ones."""
    found = await bare.fetchval(
        "SELECT id FROM collections WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE", collection_id
    )
    if found is None:
        raise NotFound("collection", collection_id)


async def enqueue_documents(bare: asyncpg.Connection, documents: Iterable[tuple[UUID, int]]) -> None:
    """Jobs of about the same size, from ids and lengths."""
    payloads: list[bytes] = []
    ids: list[UUID] = []
    weight = 0
    for id, characters in documents:
        if ids and (len(ids) >= _DOCUMENTS_PER_JOB or weight + characters > _CHARACTERS_PER_JOB):
            payloads.append(b"".join(each.bytes for each in ids))
            ids, weight = [], 0
        ids.append(id)
        weight += characters
    if ids:
        payloads.append(b"".join(each.bytes for each in ids))
    await enqueue(bare, INGEST, payloads)


async def requeue(collection_id: UUID, states: Sequence[IndexState], *, document_id: UUID | None = None) -> int:
    """Index them again from the beginning; until then they are not found. How many they are."""
    async with transaction(), connection() as bare:
        await lock(bare, collection_id)
        rows = await bare.fetch(
            """
            UPDATE knowledge_documents d SET state = 'QUEUED', failure = NULL, indexed_at = NULL
            FROM contents n
            WHERE n.id = d.content_id AND d.collection_id = $1 AND d.state = ANY($2::text[]) AND d.deleted_at IS NULL
              AND ($3::uuid IS NULL OR d.id = $3)
            RETURNING d.id, greatest(n.characters, length(n.source)) AS weight
            """,
            collection_id,
            [state.value for state in states],
            document_id,
        )
        await enqueue_documents(bare, ((row["id"], row["weight"]) for row in rows))
        await announce(bare, collection_id)
    return len(rows)


async def cancel_pending(collection_id: UUID, *, document_id: UUID | None = None) -> int:
    """Their jobs find nothing to do. What is being embedded at this moment is thrown away when it comes."""
    async with transaction(), connection() as bare:
        done = await bare.execute(
            """
            UPDATE knowledge_documents SET state = 'CANCELLED'
            WHERE collection_id = $1 AND state IN ('QUEUED', 'INDEXING') AND deleted_at IS NULL
              AND ($2::uuid IS NULL OR id = $2)
            """,
            collection_id,
            document_id,
        )
        await announce(bare, collection_id)
    return int(done.split()[-1])
