"""AIVAX: inference on OpenAI's wire, gateways, skills, collections, accounts.

Errors are `{"error": …, "details": …}`, and on OpenAI's wire as OpenAI has them.
"""

import json
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from starlette.requests import HTTPConnection

from rest_compat.dialect import Dialect, EventNames, EventStream, Failure, Frame, Refusal

__all__ = ["AIVAX"]

_WORDS = {
    # Being indexed is not told from waiting, nor a failure from a cancellation.
    ("IndexState", "INDEXING"): "Queued",
    ("IndexState", "FAILED"): "Cancelled",
    ("Outcome", "UNCHANGED"): "NotModified",
    ("SearchMethod", "HYBRID"): "rrf",
    ("SearchMethod", "WORDS"): "lexical",
    ("SearchMethod", "MEANING"): "none",
    ("McpAccess", "READ"): "no",
    ("McpAccess", "WRITE"): "yes",
    # Documented as it reads: to say `none` is to want them.
    ("McpReferences", "INCLUDED"): "none",
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


# What OpenAI's clients tell kinds of failures by.
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    413: "invalid_request_error",
    415: "invalid_request_error",
    429: "rate_limit_error",
}
_CODES = {401: "invalid_api_key", 402: "insufficient_quota", 429: "rate_limit_exceeded"}
# What one endpoint is documented to call otherwise than all the rest.
_STATUSES: Mapping[tuple[str | None, str], int] = {("DeleteApiKey", "not_found"): 400}
# The administrative paths that speak OpenAI's wire all the same.
_OPENAI_PATHS = ("/v1", "/api/v1/chat/completions", "/api/v1/models")


def refuse(failure: Failure) -> Refusal:
    if failure.path.startswith(_OPENAI_PATHS):
        # OpenAI's clients wait and ask again when they are told that it is too much, whoever it was too much for.
        status = 429 if failure.code == "provider_rate_limited" else failure.status
        return Refusal(status, {"error": openai_error(replace(failure, status=status))})
    details = {"fields": failure.facts["fields"]} if "fields" in failure.facts else None
    status = _STATUSES.get((failure.operation, failure.code), failure.status)
    return Refusal(status, {"error": failure.message, "details": details})


def openai_error(failure: Failure) -> dict[str, object]:
    fields = failure.facts.get("fields")
    param = fields[0]["path"] or None if isinstance(fields, list) and fields else None
    return {
        "message": failure.message,
        "type": _TYPES.get(failure.status, "server_error"),
        "param": param,
        "code": _CODES.get(failure.status, failure.code),
    }


def break_off(failure: Failure) -> tuple[Frame, ...]:
    """After the first chunk. What failed is told as far as it may be: the message is safe to show."""
    choice = {"index": 0, "finish_reason": "error", "delta": {"content": ""}}
    code = "server_error" if failure.status >= 500 else failure.code
    return (
        Frame(
            {
                "object": "chat.completion.chunk",
                "choices": [choice],
                "error": {"code": code, "message": failure.message},
            }
        ),
    )


def wants_pings(connection: HTTPConnection) -> bool:
    return connection.headers.get("sse-stream-options", "").strip().lower() != "no-ping"


_DONE = Frame(b"[DONE]")
_KINDS = frozenset({"SK", "OWNER", "LOCAL"})
_ANYBODY = _KINDS | {"WSK", "PAK", "SSK", "AAK", "ANONYMOUS"}
_OPENAI_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string", "description": "What went wrong, in a sentence."},
                "type": {"type": "string", "description": "The kind of failure."},
                "param": {"type": ["string", "null"], "description": "The first field of the request that is wrong."},
                "code": {"type": ["string", "null"], "description": "The failure, for programs."},
            },
            "additionalProperties": False,
        }
    },
    "additionalProperties": False,
}

AIVAX = Dialect(
    name="aivax",
    title="AIVAX",
    description="Models and gateways on OpenAI's wire, what they are told and may do, and collections of documents.",
    folder=Path(__file__).parent,
    prefixes=("/api/v1", "/v1"),
    key=key_of,
    key_kinds={"/api/v1": _KINDS, "/v1": _KINDS, "/api/v1/public": _ANYBODY},
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
    error_schemas=dict.fromkeys(_OPENAI_PATHS, _OPENAI_ERROR),
    statuses={
        401: "The key is missing, unknown or expired",
        403: "The key is of another kind",
        500: "Something unforeseen",
        503: "The database is away",
    },
    spell=spell,
    scalars=json.loads((Path(__file__).parent / "scalars.json").read_text("utf-8")),
    events=EventStream(
        names=EventNames.NONE,
        closing=(_DONE,),
        error=break_off,
        closing_after_error=(_DONE,),
        heartbeat=b": ping\n\n",
        heartbeat_seconds=15,
        wants_heartbeat=wants_pings,
    ),
    json_media_type="application/json; charset=utf-8",
)
