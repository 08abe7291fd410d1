from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import strawberry
from strawberry import UNSET

import models
from domain import collections as rules
from domain.collections import CategoryCount, IndexCounts
from errors import Invalid
from models import CollectionKind
from resolvers.context import Info
from resolvers.pages import After, Before, First, Last, Offset, Page, PageArgs, page_of_rows


@strawberry.input(description="Which collections to list. Everything given must hold.")
class CollectionFilter:
    name: str | None = strawberry.field(default=None, description="With exactly this name.")
    kind: CollectionKind = strawberry.field(
        default=CollectionKind.STANDARD, description="The kind; those that were made by name when left out."
    )


@strawberry.input(description="A collection to make.")
class CreateCollectionInput:
    name: str = strawberry.field(description="Its name, up to 256 characters.")
    context: str | None = strawberry.field(
        default=None, description="What it holds, for the models that are to answer from it."
    )
    tags: list[str] | None = strawberry.field(
        default=None, description="Its tags. A tag with commas in it is taken for several."
    )
    embedder_id: strawberry.ID | None = strawberry.field(
        default=None, description="What turns its texts into vectors; the workspace's default when left out."
    )
    chunk_characters: int | None = strawberry.field(
        default=None, description="How long a piece of a text may be, between 100 and 8,000 characters."
    )
    chunk_overlap: int | None = strawberry.field(
        default=None, description="How many characters a piece repeats of the one before it; less than half of one."
    )


@strawberry.input(description="What to change of a collection. What is left out stays.")
class UpdateCollectionInput:
    id: strawberry.ID = strawberry.field(description="The collection.")
    name: str | None = strawberry.field(default=UNSET, description="Its name from now on.")
    context: str | None = strawberry.field(default=UNSET, description="What it holds; null for nothing.")
    tags: list[str] | None = strawberry.field(default=UNSET, description="All its tags; null for none.")


@strawberry.input(description="A collection.")
class CollectionInput:
    id: strawberry.ID = strawberry.field(description="The collection.")


@strawberry.input(description="A collection to delete, with everything in it.")
class DeleteCollectionInput:
    id: strawberry.ID | None = strawberry.field(default=None, description="The collection.")
    name: str | None = strawberry.field(default=None, description="Its name, instead of its id.")


@strawberry.input(description="A collection to index once more.")
class ReindexCollectionInput:
    id: strawberry.ID = strawberry.field(description="The collection.")
    embedder_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="The embedder to change to. The index there is goes on answering until the new one is complete."
        " When left out, every document is queued again and found only when it has been embedded anew.",
    )


@dataclass(frozen=True, slots=True)
class CollectionPayload:
    collection: models.Collection


@dataclass(frozen=True, slots=True)
class DeleteCollectionPayload:
    deleted_id: UUID
    name: str


@dataclass(frozen=True, slots=True)
class DocumentsPayload:
    """How many documents a change was about."""

    collection: models.Collection
    documents: int


CollectionIdArgument = Annotated[strawberry.ID, strawberry.argument(description="The collection.")]


async def collection(
    info: Info,
    id: Annotated[strawberry.ID | None, strawberry.argument(description="The collection.")] = None,
    name: Annotated[
        str | None, strawberry.argument(description="Its name, instead of its id; the oldest of that name.")
    ] = None,
) -> models.Collection:
    if id is not None:
        return await rules.find(info.context.principal, id)
    if name is None:
        raise Invalid("id", "must be given, or else name")
    return await rules.find_named(info.context.principal, name)


async def collections(
    info: Info,
    first: First = None,
    after: After = None,
    last: Last = None,
    before: Before = None,
    offset: Offset = None,
    filter: Annotated[CollectionFilter | None, strawberry.argument(description="Which ones.")] = None,
) -> Page[models.Collection]:
    wanted = filter or CollectionFilter()
    found = rules.visible_to(info.context.principal).filter(kind=wanted.kind)
    if wanted.name is not None:
        found = found.filter(name=wanted.name)
    return await page_of_rows(found, PageArgs(first, after, last, before, offset), newest_by="id")


async def library(info: Info) -> models.Collection:
    return await rules.library(info.context.principal, info.context.services.retrieval.chunking)


async def embedders(
    info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
) -> Page[models.Embedder]:
    found = rules.embedders_visible_to(info.context.principal)
    return await page_of_rows(found, PageArgs(first, after, last, before), newest_by="id")


# ---------------------------------------------------------------- changes


async def create_collection(
    info: Info, input: Annotated[CreateCollectionInput, strawberry.argument(description="The collection.")]
) -> CollectionPayload:
    usual = info.context.services.retrieval.chunking
    created = await rules.create(
        info.context.principal,
        input.name,
        context=input.context,
        tags=input.tags or (),
        embedder_id=input.embedder_id,
        chunking=rules.check_chunking(input.chunk_characters, input.chunk_overlap, usual),
    )
    return CollectionPayload(created)


async def update_collection(
    info: Info, input: Annotated[UpdateCollectionInput, strawberry.argument(description="What to change.")]
) -> CollectionPayload:
    given = {name: getattr(input, name) for name in ("name", "context", "tags")}
    changes = {name: value for name, value in given.items() if value is not UNSET}
    return CollectionPayload(await rules.update(info.context.principal, input.id, changes))


async def delete_collection(
    info: Info, input: Annotated[DeleteCollectionInput, strawberry.argument(description="Which one.")]
) -> DeleteCollectionPayload:
    found = await collection(info, input.id, input.name)
    await rules.delete(found)
    return DeleteCollectionPayload(found.id, found.name)


async def reset_collection(
    info: Info, input: Annotated[CollectionInput, strawberry.argument(description="Which one.")]
) -> DocumentsPayload:
    found = await rules.find(info.context.principal, input.id)
    return DocumentsPayload(found, await rules.reset(found))


async def reindex_collection(
    info: Info, input: Annotated[ReindexCollectionInput, strawberry.argument(description="Which one, and how.")]
) -> DocumentsPayload:
    principal = info.context.principal
    found = await rules.find(principal, input.id)
    if input.embedder_id is None:
        return DocumentsPayload(found, await rules.embed_again(found))
    return DocumentsPayload(found, await rules.change_embedder(principal, found, input.embedder_id))


async def retry_ingestion(
    info: Info, input: Annotated[CollectionInput, strawberry.argument(description="Which one.")]
) -> DocumentsPayload:
    found = await rules.find(info.context.principal, input.id)
    return DocumentsPayload(found, await rules.retry(found))


async def cancel_ingestion(
    info: Info, input: Annotated[CollectionInput, strawberry.argument(description="Which one.")]
) -> DocumentsPayload:
    found = await rules.find(info.context.principal, input.id)
    return DocumentsPayload(found, await rules.cancel(found))


# ---------------------------------------------------------------- fields


def counts(root: strawberry.Parent[models.Collection], info: Info) -> Awaitable[IndexCounts]:
    return info.context.loaders.index_counts_by_collection_id.load(root.id)


def chunk_count(root: strawberry.Parent[models.Collection], info: Info) -> Awaitable[int]:
    return info.context.loaders.chunk_count_by_collection_id.load(root.id)


def categories(root: strawberry.Parent[models.Collection], info: Info) -> Awaitable[list[CategoryCount]]:
    return info.context.loaders.categories_by_collection_id.load(root.id)


async def category_count(root: strawberry.Parent[models.Collection], info: Info) -> int:
    return len(await info.context.loaders.categories_by_collection_id.load(root.id))


def embedder(root: strawberry.Parent[models.Collection], info: Info) -> Awaitable[models.Embedder | None]:
    return info.context.loaders.embedder_by_id.load(root.embedder_id)


async def next_embedder(root: strawberry.Parent[models.Collection], info: Info) -> models.Embedder | None:
    if root.next_embedder_id is None:
        return None
    return await info.context.loaders.embedder_by_id.load(root.next_embedder_id)
