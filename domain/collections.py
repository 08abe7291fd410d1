"""Collections: named sets of documents that are searched together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any  # What to change may be of any column.
from uuid import UUID

from tortoise.queryset import QuerySet

import models
from domain.checks import check_name, check_tags, clean
from domain.identity import Principal
from domain.indexing import REEMBED, SWEEP, announce, cancel_pending, lock, requeue
from domain.jobs import enqueue
from engine.embeddings import Embedder
from errors import Invalid, NotConfigured, NotFound
from knowledge.split import SIZES
from models import CollectionKind, IndexState
from models.database import connection, transaction

__all__ = [
    "DEFAULT_CHUNKS",
    "CategoryCount",
    "Chunking",
    "IndexCounts",
    "cancel",
    "categories",
    "change_embedder",
    "check_chunking",
    "chunk_counts",
    "counts",
    "create",
    "default_embedder",
    "delete",
    "embed_again",
    "embedders_visible_to",
    "find",
    "find_embedder",
    "find_many",
    "find_named",
    "library",
    "offer_embedder",
    "replace",
    "reset",
    "retry",
    "stored_characters",
    "update",
    "visible_to",
]

_FEWEST_CHARACTERS, _MOST_CHARACTERS = 100, 8_000


@dataclass(frozen=True, slots=True)
class Chunking:
    """How long the pieces of a text may be, and how much each repeats of the one before it."""

    characters: int
    overlap: int


DEFAULT_CHUNKS = Chunking(SIZES.size, SIZES.overlap)


@dataclass(frozen=True, slots=True)
class IndexCounts:
    """How many documents of a collection are in which state."""

    queued: int = 0
    indexing: int = 0
    indexed: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def documents(self) -> int:
        return self.queued + self.indexing + self.indexed + self.failed + self.cancelled

    @property
    def pending(self) -> int:
        return self.queued + self.indexing


@dataclass(frozen=True, slots=True)
class CategoryCount:
    category: str
    documents: int


def visible_to(principal: Principal) -> QuerySet[models.Collection]:
    return models.Collection.filter(workspace_id=principal.workspace_id, deleted_at=None)


async def find(principal: Principal, collection_id: str) -> models.Collection:
    id = models.parse_id(collection_id)
    found = await visible_to(principal).get_or_none(id=id) if id else None
    if found is None:
        raise NotFound("collection", collection_id)
    return found


async def find_many(principal: Principal, collection_ids: Sequence[str]) -> list[models.Collection]:
    """All of them, in the order asked, or the first that is missing is named."""
    ids = [models.parse_id(each) for each in collection_ids]
    rows = {row.id: row for row in await visible_to(principal).filter(id__in=[id for id in ids if id])}
    for given, id in zip(collection_ids, ids, strict=True):
        if id not in rows:
            raise NotFound("collection", given)
    return [rows[id] for id in dict.fromkeys(ids) if id]


async def find_named(principal: Principal, name: str) -> models.Collection:
    """Names need not be unique; the oldest of a name is the one that is meant."""
    found = await visible_to(principal).filter(kind=CollectionKind.STANDARD, name=name).order_by("id").first()
    if found is None:
        raise NotFound("collection", name)
    return found


async def library(principal: Principal, chunking: Chunking = DEFAULT_CHUNKS) -> models.Collection:
    """The workspace's own collection, made when it is first asked for."""
    found = await visible_to(principal).get_or_none(kind=CollectionKind.LIBRARY)
    if found is not None:
        return found
    embedder = await default_embedder(principal)
    async with connection() as bare:
        await bare.execute(
            """
            INSERT INTO collections (id, workspace_id, kind, name, tags, metadata, embedder_id, chunk_characters,
                                     chunk_overlap, created_at, updated_at)
            VALUES ($1, $2, 'LIBRARY', 'Library', '[]', '{}', $3, $4, $5, now(), now()) ON CONFLICT DO NOTHING
            """,
            models.new_id(models.Kind.COLLECTION),
            principal.workspace_id,
            embedder.id,
            chunking.characters,
            chunking.overlap,
        )
    return await visible_to(principal).get(kind=CollectionKind.LIBRARY)


async def create(
    principal: Principal,
    name: str,
    *,
    kind: CollectionKind = CollectionKind.STANDARD,
    context: str | None = None,
    tags: Sequence[str] = (),
    embedder_id: str | None = None,
    chunking: Chunking = DEFAULT_CHUNKS,
) -> models.Collection:
    embedder = await find_embedder(principal, embedder_id) if embedder_id else await default_embedder(principal)
    return await models.Collection.create(
        workspace_id=principal.workspace_id,
        kind=kind,
        name=check_name(name),
        context=clean(context) if context else None,
        tags=check_tags(tags),
        embedder_id=embedder.id,
        chunk_characters=chunking.characters,
        chunk_overlap=chunking.overlap,
    )


async def update(principal: Principal, collection_id: str, changes: Mapping[str, Any]) -> models.Collection:
    """`changes` may hold name, context and tags; null for context and tags means none."""
    found = await find(principal, collection_id)
    for name, value in changes.items():
        setattr(found, name, _CHECKS[name](value))
    found.updated_at = datetime.now(UTC)
    await found.save(update_fields=[*changes, "updated_at"])
    return found


async def delete(collection: models.Collection) -> None:
    """No answer sees it from now on; its rows go later."""
    async with transaction(), connection() as bare:
        await lock(bare, collection.id)
        await bare.execute("UPDATE collections SET deleted_at = now() WHERE id = $1", collection.id)
        await enqueue(bare, SWEEP, [collection.id.bytes])
        await announce(bare, collection.id)


async def replace(principal: Principal, name: str, chunking: Chunking) -> models.Collection:
    """An empty collection of this name, in the place of any that there is."""
    async with transaction():
        old = await visible_to(principal).filter(kind=CollectionKind.STANDARD, name=check_name(name))
        new = await create(principal, name, chunking=chunking)
        for each in old:
            await delete(each)
    return new


async def reset(collection: models.Collection) -> int:
    """Every document goes, at once for every answer; how many they were."""
    async with transaction(), connection() as bare:
        await lock(bare, collection.id)
        done = await bare.execute(
            "UPDATE knowledge_documents SET deleted_at = now() WHERE collection_id = $1 AND deleted_at IS NULL",
            collection.id,
        )
        await enqueue(bare, SWEEP, [collection.id.bytes])
        await announce(bare, collection.id)
    return int(done.split()[-1])


async def embed_again(collection: models.Collection) -> int:
    """Forget all vectors; every document waits for new ones, whatever its state was."""
    async with transaction(), connection() as bare:
        await bare.execute("DELETE FROM chunk_vectors WHERE collection_id = $1", collection.id)
        return await requeue(collection.id, list(IndexState))


async def retry(collection: models.Collection) -> int:
    return await requeue(collection.id, [IndexState.FAILED, IndexState.CANCELLED])


async def cancel(collection: models.Collection) -> int:
    return await cancel_pending(collection.id)


async def change_embedder(principal: Principal, collection: models.Collection, embedder_id: str) -> int:
    """Build the other index beside the one that answers; how many documents it will hold."""
    embedder = await find_embedder(principal, embedder_id)
    if embedder.id == collection.embedder_id:
        return 0
    async with transaction(), connection() as bare:
        await lock(bare, collection.id)
        await bare.execute("UPDATE collections SET next_embedder_id = $2 WHERE id = $1", collection.id, embedder.id)
        await enqueue(bare, REEMBED, [collection.id.bytes + embedder.id.bytes])
        found: int = await bare.fetchval(
            "SELECT count(*) FROM knowledge_documents WHERE collection_id = $1 AND deleted_at IS NULL", collection.id
        )
    collection.next_embedder_id = embedder.id
    return found


async def counts(collection_ids: Sequence[UUID]) -> list[IndexCounts]:
    async with connection() as bare:
        rows = await bare.fetch(
            "SELECT collection_id, lower(state) AS state, count(*) AS n FROM knowledge_documents"
            " WHERE collection_id = ANY($1::uuid[]) AND deleted_at IS NULL GROUP BY 1, 2",
            list(collection_ids),
        )
    found: dict[UUID, dict[str, int]] = {}
    for row in rows:
        found.setdefault(row["collection_id"], {})[row["state"]] = row["n"]
    return [IndexCounts(**found.get(id, {})) for id in collection_ids]


async def categories(collection_ids: Sequence[UUID]) -> list[list[CategoryCount]]:
    async with connection() as bare:
        rows = await bare.fetch(
            "SELECT collection_id, category, count(*) AS n FROM knowledge_documents"
            " WHERE collection_id = ANY($1::uuid[]) AND deleted_at IS NULL AND category IS NOT NULL"
            " GROUP BY 1, 2 ORDER BY 2",
            list(collection_ids),
        )
    found: dict[UUID, list[CategoryCount]] = {id: [] for id in collection_ids}
    for row in rows:
        found[row["collection_id"]].append(CategoryCount(row["category"], row["n"]))
    return [found[id] for id in collection_ids]


async def chunk_counts(collection_ids: Sequence[UUID]) -> list[int]:
    async with connection() as bare:
        rows = await bare.fetch(
            "SELECT d.collection_id, sum(n.chunk_count) AS n"
            " FROM knowledge_documents d JOIN contents n ON n.id = content_id"
            " WHERE d.collection_id = ANY($1::uuid[]) AND deleted_at IS NULL AND state = 'INDEXED' GROUP BY 1",
            list(collection_ids),
        )
    found = {row["collection_id"]: row["n"] for row in rows}
    return [found.get(id) or 0 for id in collection_ids]


def check_chunking(characters: int | None, overlap: int | None, default: Chunking = DEFAULT_CHUNKS) -> Chunking:
    characters = default.characters if characters is None else characters
    if not _FEWEST_CHARACTERS <= characters <= _MOST_CHARACTERS:
        raise Invalid("chunkCharacters", f"must be between {_FEWEST_CHARACTERS} and {_MOST_CHARACTERS:,}")
    overlap = min(default.overlap, characters // 4) if overlap is None else overlap
    if not 0 <= overlap < characters / 2:
        raise Invalid("chunkOverlap", "must be less than half of chunkCharacters")
    return Chunking(characters, overlap)


_CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "name": check_name,
    "context": lambda context: clean(context) if context else None,
    "tags": check_tags,
}


async def stored_characters(workspace_id: UUID) -> int:
    """In all documents of a workspace; what several of a collection say alike is stored once."""
    async with connection() as bare:
        found: int = await bare.fetchval(
            """
            SELECT coalesce(sum(contents.characters), 0)::bigint
            FROM collections JOIN contents ON contents.collection_id = collections.id
            WHERE collections.workspace_id = $1 AND collections.deleted_at IS NULL
            """,
            workspace_id,
        )
    return found


# ---------------------------------------------------------------- embedders


def embedders_visible_to(principal: Principal) -> QuerySet[models.Embedder]:
    return models.Embedder.filter(workspace_id=principal.workspace_id)


async def find_embedder(principal: Principal, embedder_id: str) -> models.Embedder:
    id = models.parse_id(embedder_id)
    found = await embedders_visible_to(principal).get_or_none(id=id) if id else None
    if found is None:
        raise NotFound("embedder", embedder_id)
    return found


async def default_embedder(principal: Principal) -> models.Embedder:
    found = await embedders_visible_to(principal).filter(is_default=True).order_by("-id").first()
    if found is None:
        raise NotConfigured("No embedder is configured")
    return found


async def offer_embedder(
    workspace: models.Workspace, embedder: Embedder, dimension: int, *, is_default: bool
) -> models.Embedder:
    """Write the operator's configuration down. A name says where the vectors lie: it never changes its dimension."""
    row, _ = await models.Embedder.get_or_create(
        defaults={"provider": embedder.provider, "model": embedder.model, "dimension": dimension},
        workspace_id=workspace.id,
        name=embedder.name,
    )
    if is_default and not row.is_default:
        await models.Embedder.filter(workspace_id=workspace.id, is_default=True).update(is_default=False)
        row.is_default = True
        await row.save(update_fields=["is_default"])
    return row
