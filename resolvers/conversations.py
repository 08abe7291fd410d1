from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import strawberry

import models
from domain import conversations as rules
from errors import NotFound
from resolvers.context import Info
from resolvers.pages import After, Before, First, Last, Offset, Page, PageArgs, page_of_ids, page_of_rows

ExternalUser = Annotated[
    str | None,
    strawberry.argument(description="Only for this user of your application; somebody else's conversation is refused."),
]


@strawberry.input(description="Which conversations to list. Everything given must hold.")
class ConversationFilter:
    external_user: str | None = strawberry.field(
        default=None, description="The user of your application they belong to."
    )
    text: str | None = strawberry.field(
        default=None,
        description="Words that all appear in one message, or a part of the title, up to 1,000 characters; quotes and"
        " `-word` work as well.",
    )


@strawberry.input(description="A conversation to begin.")
class CreateConversationInput:
    title: str | None = strawberry.field(
        default=None, description="Its title, up to 500 characters; the beginning of its first question when left out."
    )
    external_user: str | None = strawberry.field(
        default=None, description="The user of your application it belongs to, up to 256 characters."
    )


@strawberry.input(description="A new title.")
class RenameConversationInput:
    id: strawberry.ID = strawberry.field(description="The conversation.")
    title: str = strawberry.field(description="The title from now on, up to 500 characters.")


@strawberry.input(description="A conversation to delete, with all its messages.")
class DeleteConversationInput:
    id: strawberry.ID = strawberry.field(description="The conversation.")


@dataclass(frozen=True, slots=True)
class ConversationPayload:
    conversation: models.Conversation


@dataclass(frozen=True, slots=True)
class DeleteConversationPayload:
    deleted_id: UUID


async def conversation(
    info: Info,
    id: Annotated[strawberry.ID, strawberry.argument(description="The conversation.")],
    external_user: ExternalUser = None,
) -> models.Conversation:
    return await rules.find(info.context.principal, id, external_user=external_user)


async def conversations(
    info: Info,
    first: First = None,
    after: After = None,
    last: Last = None,
    before: Before = None,
    offset: Offset = None,
    filter: Annotated[ConversationFilter | None, strawberry.argument(description="Which ones.")] = None,
) -> Page[models.Conversation]:
    wanted = rules.ConversationFilter(filter.external_user, filter.text) if filter else rules.ConversationFilter()
    found = await rules.search(info.context.principal, wanted)
    return await page_of_rows(found, PageArgs(first, after, last, before, offset), newest_by="last_activity_at")


async def create_conversation(
    info: Info, input: Annotated[CreateConversationInput, strawberry.argument(description="The conversation.")]
) -> ConversationPayload:
    created = await rules.create(info.context.principal, title=input.title, external_user=input.external_user)
    return ConversationPayload(created)


async def rename_conversation(
    info: Info, input: Annotated[RenameConversationInput, strawberry.argument(description="The new title.")]
) -> ConversationPayload:
    return ConversationPayload(await rules.rename(info.context.principal, input.id, input.title))


async def delete_conversation(
    info: Info, input: Annotated[DeleteConversationInput, strawberry.argument(description="Which one.")]
) -> DeleteConversationPayload:
    return DeleteConversationPayload((await rules.delete(info.context.principal, input.id)).id)


async def model(root: strawberry.Parent[models.Conversation], info: Info) -> models.Model | None:
    return await info.context.loaders.model_by_id.load(root.model_id) if root.model_id else None


async def running_turn(root: strawberry.Parent[models.Conversation], info: Info) -> models.Turn | None:
    return await info.context.loaders.running_turn_by_conversation_id.load(root.id)


async def messages(
    root: strawberry.Parent[models.Conversation],
    info: Info,
    first: First = None,
    after: After = None,
    last: Last = None,
    before: Before = None,
    leaf: Annotated[
        strawberry.ID | None, strawberry.argument(description="The last message of another branch to read.")
    ] = None,
) -> Page[models.Message]:
    loaders = info.context.loaders
    leaf_id = root.leaf_id if leaf is None else await _leaf(root, info, leaf)
    ids = await loaders.message_ids_by_leaf.load(leaf_id) if leaf_id else []

    async def load(wanted: list[UUID]) -> list[models.Message | None]:
        return await loaders.message_by_id.load_many(wanted)

    return await page_of_ids(ids, PageArgs(first, after, last, before), load)


async def _leaf(root: models.Conversation, info: Info, leaf: str) -> UUID:
    id = models.parse_id(leaf)
    message = await info.context.loaders.message_by_id.load(id) if id else None
    if message is None or message.conversation_id != root.id:
        raise NotFound("message", leaf)
    return message.id


# ---------------------------------------------------------------- messages


def message_conversation(root: strawberry.Parent[models.Message], info: Info) -> Awaitable[models.Conversation | None]:
    return info.context.loaders.conversation_by_id.load(root.conversation_id)


async def message_parent(root: strawberry.Parent[models.Message], info: Info) -> models.Message | None:
    return await info.context.loaders.message_by_id.load(root.parent_id) if root.parent_id else None


async def message_siblings(root: strawberry.Parent[models.Message], info: Info) -> list[models.Message]:
    found = await info.context.loaders.messages_by_parent.load((root.conversation_id, root.parent_id))
    return [message for message in found if message.id != root.id]


async def message_turn(root: strawberry.Parent[models.Message], info: Info) -> models.Turn | None:
    return await info.context.loaders.turn_by_id.load(root.turn_id) if root.turn_id else None
