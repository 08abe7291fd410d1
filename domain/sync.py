"""Sources that push their records, a collection for each category of them, and what they are asked for again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from tortoise.queryset import QuerySet

import models
from domain import collections, keys, sync_records
from domain.checks import check_name, clean
from domain.identity import KeyKind, Principal
from domain.indexing import SWEEP, lock
from domain.jobs import enqueue
from errors import Conflict, Invalid, NotFound
from models import CollectionKind, RecoveryStatus
from models.database import connection, transaction

__all__ = [
    "CategoryTotals",
    "SyncSourceStatus",
    "create_source",
    "delete_source",
    "find_category",
    "fulfill",
    "heartbeat",
    "register_category",
    "rotate_key",
    "source_of",
    "sources_visible_to",
    "status_of",
    "totals",
]

_CONNECTED = timedelta(minutes=5)
_NAME_CHARACTERS = 128


class SyncSourceStatus(StrEnum):
    CONNECTED = "CONNECTED"
    STALE = "STALE"
    NEVER_CONNECTED = "NEVER_CONNECTED"


@dataclass(frozen=True, slots=True)
class CategoryTotals:
    rows: int = 0
    shards: int = 0
    characters: int = 0


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
        await sync_records.rebuild(found)
    return found, False


async def _create_category(
    principal: Principal, source: models.SyncSource, name: str, display_name: str | None, columns: Sequence[str]
) -> models.SyncCategory:
    async with transaction():
        collection = await collections.create(
            principal, f"{source.name}: {name}"[:256], kind=CollectionKind.SYNC, chunking=sync_records.SHARDS
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
            await sync_records.drop(bare, category, [found.external_id])
        found.status, found.fulfilled_at = RecoveryStatus.FULFILLED, datetime.now(UTC)
        await found.save(update_fields=["status", "fulfilled_at"])
    return found
