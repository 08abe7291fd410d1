"""Conversations and the messages in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from tortoise.expressions import Q
from tortoise.queryset import QuerySet

import models
from domain.identity import Principal
from errors import Forbidden, Invalid, NotFound
from models.database import connection

__all__ = [
    "ConversationFilter",
    "check_user",
    "create",
    "delete",
    "find",
    "path_to",
    "paths_to",
    "rename",
    "search",
    "title_from",
    "visible_to",
]

_TITLE_LENGTH = 50
_GIVEN_TITLE_LENGTH = 500
# They stand in an index, which holds rows of a few kilobytes.
_USER_LENGTH = 256
# A search is words, not a document; Postgres gives up on queries of many thousands.
_SEARCH_LENGTH = 1000
_TEXT_SQL = "to_tsvector('simple', left(text, 250000)) @@ websearch_to_tsquery('simple', $2)"


@dataclass(frozen=True, slots=True)
class ConversationFilter:
    external_user: str | None = None
    text: str | None = None


def visible_to(principal: Principal) -> QuerySet[models.Conversation]:
    return models.Conversation.filter(workspace_id=principal.workspace_id)


async def find(principal: Principal, conversation_id: str, *, external_user: str | None = None) -> models.Conversation:
    """With `external_user`, another user's conversation is refused rather than denied: the old APIs say so."""
    id = models.parse_id(conversation_id)
    conversation = await visible_to(principal).get_or_none(id=id) if id else None
    if conversation is None:
        raise NotFound("conversation", conversation_id)
    if external_user is not None and conversation.external_user != external_user:
        raise Forbidden("This conversation belongs to another user")
    return conversation


async def search(principal: Principal, wanted: ConversationFilter) -> QuerySet[models.Conversation]:
    """Conversations of one user, or with all of the words somewhere in their title or messages."""
    if wanted.text and len(wanted.text) > _SEARCH_LENGTH:
        raise Invalid("text", f"must not be longer than {_SEARCH_LENGTH:,} characters")
    found = visible_to(principal)
    if wanted.external_user is not None:
        found = found.filter(external_user=wanted.external_user)
    if wanted.text and wanted.text.strip():
        async with connection() as bare:
            rows = await bare.fetch(
                f"SELECT DISTINCT conversation_id FROM messages WHERE workspace_id = $1 AND {_TEXT_SQL} LIMIT 10000",
                principal.workspace_id,
                wanted.text,
            )
        found = found.filter(Q(title__icontains=wanted.text.strip()) | Q(id__in=[row[0] for row in rows]))
    return found


async def create(
    principal: Principal,
    *,
    title: str | None = None,
    external_user: str | None = None,
    metadata: dict[str, object] | None = None,
) -> models.Conversation:
    check_user(external_user)
    _check_title(title)
    return await models.Conversation.create(
        workspace_id=principal.workspace_id, title=title, external_user=external_user, metadata=metadata or {}
    )


async def rename(principal: Principal, conversation_id: str, title: str) -> models.Conversation:
    if not title.strip():
        raise Invalid("title", "must not be empty")
    _check_title(title)
    conversation = await find(principal, conversation_id)
    conversation.title = title.strip()
    await conversation.save(update_fields=["title"])
    return conversation


async def delete(principal: Principal, conversation_id: str) -> models.Conversation:
    """Messages, turns and their events go with it; what was used stays on record."""
    conversation = await find(principal, conversation_id)
    await conversation.delete()
    return conversation


def check_user(external_user: str | None) -> None:
    if external_user is not None and len(external_user) > _USER_LENGTH:
        raise Invalid("externalUser", f"must not be longer than {_USER_LENGTH} characters")


def _check_title(title: str | None) -> None:
    if title is not None and len(title) > _GIVEN_TITLE_LENGTH:
        raise Invalid("title", f"must not be longer than {_GIVEN_TITLE_LENGTH} characters")


def title_from(question: str) -> str | None:
    """What a conversation is called until somebody names it: the beginning of its first question."""
    line = " ".join(question.split())
    return (line[:_TITLE_LENGTH] + "..." if len(line) > _TITLE_LENGTH else line) or None


async def paths_to(leaf_ids: Sequence[UUID], *, limit: int) -> list[list[UUID]]:
    """The ids of the last `limit` messages of each branch that ends in one of these messages, oldest first."""
    async with connection() as bare:
        rows = await bare.fetch(
            """
            WITH RECURSIVE path AS (
                SELECT id AS leaf, id, parent_id, 1 AS up FROM messages WHERE id = ANY($1::uuid[])
                UNION ALL
                SELECT path.leaf, messages.id, messages.parent_id, path.up + 1
                FROM path JOIN messages ON messages.id = path.parent_id WHERE path.up < $2
            )
            SELECT leaf, id FROM path ORDER BY up DESC
            """,
            list(leaf_ids),
            limit,
        )
    paths: dict[UUID, list[UUID]] = {leaf: [] for leaf in leaf_ids}
    for leaf, id in rows:
        paths[leaf].append(id)
    return [paths[leaf] for leaf in leaf_ids]


async def path_to(leaf_id: UUID | None, *, limit: int) -> list[models.Message]:
    """The messages of one branch, oldest first."""
    if leaf_id is None:
        return []
    [ids] = await paths_to([leaf_id], limit=limit)
    rows = {row.id: row for row in await models.Message.filter(id__in=ids)}
    return [rows[id] for id in ids if id in rows]
