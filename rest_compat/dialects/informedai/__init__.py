"""InformedAI: the library and what is synced into it. Errors are `{"error": …, "code": …, "status": …}`."""

from pathlib import Path

from rest_compat.dialect import Dialect, Failure, Refusal

__all__ = ["INFORMEDAI"]

_CODES = {
    400: "VALIDATION_ERROR",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    409: "CONFLICT",
    413: "PAYLOAD_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    429: "RATE_LIMITED",
}

_WORDS = {
    ("IndexState", "QUEUED"): "processing",
    ("IndexState", "INDEXING"): "processing",
    ("IndexState", "INDEXED"): "ready",
    ("IndexState", "CANCELLED"): "failed",
    ("SourceKind", "DOCUMENT"): "kb_document",
}


def spell(enum: str, value: str) -> str:
    return _WORDS.get((enum, value)) or value.lower()


def refuse(failure: Failure) -> Refusal:
    code = _CODES.get(failure.status, "INTERNAL_ERROR")
    body = {"error": failure.message, "code": code, "status": failure.status}
    return Refusal(failure.status, body | ({"details": failure.facts["fields"]} if "fields" in failure.facts else {}))


_SERVERS = frozenset({"WSK", "OWNER", "LOCAL"})

INFORMEDAI = Dialect(
    name="informedai",
    title="InformedAI",
    description="The knowledge library, and the data that is synced into it.",
    folder=Path(__file__).parent,
    prefixes=("/api/v1/library", "/api/v1/sync"),
    # A sync key names its source, which nothing else does.
    key_kinds={"/api/v1/library": _SERVERS, "/api/v1/sync": frozenset({"SSK"})},
    security={
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "A `wsk_` key for the library, an `ssk_` key for sync.",
        }
    },
    refuse=refuse,
    error_schema={
        "type": "object",
        "required": ["error", "code", "status"],
        "properties": {
            "error": {"type": "string", "description": "What went wrong, in a sentence."},
            "code": {"type": "string", "enum": [*_CODES.values(), "INTERNAL_ERROR"]},
            "status": {"type": "integer", "description": "The status of the answer."},
            "details": {
                "type": "array",
                "description": "Which fields of the request are wrong, and how.",
                "items": {
                    "type": "object",
                    "required": ["path", "message"],
                    "properties": {"path": {"type": "string"}, "message": {"type": "string"}},
                },
            },
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
    # Asking for a source is a sign of life, which nobody may answer in our place.
    headers={"Cache-Control": "no-store"},
)
