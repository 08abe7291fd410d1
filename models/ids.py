"""Ids: UUIDv7 whose `rand_a` bits say what the id is of.

They are real, time-ordered UUIDs, so every API that documents "uuid" gets one, and `node(id:)` needs no table of types.
"""

import secrets
import threading
import time
from enum import IntEnum
from uuid import UUID

__all__ = ["Kind", "kind_of", "new_id", "parse_id"]


class Kind(IntEnum):
    """The twelve bits in an id. A number once given is never given again."""

    WORKSPACE = 0x001
    API_KEY = 0x002
    PROVIDER = 0x003
    MODEL = 0x004
    CONVERSATION = 0x005
    MESSAGE = 0x006
    TURN = 0x007
    USAGE = 0x008
    EMBEDDER = 0x010
    COLLECTION = 0x011
    CONTENT = 0x012
    KNOWLEDGE_DOCUMENT = 0x013
    CHUNK = 0x014
    RETRIEVAL_LOG = 0x015
    SYNC_SOURCE = 0x016
    SYNC_CATEGORY = 0x017
    SYNC_RECORD = 0x018
    RECOVERY_REQUEST = 0x019
    GATEWAY = 0x020
    SKILL = 0x021
    MEMORY = 0x022
    MODEL_ROUTE = 0x023
    MODEL_ROUTE_TARGET = 0x024
    BUDGET = 0x025


_lock = threading.Lock()
_last_nanoseconds = 0


def new_id(kind: Kind) -> UUID:
    """An id that sorts after every id made before it in this process.

    The top twenty of the 62 free bits count nanoseconds within the millisecond, the rest is random: ids are not
    secrets, they only must not collide.
    """
    global _last_nanoseconds
    with _lock:
        _last_nanoseconds = now = max(time.time_ns(), _last_nanoseconds + 1)
    milliseconds, nanoseconds = divmod(now, 1_000_000)
    tail = (nanoseconds << 42) | secrets.randbits(42)
    return UUID(int=(milliseconds << 80) | (0x7 << 76) | (int(kind) << 64) | (0b10 << 62) | tail)


_KINDS = {int(kind): kind for kind in Kind}


def kind_of(id: UUID) -> Kind | None:
    return _KINDS.get((id.int >> 64) & 0xFFF) if id.version == 7 else None


def parse_id(text: str) -> UUID | None:
    """The id in a text, or nothing when it is no id: the same answer as for an id that is not there."""
    try:
        return UUID(text)
    except ValueError:
        return None


# Defaults of primary keys. Migrations write a default down by its name, so each needs one.
def workspace_id() -> UUID:
    return new_id(Kind.WORKSPACE)


def api_key_id() -> UUID:
    return new_id(Kind.API_KEY)


def provider_id() -> UUID:
    return new_id(Kind.PROVIDER)


def model_id() -> UUID:
    return new_id(Kind.MODEL)


def conversation_id() -> UUID:
    return new_id(Kind.CONVERSATION)


def message_id() -> UUID:
    return new_id(Kind.MESSAGE)


def turn_id() -> UUID:
    return new_id(Kind.TURN)


def usage_id() -> UUID:
    return new_id(Kind.USAGE)


def embedder_id() -> UUID:
    return new_id(Kind.EMBEDDER)


def collection_id() -> UUID:
    return new_id(Kind.COLLECTION)


def content_id() -> UUID:
    return new_id(Kind.CONTENT)


def knowledge_document_id() -> UUID:
    return new_id(Kind.KNOWLEDGE_DOCUMENT)


def chunk_id() -> UUID:
    return new_id(Kind.CHUNK)


def retrieval_log_id() -> UUID:
    return new_id(Kind.RETRIEVAL_LOG)


def sync_source_id() -> UUID:
    return new_id(Kind.SYNC_SOURCE)


def sync_category_id() -> UUID:
    return new_id(Kind.SYNC_CATEGORY)


def sync_record_id() -> UUID:
    return new_id(Kind.SYNC_RECORD)


def recovery_request_id() -> UUID:
    return new_id(Kind.RECOVERY_REQUEST)


def gateway_id() -> UUID:
    return new_id(Kind.GATEWAY)


def skill_id() -> UUID:
    return new_id(Kind.SKILL)


def memory_id() -> UUID:
    return new_id(Kind.MEMORY)


def model_route_id() -> UUID:
    return new_id(Kind.MODEL_ROUTE)


def model_route_target_id() -> UUID:
    return new_id(Kind.MODEL_ROUTE_TARGET)


def budget_id() -> UUID:
    return new_id(Kind.BUDGET)
