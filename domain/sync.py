"""Sources that push their records: cached, turned into documents of a collection for each category, asked for again."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any  # A record's columns are open JSON.
from uuid import UUID

import asyncpg
import orjson
from tortoise.queryset import QuerySet

import models
from domain import collections, keys
from domain.checks import check_name, clean
from domain.collections import Chunking
from domain.identity import KeyKind, Principal
from domain.indexing import REBUILD, SWEEP, announce, lock
from domain.jobs import enqueue
from domain.storing import NewDocument, Stored, store
from errors import Conflict, Invalid, NotFound
from knowledge import read, split
from models import CollectionKind, RecoveryReason, RecoveryStatus
from models.database import connection, transaction

__all__ = [
    "MEDIA_TYPE",
    "CategoryTotals",
    "Pushed",
    "SyncSourceStatus",
    "create_source",
    "delete_record",
    "delete_source",
    "evict_older_than",
    "evict_record",
    "find_category",
    "fulfill",
    "heartbeat",
    "measure",
    "push",
    "rebuild",
    "register_category",
    "render",
    "request_recovery",
    "rotate_key",
    "source_of",
    "sources_visible_to",
    "status_of",
    "totals",
]

# A piece never holds two records, and fits into an answer with many others.
_SHARDS = Chunking(500, 0)
# Whatever a record's id looks like, its text is a text.
MEDIA_TYPE = "text/plain"
_CONNECTED = timedelta(minutes=5)
_NAME_CHARACTERS = 128
_ID_CHARACTERS = 512
_RECORDS_AT_ONCE = 2_000


class SyncSourceStatus(StrEnum):
    CONNECTED = "CONNECTED"
    STALE = "STALE"
    NEVER_CONNECTED = "NEVER_CONNECTED"


@dataclass(frozen=True, slots=True)
class CategoryTotals:
    rows: int = 0
    shards: int = 0
    characters: int = 0


@dataclass(frozen=True, slots=True)
class Pushed:
    stored: int
    skipped: int


# ---------------------------------------------------------------- sources


def sources_visible_to(principal: Principal) -> QuerySet[models.SyncSource]:
    found = models.SyncSource.filter(workspace_id=principal.workspace_id)
    return found if principal.source is None else found.filter(name=principal.source)


async def source_of(principal: Principal, source_id: str | None) -> models.SyncSource:
    """The one that is named, or the key's own: a key that is bound to a source sees no other."""
    if source_id is not None:
        id = models.parse_id(source_id)
        found = await sources_visible_to(principal).get_or_none(id=id) if id else None
        if found is None:
            raise NotFound("sync source", source_id)
        return found
    if principal.source is None:
        raise Invalid("sourceId", "must be given: this key belongs to no source")
    # A key made on the command line comes before its source.
    found, _ = await models.SyncSource.get_or_create(workspace_id=principal.workspace_id, name=principal.source)
    return found


async def create_source(principal: Principal, name: str) -> tuple[models.SyncSource, models.ApiKey, str]:
    name = check_name(name)
    if await models.SyncSource.exists(workspace_id=principal.workspace_id, name=name):
        raise Conflict(f"There is a sync source {name!r} already")
    async with transaction():
        source = await models.SyncSource.create(workspace_id=principal.workspace_id, name=name)
        return source, *await _new_key(principal, source)


async def rotate_key(principal: Principal, source_id: str | None) -> tuple[models.SyncSource, models.ApiKey, str]:
    source = await source_of(principal, source_id)
    async with transaction():
        await _end_keys(principal, source)
        return source, *await _new_key(principal, source)


async def delete_source(principal: Principal, source_id: str | None) -> UUID:
    source = await source_of(principal, source_id)
    async with transaction(), connection() as bare:
        await _end_keys(principal, source)
        rows = await bare.fetch(
            "UPDATE collections SET deleted_at = now() WHERE id IN"
            " (SELECT collection_id FROM sync_categories WHERE source_id = $1) RETURNING id",
            source.id,
        )
        await source.delete()
        await enqueue(bare, SWEEP, [row["id"].bytes for row in rows])
    return source.id


async def heartbeat(source: models.SyncSource) -> models.SyncSource:
    source.last_heartbeat_at = datetime.now(UTC)
    await source.save(update_fields=["last_heartbeat_at"])
    return source


def status_of(source: models.SyncSource) -> SyncSourceStatus:
    if source.last_heartbeat_at is None:
        return SyncSourceStatus.NEVER_CONNECTED
    is_fresh = datetime.now(UTC) - source.last_heartbeat_at < _CONNECTED
    return SyncSourceStatus.CONNECTED if is_fresh else SyncSourceStatus.STALE


async def _new_key(principal: Principal, source: models.SyncSource) -> tuple[models.ApiKey, str]:
    return await keys.create(principal.workspace_id, KeyKind.SSK, label=source.name, source=source.name)


async def _end_keys(principal: Principal, source: models.SyncSource) -> None:
    live = keys.visible_to(principal).filter(kind=KeyKind.SSK.value, source=source.name, revoked_at=None)
    for key in await live:
        await keys.revoke(principal, key.id)


# ---------------------------------------------------------------- categories


async def find_category(principal: Principal, source_id: str | None, name: str) -> models.SyncCategory:
    source = await source_of(principal, source_id)
    found = await models.SyncCategory.get_or_none(source_id=source.id, name=name)
    if found is None:
        raise NotFound("sync category", name)
    return found


async def register_category(
    principal: Principal,
    source_id: str | None,
    name: str,
    *,
    display_name: str | None,
    columns: Sequence[str] | None,
) -> tuple[models.SyncCategory, bool]:
    """What is None stays as it is; other columns make every chunk of the category anew."""
    source, name = await source_of(principal, source_id), _category_name(name)
    found = await models.SyncCategory.get_or_none(source_id=source.id, name=name)
    if found is None:
        return await _create_category(principal, source, name, display_name, columns or []), True
    changes = {"display_name": display_name or None, "columns": None if columns is None else _columns(columns)}
    changed = {key: value for key, value in changes.items() if value is not None and getattr(found, key) != value}
    for key, value in changed.items():
        setattr(found, key, value)
    found.updated_at = datetime.now(UTC)
    await found.save(update_fields=[*changed, "updated_at"])
    if "columns" in changed:
        await rebuild(found)
    return found, False


async def _create_category(
    principal: Principal, source: models.SyncSource, name: str, display_name: str | None, columns: Sequence[str]
) -> models.SyncCategory:
    async with transaction():
        collection = await collections.create(
            principal, f"{source.name}: {name}"[:256], kind=CollectionKind.SYNC, chunking=_SHARDS
        )
        return await models.SyncCategory.create(
            workspace_id=principal.workspace_id,
            source_id=source.id,
            collection_id=collection.id,
            name=name,
            display_name=display_name or name,
            columns=_columns(columns),
        )


def _category_name(name: str) -> str:
    name = name.strip()
    if not 0 < len(name) <= _NAME_CHARACTERS:
        raise Invalid("name", f"must have between 1 and {_NAME_CHARACTERS} characters")
    if name in (".", "..") or not all(character.isalnum() or character in " ._-:" for character in name):
        raise Invalid("name", "may have letters, digits, spaces and . _ - : in it, and nothing else")
    return name


def _columns(columns: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(clean(column) for column in columns))


async def totals(category_ids: Sequence[UUID]) -> list[CategoryTotals]:
    async with connection() as bare:
        rows = await bare.fetch(
            "SELECT category_id, count(*) AS rows, sum(shards) AS shards, sum(characters) AS characters"
            " FROM sync_records WHERE category_id = ANY($1::uuid[]) GROUP BY 1",
            list(category_ids),
        )
    found = {row["category_id"]: CategoryTotals(row["rows"], row["shards"], row["characters"]) for row in rows}
    return [found.get(id, CategoryTotals()) for id in category_ids]


# ---------------------------------------------------------------- records


@dataclass(frozen=True, slots=True)
class _Record:
    external_id: str
    payload: Mapping[str, Any]
    digest: str
    text: str
    shards: int


async def push(category: models.SyncCategory, records: Any) -> Pushed:
    """All of them or none. What is known already costs one comparison."""
    if not isinstance(records, list) or not records:
        raise Invalid("records", "must be a list of at least one object")
    checked = await asyncio.to_thread(_checked, records)
    latest = dict(checked)
    stored = 0
    external_ids = list(latest)
    async with transaction(), connection() as bare:
        await lock(bare, category.collection_id)
        for start in range(0, len(external_ids), _RECORDS_AT_ONCE):
            part = external_ids[start : start + _RECORDS_AT_ONCE]
            stored += await _push_some(bare, category, {id: latest[id] for id in part})
        await bare.execute("UPDATE sync_categories SET last_synced_at = now() WHERE id = $1", category.id)
    return Pushed(stored, len(records) - stored)


def _checked(records: Sequence[Any]) -> list[tuple[str, Mapping[str, Any]]]:
    found: list[tuple[str, Mapping[str, Any]]] = []
    for place, record in enumerate(records):
        if not isinstance(record, dict):
            raise Invalid(f"records[{place}]", "must be an object")
        id = record.get("id")
        if isinstance(id, bool) or not isinstance(id, str | int | float) or id == "":
            raise Invalid(f"records[{place}].id", "must be a text or a number")
        external_id = clean(str(id))
        if len(external_id) > _ID_CHARACTERS:
            raise Invalid(f"records[{place}].id", f"must not be longer than {_ID_CHARACTERS} characters")
        found.append((external_id, record))
    return found


async def _push_some(
    bare: asyncpg.Connection, category: models.SyncCategory, records: Mapping[str, Mapping[str, Any]]
) -> int:
    rows = await bare.fetch(
        "SELECT external_id, digest, payload IS NOT NULL AS is_cached FROM sync_records"
        " WHERE category_id = $1 AND external_id = ANY($2::text[])",
        category.id,
        list(records),
    )
    known = {row["external_id"]: (row["digest"], row["is_cached"]) for row in rows}
    rendered = await asyncio.to_thread(_rendered, category.columns, records, known)
    if not rendered:
        return 0
    collection = await models.Collection.get(id=category.collection_id)
    documents = [NewDocument(name=record.external_id, text=record.text, media_type=MEDIA_TYPE) for record in rendered]
    stored = await store(collection, documents)
    await _save_records(bare, category, rendered, stored)
    return len(rendered)


def _rendered(
    columns: Sequence[str], records: Mapping[str, Mapping[str, Any]], known: Mapping[str, tuple[str, bool]]
) -> list[_Record]:
    """Those that are new, changed, or known by their id alone."""
    found = []
    for external_id, payload in records.items():
        canonical = orjson.dumps(payload, option=orjson.OPT_SORT_KEYS)
        digest = hashlib.sha256(canonical).hexdigest()
        if known.get(external_id) == (digest, True):
            continue
        text = render(columns, payload)
        found.append(_Record(external_id, payload, digest, text, _shards(external_id, text)))
    return found


def _shards(external_id: str, text: str) -> int:
    """How many chunks it will make. Cutting takes less than telling somebody later."""
    document = read.plain(text, external_id, MEDIA_TYPE)
    return len(split.split(document, split.SplitSizes(_SHARDS.characters, _SHARDS.overlap)))


def render(columns: Sequence[str], payload: Mapping[str, Any]) -> str:
    """A line for each column that has something to say. A record that says nothing is found by its id."""
    names = columns or [name for name in payload if name != "id"]
    lines = [f"{name}: {_value(payload[name])}" for name in names if payload.get(name) not in (None, "")]
    return clean("\n".join(lines)) if lines else f"id: {clean(str(payload['id']))}"


def _value(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


async def _save_records(
    bare: asyncpg.Connection, category: models.SyncCategory, records: Sequence[_Record], stored: Sequence[Stored]
) -> None:
    await bare.execute(
        """
        INSERT INTO sync_records (id, workspace_id, category_id, external_id, digest, payload, document_id, characters,
                                  shards, updated_at)
        SELECT id, $1, $2, external_id, digest, payload::jsonb, document_id, characters, shards, now()
        FROM unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::uuid[], $8::int[], $9::int[])
             AS new (id, external_id, digest, payload, document_id, characters, shards)
        ON CONFLICT (category_id, external_id) DO UPDATE
        SET digest = excluded.digest, payload = excluded.payload, document_id = excluded.document_id,
            characters = excluded.characters, shards = excluded.shards, updated_at = now()
        """,
        category.workspace_id,
        category.id,
        [models.new_id(models.Kind.SYNC_RECORD) for _ in records],
        [record.external_id for record in records],
        [record.digest for record in records],
        [orjson.dumps(record.payload).decode().replace("\\u0000", "") for record in records],
        [each.document_id for each in stored],
        [len(record.text) for record in records],
        [record.shards for record in records],
    )


async def measure(records: Sequence[models.SyncRecord], texts: Sequence[str]) -> None:
    """Note how long records are now that they are rendered otherwise."""
    shards = await asyncio.to_thread(
        lambda: [_shards(record.external_id, text) for record, text in zip(records, texts, strict=True)]
    )
    async with connection() as bare:
        await bare.execute(
            "UPDATE sync_records r SET characters = new.characters, shards = new.shards"
            " FROM unnest($1::uuid[], $2::int[], $3::int[]) AS new (id, characters, shards) WHERE r.id = new.id",
            [record.id for record in records],
            [len(text) for text in texts],
            shards,
        )


async def delete_record(category: models.SyncCategory, external_id: str) -> None:
    async with transaction(), connection() as bare:
        await lock(bare, category.collection_id)
        await _drop_records(bare, category, [external_id])


async def _drop_records(bare: asyncpg.Connection, category: models.SyncCategory, external_ids: list[str]) -> None:
    rows = await bare.fetch(
        "DELETE FROM sync_records WHERE category_id = $1 AND external_id = ANY($2::text[]) RETURNING document_id",
        category.id,
        external_ids,
    )
    if not rows:
        raise NotFound("sync record", external_ids[0])
    await bare.execute(
        "UPDATE knowledge_documents SET deleted_at = now() WHERE id = ANY($1::uuid[])",
        [row["document_id"] for row in rows],
    )
    await enqueue(bare, SWEEP, [category.collection_id.bytes])
    await announce(bare, category.collection_id)


async def evict_record(category: models.SyncCategory, external_id: str) -> None:
    """What it says goes; that it is there, and what is found of it, stays."""
    async with connection() as bare:
        done = await bare.execute(
            "UPDATE sync_records SET payload = NULL WHERE category_id = $1 AND external_id = $2",
            category.id,
            external_id,
        )
    if done == "UPDATE 0":
        raise NotFound("sync record", external_id)


async def evict_older_than(days: float) -> None:
    async with connection() as bare:
        await bare.execute(
            "UPDATE sync_records SET payload = NULL"
            " WHERE payload IS NOT NULL AND updated_at < now() - make_interval(secs => $1)",
            days * 86_400,
        )


# ---------------------------------------------------------------- what is not here any more


async def rebuild(category: models.SyncCategory) -> int:
    """Make every chunk anew from what is cached; how many records had to be asked for."""
    async with transaction(), connection() as bare:
        await lock(bare, category.collection_id)
        rows = await bare.fetch(
            "SELECT external_id FROM sync_records WHERE category_id = $1 AND payload IS NULL", category.id
        )
        await enqueue(bare, REBUILD, [category.id.bytes])
        await _ask_for(bare, category.workspace_id, category.id, [row[0] for row in rows], RecoveryReason.REBUILD)
    return len(rows)


async def request_recovery(workspace_id: UUID, category_id: UUID, external_ids: Sequence[str]) -> None:
    async with connection() as bare:
        await _ask_for(bare, workspace_id, category_id, external_ids, RecoveryReason.CACHE_MISS)


async def _ask_for(
    bare: asyncpg.Connection,
    workspace_id: UUID,
    category_id: UUID,
    external_ids: Sequence[str],
    reason: RecoveryReason,
) -> None:
    """A record that has been asked for already is not asked for twice."""
    await bare.execute(
        """
        INSERT INTO recovery_requests (id, workspace_id, category_id, external_id, reason, status, created_at)
        SELECT id, $1, $2, external_id, $3, 'PENDING', now()
        FROM unnest($4::uuid[], $5::text[]) AS new (id, external_id) ON CONFLICT DO NOTHING
        """,
        workspace_id,
        category_id,
        reason.value,
        [models.new_id(models.Kind.RECOVERY_REQUEST) for _ in external_ids],
        list(external_ids),
    )


async def fulfill(principal: Principal, source_id: str | None, request_id: str) -> models.RecoveryRequest:
    """A record that is still missing does not exist any more: its source would have sent it."""
    source, id = await source_of(principal, source_id), models.parse_id(request_id)
    found = await models.RecoveryRequest.get_or_none(id=id, category__source_id=source.id) if id else None
    if found is None:
        raise NotFound("recovery request", request_id)
    if found.status is RecoveryStatus.FULFILLED:
        return found
    category = await models.SyncCategory.get(id=found.category_id)
    async with transaction(), connection() as bare:
        await lock(bare, category.collection_id)
        record = await models.SyncRecord.get_or_none(category_id=category.id, external_id=found.external_id)
        if record is not None and record.payload is None:
            await _drop_records(bare, category, [found.external_id])
        found.status, found.fulfilled_at = RecoveryStatus.FULFILLED, datetime.now(UTC)
        await found.save(update_fields=["status", "fulfilled_at"])
    return found
