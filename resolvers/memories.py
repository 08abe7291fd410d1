from dataclasses import dataclass
from typing import Annotated

import strawberry

import models
from domain import memories as rules
from models import MemoryFormat
from resolvers.context import Info
from resolvers.pages import After, Before, First, Last, Offset, Page, PageArgs, page_of_rows


@strawberry.input(description="Which memories to list. Everything given must hold.")
class MemoryFilter:
    part: str | None = strawberry.field(
        default=None, description="A part of the id, of the content, or of who it is about."
    )
    format: MemoryFormat | None = strawberry.field(default=None, description="Of this format.")
    gateway_id: strawberry.ID | None = strawberry.field(default=None, description="Told to this gateway.")


@strawberry.input(description="One memory, or all of one person in one format.")
class DeleteMemoriesInput:
    id: strawberry.ID | None = strawberry.field(default=None, description="The memory.")
    external_user: str | None = strawberry.field(
        default=None, description="Instead of an id: exactly whose memories go. Needs the format."
    )
    format: MemoryFormat | None = strawberry.field(default=None, description="Which of a person's memories go.")


@dataclass(frozen=True, slots=True)
class DeleteMemoriesPayload:
    deleted_count: int
    external_user: str
    format: MemoryFormat


async def memory(
    info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The memory.")]
) -> models.Memory:
    return await rules.find(info.context.principal, id)


async def memories(
    info: Info,
    first: First = None,
    after: After = None,
    last: Last = None,
    before: Before = None,
    offset: Offset = None,
    filter: Annotated[MemoryFilter | None, strawberry.argument(description="Which ones.")] = None,
) -> Page[models.Memory]:
    wanted = filter or MemoryFilter()
    found = rules.wanted_of(info.context.principal, wanted.part, wanted.format, wanted.gateway_id)
    return await page_of_rows(found, PageArgs(first, after, last, before, offset), newest_by="id")


def preview(
    root: models.Memory,
    characters: Annotated[int, strawberry.argument(description="How many characters at most.")] = 120,
) -> str:
    return root.content[: max(0, characters)]


async def delete_memories(
    info: Info, input: Annotated[DeleteMemoriesInput, strawberry.argument(description="Which ones.")]
) -> DeleteMemoriesPayload:
    removed = await rules.remove(info.context.principal, input.id, input.external_user, input.format)
    return DeleteMemoriesPayload(removed.count, removed.external_user, removed.format)
