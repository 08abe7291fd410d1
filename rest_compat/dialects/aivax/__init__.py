"""AIVAX: collections, their documents and the search over them. Errors are `{"error": …, "details": …}`."""

from base64 import b64decode
from pathlib import Path

from starlette.requests import HTTPConnection

from rest_compat.dialect import Dialect, Failure, Refusal

__all__ = ["AIVAX"]

_WORDS = {
    # Being indexed is not told from waiting, nor a failure from a cancellation.
    ("IndexState", "INDEXING"): "Queued",
    ("IndexState", "FAILED"): "Cancelled",
    ("Outcome", "UNCHANGED"): "NotModified",
    ("SearchMethod", "HYBRID"): "rrf",
    ("SearchMethod", "WORDS"): "lexical",
    ("SearchMethod", "MEANING"): "none",
}


def spell(enum: str, value: str) -> str:
    if enum == "DocumentOrder":
        return value.lower() + ("e" if value.endswith("_ASC") else "")
    return _WORDS.get((enum, value)) or "".join(word.capitalize() for word in value.split("_"))


def key_of(connection: HTTPConnection) -> str | None:
    """`Bearer <key>`, `Basic` with the key as its password, the key alone, or `?api-key=`."""
    scheme, _, given = connection.headers.get("authorization", "").strip().rpartition(" ")
    if scheme.lower() == "basic":
        given = _password(given)
    return given or connection.query_params.get("api-key")


def _password(credentials: str) -> str:
    try:
        return b64decode(credentials, validate=True).decode().partition(":")[2]
    except ValueError:
        # No key either; it is refused as one that nobody knows.
        return credentials


def refuse(failure: Failure) -> Refusal:
    details = {"fields": failure.facts["fields"]} if "fields" in failure.facts else None
    return Refusal(failure.status, {"error": failure.message, "details": details})


AIVAX = Dialect(
    name="aivax",
    title="AIVAX",
    description="Collections of documents, and what is found in them.",
    folder=Path(__file__).parent,
    prefixes=("/api/v1",),
    key=key_of,
    key_kinds={"/api/v1": frozenset({"SK", "OWNER", "LOCAL"})},
    security={
        "bearer": {"type": "http", "scheme": "bearer", "description": "An `sk-` key."},
        "query": {"type": "apiKey", "in": "query", "name": "api-key", "description": "The same key."},
    },
    refuse=refuse,
    error_schema={
        "type": "object",
        "required": ["error", "details"],
        "properties": {
            "error": {"type": "string", "description": "What went wrong, in a sentence."},
            "details": {"type": ["object", "null"], "description": "Which fields of the request are wrong, and how."},
        },
        "additionalProperties": False,
    },
    statuses={
        401: "The key is missing, unknown or expired",
        403: "The key is of another kind",
        500: "Something unforeseen",
        503: "The database is away",
    },
    spell=spell,
    json_media_type="application/json; charset=utf-8",
)
