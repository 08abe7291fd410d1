"""Collections: named sets of documents that are searched together."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from tortoise.queryset import QuerySet

import models
from domain.identity import Principal
from errors import Invalid, NotConfigured, NotFound
from models import CollectionKind
from models.database import connection, transaction

__all__ = [
    "DEFAULT_CHUNKS",
    "CategoryCount",
    "Chunking",
    "IndexCounts",
    "categories",
    "counts",
    "create",
    "default_embedder",
    "delete",
    "find",
    "find_many",
    "find_named",
    "library",
    "offer_embedder",
    "parse_tags",
    "update",
    "visible_to",
]

_NAME_CHARACTERS = 256


@dataclass(frozen=True, slots=True)
class Chunking:
    """How long the pieces of a text may be, and how much each repeats of the one before it."""

    characters: int
    overlap: int


DEFAULT_CHUNKS = Chunking(1200, 150)


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
        name=_name(name),
        context=context,
        tags=list(dict.fromkeys(tags)),
        embedder_id=embedder.id,
        chunk_characters=chunking.characters,
        chunk_overlap=chunking.overlap,
    )


async def update(
    principal: Principal,
    collection_id: str,
    *,
    name: str,
    context: str | None,
    tags: Sequence[str],
) -> models.Collection:
    found = await find(principal, collection_id)
    found.name, found.context, found.tags = _name(name), context, list(dict.fromkeys(tags))
    found.updated_at = datetime.now(UTC)
    await found.save(update_fields=["name", "context", "tags", "updated_at"])
    return found


async def delete(principal: Principal, collection_id: str) -> models.Collection:
    """No answer sees it from now on; who calls this has its rows removed later."""
    async with transaction():
        found = await find(principal, collection_id)
        found.deleted_at = datetime.now(UTC)
        await found.save(update_fields=["deleted_at"])
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


def parse_tags(text: str | None) -> list[str]:
    """Tags written as one text, separated by commas."""
    return [tag.strip() for tag in (text or "").split(",") if tag.strip()]


def _name(name: str) -> str:
    name = name.strip()
    if not name:
        raise Invalid("name", "must not be empty")
    if len(name) > _NAME_CHARACTERS:
        raise Invalid("name", f"must not be longer than {_NAME_CHARACTERS} characters")
    return name


# ---------------------------------------------------------------- embedders


async def find_embedder(principal: Principal, embedder_id: str) -> models.Embedder:
    id = models.parse_id(embedder_id)
    found = await models.Embedder.get_or_none(id=id, workspace_id=principal.workspace_id) if id else None
    if found is None:
        raise NotFound("embedder", embedder_id)
    return found


async def default_embedder(principal: Principal) -> models.Embedder:
    found = (
        await models.Embedder.filter(workspace_id=principal.workspace_id, is_default=True).order_by("-id").first()
    )
    if found is None:
        raise NotConfigured("No embedder is configured")
    return found


async def offer_embedder(
    workspace: models.Workspace, name: str, *, provider: str, model: str, dimension: int, is_default: bool
) -> models.Embedder:
    """Write the operator's configuration down. Another dimension would be another embedder: the name says so."""
    row, _ = await models.Embedder.get_or_create(
        defaults={"provider": provider, "model": model, "dimension": dimension}, workspace_id=workspace.id, name=name
    )
    if is_default and not row.is_default:
        await models.Embedder.filter(workspace_id=workspace.id, is_default=True).update(is_default=False)
        row.is_default = True
        await row.save(update_fields=["is_default"])
    return row
