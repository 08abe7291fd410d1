from typing import Annotated

import strawberry

import models
from domain import chunks as pieces
from domain.chunks import ChunkOwner, DocumentChunk
from domain.identity import Principal
from resolvers.context import Info
from resolvers.pages import After, First, Offset, Page, PageArgs, read_place, write_place


async def chunks(
    info: Info,
    document_id: Annotated[strawberry.ID | None, strawberry.argument(description="Of this document.")] = None,
    sync_category_id: Annotated[
        strawberry.ID | None, strawberry.argument(description="Of the records of this sync category.")
    ] = None,
    collection_id: Annotated[strawberry.ID | None, strawberry.argument(description="Of this collection.")] = None,
    first: First = None,
    after: After = None,
    offset: Offset = None,
) -> Page[DocumentChunk]:
    of = ChunkOwner(document_id, sync_category_id, collection_id)
    return await _page_of_chunks(info.context.principal, of, PageArgs(first, after, None, None, offset))


async def of_document(
    root: strawberry.Parent[models.KnowledgeDocument],
    info: Info,
    first: First = None,
    after: After = None,
    offset: Offset = None,
) -> Page[DocumentChunk]:
    of = ChunkOwner(document_id=str(root.id))
    return await _page_of_chunks(info.context.principal, of, PageArgs(first, after, None, None, offset))


async def _page_of_chunks(principal: Principal, of: ChunkOwner, args: PageArgs) -> Page[DocumentChunk]:
    start = read_place(args.after) + 1 if args.after is not None else args.offset or 0
    found = await pieces.chunks(principal, of, offset=start, limit=args.size + 1)
    places = {id(chunk): start + place for place, chunk in enumerate(found)}

    async def count() -> int:
        return await pieces.count(principal, of)

    return Page(
        found[: args.size],
        has_next=len(found) > args.size,
        has_previous=start > 0,
        cursor_of=lambda chunk: write_place(places[id(chunk)]),
        count=count,
    )
