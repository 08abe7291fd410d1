"""The documents of a collection: found, listed by a little language of filters, changed and deleted."""

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any  # Document metadata is open JSON.
from uuid import UUID

from tortoise.exceptions import IntegrityError
from tortoise.expressions import Q, Subquery
from tortoise.queryset import QuerySet

import models
from domain.checks import check_metadata, check_name, check_reference, check_tags, clean
from domain.identity import Principal
from domain.indexing import SWEEP, announce, cancel_pending, requeue
from domain.jobs import enqueue
from errors import Invalid, NotFound
from models import CollectionKind, IndexState
from models.database import connection, transaction

__all__ = [
    "DocumentFilter",
    "cancel",
    "change",
    "delete",
    "find",
    "matching",
    "parse_expression",
    "retry",
    "visible_to",
]


@dataclass(frozen=True, slots=True)
class DocumentFilter:
    """Everything given must hold."""

    states: tuple[IndexState, ...] = ()
    tags: tuple[str, ...] = ()
    reference: str | None = None
    category: str | None = None
    name_contains: tuple[str, ...] = ()
    text_contains: tuple[str, ...] = ()
    id_contains: tuple[str, ...] = ()
    ids: tuple[UUID, ...] | None = None


class _Switch(StrEnum):
    TAG = "-t"
    REFERENCE = "-r"
    TEXT = "-c"
    NAME = "-n"
    ID = "-i"


def parse_expression(expression: str) -> DocumentFilter:
    """`-t tag -r reference -c "words in the text" -n name -i id`; words without a switch are part of the name."""
    try:
        words = shlex.split(expression)
    except ValueError:
        raise Invalid("filter", "has a quotation mark that is not closed") from None
    found: dict[str, list[str]] = {switch: [] for switch in _Switch}
    bare: list[str] = []
    rest = iter(words)
    for word in rest:
        if word in found:
            value = next(rest, None)
            if value is None:
                raise Invalid("filter", f"ends with {word}, which needs a value")
            found[word].append(value)
        else:
            bare.append(word)
    if len(found[_Switch.REFERENCE]) > 1:
        raise Invalid("filter", "can name one reference only")
    names = found[_Switch.NAME] + ([" ".join(bare)] if bare else [])
    return DocumentFilter(
        tags=tuple(found[_Switch.TAG]),
        reference=next(iter(found[_Switch.REFERENCE]), None),
        name_contains=tuple(names),
        text_contains=tuple(found[_Switch.TEXT]),
        id_contains=tuple(found[_Switch.ID]),
    )


def visible_to(principal: Principal) -> QuerySet[models.KnowledgeDocument]:
    return models.KnowledgeDocument.filter(
        workspace_id=principal.workspace_id, deleted_at=None, collection__deleted_at=None
    )


async def find(
    principal: Principal, document_id: str, *, collection_id: str | None = None, in_library: bool = False
) -> models.KnowledgeDocument:
    id = models.parse_id(document_id)
    wanted = visible_to(principal)
    if collection_id is not None:
        wanted = wanted.filter(collection_id=models.parse_id(collection_id) or UUID(int=0))
    if in_library:
        wanted = wanted.filter(collection__kind=CollectionKind.LIBRARY)
    found = await wanted.get_or_none(id=id) if id else None
    if found is None:
        raise NotFound("document", document_id)
    return found


def matching(rows: QuerySet[models.KnowledgeDocument], wanted: DocumentFilter) -> QuerySet[models.KnowledgeDocument]:
    if wanted.states:
        rows = rows.filter(state__in=list(wanted.states))
    if wanted.tags:
        rows = rows.filter(tags__contains=list(wanted.tags))
    if wanted.reference is not None:
        rows = rows.filter(reference=wanted.reference)
    if wanted.category is not None:
        rows = rows.filter(category=wanted.category)
    for part in wanted.name_contains:
        rows = rows.filter(name__icontains=part)
    if wanted.text_contains:
        # By itself, so that the columns of documents and of contents are not taken for each other.
        saying = rows.filter(Q(*(Q(content__text__icontains=part) for part in wanted.text_contains)))
        rows = rows.filter(id__in=Subquery(saying.values("id")))
    for part in wanted.id_contains:
        rows = rows.filter(_id_contains(part))
    return rows


def _id_contains(part: str) -> Q:
    return Q(id__contains=part.lower())


async def change(found: models.KnowledgeDocument, changes: Mapping[str, Any]) -> models.KnowledgeDocument:
    """What is said about a document; what it says itself stays, and nothing is embedded again."""
    checked = {name: _CHECKS[name](value) for name, value in changes.items()}
    if "name" in checked and found.key is not None:
        checked["key"] = checked["name"]
    for name, value in checked.items():
        setattr(found, name, value)
    found.updated_at = datetime.now(UTC)
    try:
        await found.save(update_fields=[*checked, "updated_at"])
    except IntegrityError:
        raise Invalid("name", f"{found.name!r} is taken by another document of this collection") from None
    return found


async def delete(document: models.KnowledgeDocument) -> None:
    """No answer sees it from now on; its rows go later."""
    async with transaction(), connection() as bare:
        await bare.execute("UPDATE knowledge_documents SET deleted_at = now() WHERE id = $1", document.id)
        await enqueue(bare, SWEEP, [document.collection_id.bytes])
        await announce(bare, document.collection_id)


async def retry(document: models.KnowledgeDocument) -> models.KnowledgeDocument:
    """Nothing happens to a document that is queued or indexed already."""
    await requeue(document.collection_id, [IndexState.FAILED, IndexState.CANCELLED], document_id=document.id)
    await document.refresh_from_db()
    return document


async def cancel(document: models.KnowledgeDocument) -> models.KnowledgeDocument:
    await cancel_pending(document.collection_id, document_id=document.id)
    await document.refresh_from_db()
    return document


def _text(text: str | None) -> str | None:
    return clean(text) if text else None


_CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "name": check_name,
    "reference": check_reference,
    "category": _text,
    "description": _text,
    "tags": check_tags,
    "metadata": check_metadata,
}
