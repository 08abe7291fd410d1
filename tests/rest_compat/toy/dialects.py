"""Four dialects in miniature: each old API's accent, over the toy graph."""

from pathlib import Path

from starlette.requests import HTTPConnection

from rest_compat import Dialect
from rest_compat.dialect import Cors, EventNames, EventStream, Failure, Frame, Page, Refusal, bearer_key

HERE = Path(__file__).parent


# ---------------------------------------------------------------- Aegis: {detail}


def _aegis_refuse(failure: Failure) -> Refusal:
    status = 400 if failure.operation == "Chat" and failure.code == "not_found" else failure.status
    return Refusal(status, {"detail": failure.message})


def _aegis_error(failure: Failure) -> tuple[Frame, ...]:
    return (Frame({"error": failure.code, "detail": failure.message}, "error"),)


AEGIS = Dialect(
    name="aegis",
    title="Aegis in miniature",
    prefixes=("/ai", "/voice"),
    refuse=_aegis_refuse,
    error_schema={"type": "object", "properties": {"detail": {"type": "string"}}, "required": ["detail"]},
    events=EventStream(
        opening=(Frame({"status": "connected", "message": "Streaming started"}, "connect"),),
        closing=(Frame({"status": "completed", "message": "Stream finished"}, "complete"),),
        error=_aegis_error,
        headers={"Access-Control-Allow-Origin": "*"},
    ),
)

# ---------------------------------------------------------------- InformedAI: {error, code, status}

_CODES = {400: "VALIDATION_ERROR", 401: "UNAUTHORIZED", 403: "FORBIDDEN", 404: "NOT_FOUND", 409: "CONFLICT"}


def _informedai_refuse(failure: Failure) -> Refusal:
    status = 400 if failure.status in (413, 415) else failure.status
    body = {"error": failure.message, "code": _CODES.get(status, "INTERNAL_ERROR"), "status": status}
    return Refusal(status, body | ({"details": failure.facts["fields"]} if "fields" in failure.facts else {}))


INFORMEDAI = Dialect(
    name="informedai",
    title="InformedAI in miniature",
    prefixes=("/api/v1/widget", "/api/v1/documents", "/api/v1/library"),
    refuse=_informedai_refuse,
    error_schema={
        "type": "object",
        "properties": {"error": {"type": "string"}, "code": {"type": "string"}, "status": {"type": "integer"}},
        "required": ["error", "code", "status"],
    },
    statuses={401: "The key is missing or unknown."},
    events=EventStream(names=EventNames.TYPE_KEY, error=lambda failure: (Frame({"error": failure.message}, "error"),)),
    cors=Cors(prefixes=("/api/v1/widget",)),
)

# ---------------------------------------------------------------- Informer: {statusCode, error, message}, HAL pages

_PHRASES = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found"}


def _informer_refuse(failure: Failure) -> Refusal:
    phrase = _PHRASES.get(failure.status, "Internal Server Error")
    return Refusal(failure.status, {"statusCode": failure.status, "error": phrase, "message": failure.message})


def _hal(page: Page) -> object:
    links = {"self": {"href": f"{page.path}?start={page.offset}&limit={page.limit}"}}
    if page.offset + len(page.items) < page.total:
        links["next"] = {"href": f"{page.path}?start={page.offset + len(page.items)}&limit={page.limit}"}
    counts = {"start": page.offset, "count": len(page.items), "total": page.total}
    return {"_links": links, "_embedded": {page.name: page.items}, **counts}


INFORMER = Dialect(
    name="informer",
    title="Informer in miniature",
    prefixes=("/api",),
    refuse=_informer_refuse,
    error_schema={
        "type": "object",
        "properties": {
            "statusCode": {"type": "integer"},
            "error": {"type": "string"},
            "message": {"type": "string"},
        },
        "required": ["statusCode", "error", "message"],
    },
    page=_hal,
    events=EventStream(
        names=EventNames.TYPE_KEY,
        closing=(Frame(b"[DONE]"),),
        error=lambda failure: (Frame({"errorText": failure.message}, "error"),),
        line_end=b"\r\n",
    ),
)

# ---------------------------------------------------------------- AIVAX: two envelopes, [DONE], keys in odd places


def _aivax_refuse(failure: Failure) -> Refusal:
    if failure.path.startswith("/v1/"):
        error = {"message": failure.message, "type": "invalid_request_error", "param": None, "code": failure.code}
        return Refusal(failure.status, {"error": error})
    if failure.path.startswith("/api/v1/public/") and failure.code == "unauthenticated":
        return Refusal(422, {"error": "The chat client is not available.", "details": None})
    return Refusal(failure.status, {"error": failure.message, "details": None})


def _aivax_error(failure: Failure) -> tuple[Frame, ...]:
    choice = {"index": 0, "finish_reason": "error", "delta": {"content": ""}}
    return (Frame({"choices": [choice], "error": {"code": "server_error", "message": failure.message}}),)


def _aivax_key(connection: HTTPConnection) -> str | None:
    in_path = connection.path_params.get("access-key")
    return in_path or bearer_key(connection) or connection.query_params.get("api-key")


def _wants_pings(connection: HTTPConnection) -> bool:
    return connection.headers.get("sse-stream-options") != "no-ping"


AIVAX = Dialect(
    name="aivax",
    title="AIVAX in miniature",
    prefixes=("/v1", "/api/v1"),
    key=_aivax_key,
    key_parameters=frozenset({"access-key"}),
    refuse=_aivax_refuse,
    error_schema={"type": "object"},
    spell=lambda enum, value: value.title().replace("_", "") if enum == "IndexState" else value.lower(),
    json_media_type="application/json; charset=utf-8",
    events=EventStream(
        names=EventNames.NONE,
        closing=(Frame(b"[DONE]"),),
        error=_aivax_error,
        closing_after_error=(Frame(b"[DONE]"),),
        heartbeat=b": ping\n\n",
        heartbeat_seconds=0.02,
        wants_heartbeat=_wants_pings,
    ),
)

DIALECTS = (AEGIS, INFORMEDAI, INFORMER, AIVAX)
