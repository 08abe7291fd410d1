"""Putting documents into a collection: in one statement per table, however many they are.

What is stored is queued in the same transaction: a document is never there without somebody who will index it.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any  # Metadata is open JSON.
from uuid import UUID

import asyncpg
import orjson

import models
from domain.checks import check_metadata, check_name, check_reference, check_tags, clean
from domain.indexing import SWEEP, announce, enqueue_documents, lock
from domain.jobs import enqueue
from domain.stored import stored_json
from errors import Invalid
from knowledge import read
from knowledge.read.formats import sort_of
from knowledge.rows import BY_KEY_SQL
from models import CollectionKind
from models.database import connection, transaction

__all__ = ["NewDocument", "Outcome", "Stored", "add", "store", "upsert"]

# Who pushes many small pieces one after another is swept once for several of them.
_SWEEP_SECONDS = 3


class Outcome(StrEnum):
    CREATED = "CREATED"
    MODIFIED = "MODIFIED"
    UNCHANGED = "UNCHANGED"


@dataclass(frozen=True, slots=True)
class NewDocument:
    """A text, or a file that will be read later."""

    name: str
    text: str | None = None
    source: Path | bytes | None = None
    media_type: str | None = None
    title: str | None = None
    reference: str | None = None
    category: str | None = None
    description: str | None = None
    tags: Sequence[str] = ()
    metadata: Any = None


@dataclass(frozen=True, slots=True)
class Stored:
    document_id: UUID
    outcome: Outcome
    # Whether it says something else than before, and so has to be indexed.
    is_queued: bool


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A document as its columns."""

    name: str
    digest: str
    media_type: str | None
    title: str | None
    text: str | None
    source: bytes | None
    characters: int
    words: int
    reference: str | None
    category: str | None
    description: str | None
    tags: str
    metadata: str
    id: UUID = field(default_factory=lambda: models.new_id(models.Kind.KNOWLEDGE_DOCUMENT))


async def add(collection: models.Collection, document: NewDocument) -> models.KnowledgeDocument:
    """A new document. Only a library may hold two of one name."""
    [stored] = await store(collection, [document], replace=False)
    return await models.KnowledgeDocument.get(id=stored.document_id)


async def upsert(collection: models.Collection, document: NewDocument) -> tuple[models.KnowledgeDocument, Outcome]:
    [stored] = await store(collection, [document])
    return await models.KnowledgeDocument.get(id=stored.document_id), stored.outcome


async def store(
    collection: models.Collection,
    documents: Sequence[NewDocument],
    *,
    replace: bool = True,
    also: "Also | None" = None,
) -> list[Stored]:
    """All of them or none, in the order given; of several with one name the last one stays.

    `also` is what has to be written with them, in the same transaction.
    """
    prepared = await asyncio.to_thread(_prepare_all, documents)
    keyed = collection.kind is not CollectionKind.LIBRARY
    latest = {each.name if keyed else str(each.id): each for each in prepared}
    async with transaction(), connection() as bare:
        await bare.execute(BY_KEY_SQL)
        await lock(bare, collection.id)
        contents = await _store_contents(bare, collection, latest.values())
        there = await _existing(bare, collection, list(latest)) if keyed else {}
        if there and not replace:
            raise Invalid("name", f"{next(iter(there))!r} is taken by another document of this collection")
        outcomes = {key: _outcome(each, contents[each.digest], there.get(key)) for key, each in latest.items()}
        new = [(key, latest[key]) for key, stored in outcomes.items() if stored.outcome is Outcome.CREATED]
        changed = [(key, latest[key]) for key, stored in outcomes.items() if stored.outcome is Outcome.MODIFIED]
        if new:
            await _insert(bare, collection, new, contents)
        if changed:
            await _update(bare, changed, contents, outcomes)
        queued = [(outcomes[key].document_id, _weight(each)) for key, each in latest.items() if outcomes[key].is_queued]
        await enqueue_documents(bare, queued)
        if any(outcomes[key].is_queued for key, _ in changed):
            await enqueue(bare, SWEEP, [collection.id.bytes], after_seconds=_SWEEP_SECONDS)
        await announce(bare, collection.id)
        if also is not None:
            await also(bare, outcomes)
    return _in_order(prepared, latest, outcomes, keyed)


Also = Callable[[asyncpg.Connection, dict[str, Stored]], Awaitable[None]]


def _in_order(
    prepared: Sequence[_Prepared], latest: dict[str, _Prepared], outcomes: dict[str, Stored], keyed: bool
) -> list[Stored]:
    found = []
    for each in prepared:
        key = each.name if keyed else str(each.id)
        stored = outcomes[key]
        is_last = latest[key] is each
        found.append(stored if is_last else Stored(stored.document_id, Outcome.UNCHANGED, is_queued=False))
    return found


# ---------------------------------------------------------------- one document


def _prepare_all(documents: Sequence[NewDocument]) -> list[_Prepared]:
    return [_prepare(document) for document in documents]


def _prepare(document: NewDocument) -> _Prepared:
    name = check_name(document.name)
    text = None if document.text is None else clean(document.text)
    if text is not None and not text.strip():
        raise Invalid("text", "must not be empty")
    source = _loaded(document.source)
    counts = read.count(text) if text is not None else None
    return _Prepared(
        name=name,
        digest=_digest(name, document, text, source),
        media_type=document.media_type,
        title=document.title,
        text=text,
        source=source,
        characters=counts.characters if counts else 0,
        words=counts.words if counts else 0,
        reference=check_reference(document.reference),
        category=document.category or None,
        description=document.description,
        tags=orjson.dumps(check_tags(document.tags)).decode(),
        metadata=stored_json(check_metadata(document.metadata)),
    )


def _loaded(source: Path | bytes | None) -> bytes | None:
    """Not even read when it is larger than what would be read of it later."""
    if not isinstance(source, Path):
        return source
    most = read.Limits().file_bytes
    if source.stat().st_size > most:
        raise Invalid("file", f"must not be larger than {most / 1e6:,.0f} MB")
    return source.read_bytes()


def _digest(name: str, document: NewDocument, text: str | None, source: bytes | None) -> str:
    """Of all that its chunks depend on: what it says, and how it is read and cut."""
    head = text[:8192].encode(errors="replace") if text is not None else (source or b"")[:8192]
    sort = sort_of(head, name, document.media_type)
    kind = orjson.dumps([sort.format, sort.language, document.title, text is None])
    return hashlib.sha256(kind + b"\0" + (text.encode() if text is not None else source or b"")).hexdigest()


def _weight(document: _Prepared) -> int:
    return document.characters or len(document.source or b"")


def _outcome(document: _Prepared, content_id: UUID, there: asyncpg.Record | None) -> Stored:
    if there is None:
        return Stored(document.id, Outcome.CREATED, is_queued=True)
    if there["content_id"] != content_id:
        return Stored(there["id"], Outcome.MODIFIED, is_queued=True)
    if there["state"] in ("FAILED", "CANCELLED"):
        # Sent again as it was: somebody wants it after all.
        return Stored(there["id"], Outcome.MODIFIED, is_queued=True)
    same = all(there[name] == getattr(document, name) for name in ("reference", "category", "description")) and all(
        orjson.loads(there[name]) == orjson.loads(getattr(document, name)) for name in ("tags", "metadata")
    )
    return Stored(there["id"], Outcome.UNCHANGED if same else Outcome.MODIFIED, is_queued=False)


# ---------------------------------------------------------------- many rows

_CONTENT_COLUMNS = (
    "id", "workspace_id", "collection_id", "digest", "name", "media_type", "title", "source", "text", "characters",
    "words", "created_at",
)  # fmt: skip
_DOCUMENT_COLUMNS = (
    "id", "workspace_id", "collection_id", "content_id", "key", "name", "reference", "category", "description", "tags",
    "metadata", "state", "created_at", "updated_at",
)  # fmt: skip


async def _store_contents(
    bare: asyncpg.Connection, collection: models.Collection, documents: Iterable[_Prepared]
) -> dict[str, UUID]:
    """Ids by digest; what says what is there already adds nothing."""
    distinct = {document.digest: document for document in documents}
    known = await bare.fetch(
        "SELECT digest, id FROM contents WHERE collection_id = $1 AND digest = ANY($2::text[])",
        collection.id,
        list(distinct),
    )
    ids = {row["digest"]: row["id"] for row in known}
    new = [document for digest, document in distinct.items() if digest not in ids]
    ids |= {document.digest: models.new_id(models.Kind.CONTENT) for document in new}
    here, now = (collection.workspace_id, collection.id), datetime.now(UTC)
    rows = [
        (ids[each.digest], *here, each.digest, each.name, each.media_type, each.title, each.source, each.text,
         each.characters, each.words, now)
        for each in new
    ]  # fmt: skip
    if rows:
        await bare.copy_records_to_table("contents", columns=_CONTENT_COLUMNS, records=rows)
    return ids


async def _existing(
    bare: asyncpg.Connection, collection: models.Collection, keys: list[str]
) -> dict[str, asyncpg.Record]:
    """Looked up key by key: an index with another order looks as good to the planner while a table is being filled."""
    rows = await bare.fetch(
        """
        SELECT d.* FROM unnest($2::text[]) AS wanted (key) CROSS JOIN LATERAL (
            SELECT key, id, content_id, state, reference, category, description, tags, metadata
            FROM knowledge_documents d
            WHERE d.collection_id = $1 AND d.key = wanted.key AND d.deleted_at IS NULL LIMIT 1
        ) AS d
        """,
        collection.id,
        keys,
    )
    return {row["key"]: row for row in rows}


async def _insert(
    bare: asyncpg.Connection,
    collection: models.Collection,
    new: Sequence[tuple[str, _Prepared]],
    contents: dict[str, UUID],
) -> None:
    is_keyed = collection.kind is not CollectionKind.LIBRARY
    here, now = (collection.workspace_id, collection.id), datetime.now(UTC)
    rows = [
        (each.id, *here, contents[each.digest], key if is_keyed else None, each.name, each.reference, each.category,
         each.description, each.tags, each.metadata, "QUEUED", now, now)
        for key, each in new
    ]  # fmt: skip
    await bare.copy_records_to_table("knowledge_documents", columns=_DOCUMENT_COLUMNS, records=rows)


async def _update(
    bare: asyncpg.Connection,
    changed: Sequence[tuple[str, _Prepared]],
    contents: dict[str, UUID],
    outcomes: dict[str, Stored],
) -> None:
    documents = [document for _, document in changed]
    await bare.execute(
        """
        UPDATE knowledge_documents d
        SET content_id = new.content_id, reference = new.reference, category = new.category,
            description = new.description, tags = new.tags::jsonb, metadata = new.metadata::jsonb,
            state = CASE WHEN queued THEN 'QUEUED' ELSE state END,
            failure = CASE WHEN queued THEN NULL ELSE failure END,
            indexed_at = CASE WHEN queued THEN NULL ELSE indexed_at END, updated_at = now()
        FROM unnest($1::uuid[], $2::uuid[], $3::bool[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
             AS new (id, content_id, queued, reference, category, description, tags, metadata)
        WHERE d.id = new.id
        """,
        [outcomes[key].document_id for key, _ in changed],
        [contents[document.digest] for document in documents],
        [outcomes[key].is_queued for key, _ in changed],
        *_columns(documents, "reference", "category", "description", "tags", "metadata"),
    )


def _columns(documents: Sequence[_Prepared], *names: str) -> list[list[Any]]:
    return [[getattr(document, name) for document in documents] for name in names]
