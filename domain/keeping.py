"""Conversations that come through the gateway, kept in batches behind the answers.

A caller sends the whole of a conversation with each call. What it marks with the same `idempotency_key` is one stored
conversation: what is there already stays, what is new is added, and where it differs a branch grows, as it does when
somebody edits a message.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import takewhile
from typing import Any  # Rows are of any column's type.
from uuid import UUID

import asyncpg
import orjson

import models
from domain import conversations
from domain.entries import Entry, Spoken, Utterance
from domain.stored import stored_json, stored_text

__all__ = ["Place", "keep", "places"]

# More than this of one conversation is not compared: it begins anew.
_MOST_MESSAGES = 10_000
_NOBODY = "'00000000-0000-0000-0000-000000000000'"

# In an order that all processes share. Whoever else writes this conversation waits until this is done.
_PLACES = f"""
INSERT INTO conversations (id, workspace_id, api_key_id, idempotency_key, external_user, metadata, message_count,
                           created_at, last_activity_at)
SELECT DISTINCT ON (workspace_id, api_key_id, key)
       id, workspace_id, api_key_id, key, external_user, '{{}}'::jsonb, 0, at, at
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[])
     AS new (id, workspace_id, api_key_id, key, external_user, at)
ORDER BY workspace_id, api_key_id, key
ON CONFLICT (workspace_id, coalesce(api_key_id, {_NOBODY}), idempotency_key) WHERE idempotency_key IS NOT NULL
DO UPDATE SET last_activity_at = greatest(conversations.last_activity_at, excluded.last_activity_at)
RETURNING id, workspace_id, api_key_id, idempotency_key, leaf_id
"""

_KEEP = """
WITH conversation AS (
    INSERT INTO conversations (id, workspace_id, api_key_id, external_user, model_id, title, metadata, leaf_id,
                               message_count, last_response_ms, created_at, last_activity_at)
    SELECT new.id, new.workspace_id, api_key_id, external_user, models.id, title, metadata::jsonb, leaf_id,
           message_count, response_ms, started_at, finished_at
    FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::uuid[], $6::text[], $7::text[], $8::uuid[],
                $9::int[], $10::float8[], $11::timestamptz[], $12::timestamptz[])
         AS new (id, workspace_id, api_key_id, external_user, model_id, title, metadata, leaf_id, message_count,
                 response_ms, started_at, finished_at)
         LEFT JOIN models ON models.id = new.model_id
    ON CONFLICT (id) DO UPDATE
    SET external_user = coalesce(excluded.external_user, conversations.external_user), model_id = excluded.model_id,
        title = coalesce(conversations.title, excluded.title), leaf_id = excluded.leaf_id,
        metadata = conversations.metadata || excluded.metadata, message_count = excluded.message_count,
        last_response_ms = excluded.last_response_ms
), message AS (
    INSERT INTO messages (id, workspace_id, conversation_id, parent_id, turn_id, role, parts, text, created_at)
    SELECT id, workspace_id, conversation_id, parent_id, turn_id, role, parts::jsonb, text, at
    FROM unnest($13::uuid[], $14::uuid[], $15::uuid[], $16::uuid[], $17::uuid[], $18::text[], $19::text[], $20::text[],
                $21::timestamptz[])
         AS new (id, workspace_id, conversation_id, parent_id, turn_id, role, parts, text, at)
)
INSERT INTO turns (id, workspace_id, conversation_id, model_id, question_id, answer_id, continues, status, action,
                   provider_name, model_name, external_user, api_key_id, owner, lease_expires_at, last_sequence,
                   error_code, error_message, started_at, first_token_at, finished_at, response_ms)
SELECT new.id, new.workspace_id, conversation_id, models.id, question_id, answer_id, true, status, action,
       provider_name, model_name, external_user, api_key_id, $40, finished_at, 0,
       error_code, error_message, started_at, first_token_at, finished_at, response_ms
FROM unnest($22::uuid[], $23::uuid[], $24::uuid[], $25::uuid[], $26::uuid[], $27::uuid[], $28::text[], $29::text[],
            $30::text[], $31::text[], $32::text[], $33::uuid[], $34::text[], $35::text[], $36::timestamptz[],
            $37::timestamptz[], $38::timestamptz[], $39::float8[])
     AS new (id, workspace_id, conversation_id, model_id, question_id, answer_id, status, action, provider_name,
             model_name, external_user, api_key_id, error_code, error_message, started_at, first_token_at, finished_at,
             response_ms)
     LEFT JOIN models ON models.id = new.model_id
"""
_CONVERSATION_COLUMNS, _MESSAGE_COLUMNS, _TURN_COLUMNS = 12, 9, 18

_Key = tuple[UUID, UUID | None, str]


@dataclass(slots=True)
class Place:
    """Where a conversation that was brought before goes on: its messages as they are stored, oldest first."""

    id: UUID
    path: list[tuple[UUID, Utterance]] = field(default_factory=list)


async def places(bare: asyncpg.Connection, entries: Sequence[Entry]) -> dict[_Key, Place]:
    """Of the conversations that callers named. Locks them."""
    named = [entry for entry in entries if entry.spoken is not None and entry.spoken.idempotency_key]
    if not named:
        return {}
    rows = await bare.fetch(
        _PLACES,
        [models.new_id(models.Kind.CONVERSATION) for _ in named],
        *zip(*((*_key(entry), entry.external_user, entry.started_at) for entry in named), strict=True),
    )
    found = {(row["workspace_id"], row["api_key_id"], row["idempotency_key"]): Place(row["id"]) for row in rows}
    leaves = {row["leaf_id"]: (row["workspace_id"], row["api_key_id"], row["idempotency_key"]) for row in rows}
    stored = await bare.fetch(
        """
        WITH RECURSIVE path AS (
            SELECT id AS leaf, id, parent_id, 1 AS up FROM messages WHERE id = ANY($1::uuid[])
            UNION ALL
            SELECT path.leaf, messages.id, messages.parent_id, path.up + 1
            FROM path JOIN messages ON messages.id = path.parent_id WHERE path.up < $2
        )
        SELECT path.leaf, id, role, parts::text FROM path JOIN messages USING (id) ORDER BY up DESC
        """,
        [leaf for leaf in leaves if leaf],
        _MOST_MESSAGES,
    )
    for row in stored:
        found[leaves[row["leaf"]]].path.append((row["id"], Utterance(row["role"], orjson.loads(row["parts"]))))
    return found


async def keep(bare: asyncpg.Connection, owner: UUID, entries: Sequence[Entry], known: dict[_Key, Place]) -> None:
    rows = _Rows()
    for entry in entries:
        if (spoken := entry.spoken) is not None:
            place = known.get(_key(entry)) if spoken.idempotency_key else None
            rows.add(entry, spoken, place or Place(models.new_id(models.Kind.CONVERSATION)))
    if rows.turns:
        await bare.execute(
            _KEEP,
            *_columns(list(rows.conversations.values()), _CONVERSATION_COLUMNS),
            *_columns(rows.messages, _MESSAGE_COLUMNS),
            *_columns(rows.turns, _TURN_COLUMNS),
            owner,
        )


class _Rows:
    def __init__(self) -> None:
        # By id: several calls of one batch may be of the same conversation, and the last one says how it is.
        self.conversations: dict[UUID, tuple[Any, ...]] = {}
        self.messages: list[tuple[Any, ...]] = []
        self.turns: list[tuple[Any, ...]] = []

    def add(self, entry: Entry, spoken: Spoken, place: Place) -> None:
        asked = [*spoken.asked, spoken.answer] if spoken.answer is not None else list(spoken.asked)
        same = sum(1 for _ in takewhile(lambda pair: pair[0][1] == pair[1], zip(place.path, asked, strict=False)))
        del place.path[same:]
        for said in asked[same:]:
            self._add_message(entry, spoken, place, said)
        answer_id = place.path[-1][0] if spoken.answer is not None else models.new_id(models.Kind.MESSAGE)
        question_id = place.path[len(spoken.asked) - 1][0] if spoken.asked else answer_id
        principal, finished_at = entry.principal, entry.started_at + timedelta(milliseconds=entry.response_ms)
        self.conversations[place.id] = (
            place.id,
            principal.workspace_id,
            principal.key_id,
            entry.external_user,
            entry.model.id,
            _title(spoken),
            stored_json(spoken.metadata),
            place.path[-1][0] if place.path else None,
            len(place.path),
            entry.response_ms,
            entry.started_at,
            finished_at,
        )
        self.turns.append(
            (
                entry.id,
                principal.workspace_id,
                place.id,
                entry.model.id,
                question_id,
                answer_id,
                entry.status.value,
                entry.action,
                entry.provider_name,
                entry.model.name,
                entry.external_user,
                principal.key_id,
                entry.error_code,
                stored_text(entry.error_message) if entry.error_message else None,
                entry.started_at,
                entry.first_token_at,
                finished_at,
                entry.response_ms,
            )
        )

    def _add_message(self, entry: Entry, spoken: Spoken, place: Place, said: Utterance) -> None:
        id = models.new_id(models.Kind.MESSAGE)
        is_answer = said is spoken.answer
        finished_at = entry.started_at + timedelta(milliseconds=entry.response_ms)
        self.messages.append(
            (
                id,
                entry.principal.workspace_id,
                place.id,
                place.path[-1][0] if place.path else None,
                # What was said before was said in other turns, if in any of ours.
                entry.id if is_answer or said is spoken.asked[-1] else None,
                said.role,
                stored_json(said.parts),
                _text(said),
                finished_at if is_answer else entry.started_at,
            )
        )
        place.path.append((id, said))


def _key(entry: Entry) -> _Key:
    assert entry.spoken is not None
    return entry.principal.workspace_id, entry.principal.key_id, entry.spoken.idempotency_key or ""


def _columns(rows: Sequence[tuple[Any, ...]], count: int) -> Sequence[Sequence[Any]]:
    return list(zip(*rows, strict=True)) if rows else [()] * count


def _text(said: Utterance) -> str:
    return stored_text("".join(part.get("text", "") for part in said.parts if part["type"] == "text"))


def _title(spoken: Spoken) -> str | None:
    question = next((said for said in spoken.asked if said.role == "user"), None)
    return conversations.title_from(_text(question)) if question is not None else None
