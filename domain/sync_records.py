"""The records of a sync category: cached, turned into documents, forgotten, and asked for again."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any  # A record's columns are open JSON.
from uuid import UUID

import asyncpg
import orjson

import models
from domain.checks import clean
from domain.collections import Chunking
from domain.indexing import REBUILD, SWEEP, announce, lock
from domain.jobs import enqueue
from domain.stored import stored_json
from domain.storing import NewDocument, Stored, store
from errors import Invalid, NotFound
from knowledge import read, split
from models import RecoveryReason
from models.database import connection, transaction

__all__ = [
    "MEDIA_TYPE",
    "SHARDS",
    "Pushed",
    "delete",
    "drop",
    "evict",
    "evict_older_than",
    "measure",
    "push",
    "rebuild",
    "render",
    "request_recovery",
]

# A piece never holds two records, and fits into an answer with many others.
SHARDS = Chunking(500, 0)
# Whatever a record's id looks like, its text is a text.
MEDIA_TYPE = "text/plain"
_ID_CHARACTERS = 512
_RECORDS_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class Pushed:
    stored: int
    skipped: int


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
    return len(split.split(document, split.SplitSizes(SHARDS.characters, SHARDS.overlap)))


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
        [stored_json(record.payload) for record in records],
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


async def delete(category: models.SyncCategory, external_id: str) -> None:
    async with transaction(), connection() as bare:
        await lock(bare, category.collection_id)
        await drop(bare, category, [external_id])


async def drop(bare: asyncpg.Connection, category: models.SyncCategory, external_ids: list[str]) -> None:
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


async def evict(category: models.SyncCategory, external_id: str) -> None:
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
