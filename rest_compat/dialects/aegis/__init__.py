"""Aegis: conversations under `/ai`, collections under `/rag`. Errors are `{"detail": …}`.

No keys; `user_id` says who asks.
"""

from pathlib import Path

from errors import Forbidden, NotFound, ProviderFailed, Unavailable
from rest_compat.dialect import Dialect, EventStream, Failure, Frame, Refusal

__all__ = ["AEGIS"]

# Naming an unknown conversation to read it is another mistake than naming it to go on with it.
_CHATTING = frozenset({"Chat", "StreamChat", "WatchChat"})
_PROVIDER_CODES = frozenset({ProviderFailed.code, *(kind.code for kind in ProviderFailed.__subclasses__())})
_SERVICE_CODES = frozenset({Unavailable.code, *(kind.code for kind in Unavailable.__subclasses__())})
# A health check that cannot be made is an answer as well.
_HEALTH = {"ReadHealth": "ai", "ReadRagHealth": "rag"}
# What was being done with documents when something failed that is not the caller's fault.
_FAILED = {
    "IndexFolder": "Indexing failed: Failed to index documents",
    "SearchCollection": "Search failed: Failed to search",
    "ListCollections": "Failed to list collections",
    "ReadCollection": "Failed to get collection info",
    "ListCollectionFiles": "Failed to get collection files",
    "DeleteCollection": "Failed to delete collection",
    "ReadCatalogStatus": "Failed to get catalog stats",
    "ListVendors": "Failed to list vendors",
    "ListModalities": "Failed to list modalities",
    "ListModels": "Failed to list models",
    "ReadCurrentModel": "Failed to get current config",
}


def refuse(failure: Failure) -> Refusal:
    if failure.operation in _HEALTH and failure.status >= 500:
        return Refusal(200, {"service": _HEALTH[failure.operation], "status": "error", "error": failure.message})
    kind, detail = _told(failure)
    if kind in ("Conversation error", "Failed to load documents"):
        return Refusal(400, {"detail": f"{kind}: {detail}"})
    # Whatever a provider has against a request, it is the provider that failed.
    status = 502 if failure.code in _PROVIDER_CODES else failure.status
    return Refusal(status, {"detail": f"{kind}: {detail}" if kind else detail})


def stream_error(failure: Failure) -> tuple[Frame, ...]:
    kind, detail = _told(failure)
    return (Frame({"error": kind or "Unexpected error", "detail": detail}, "error"),)


def _told(failure: Failure) -> tuple[str | None, str]:
    """Which kind of error it is, where Aegis has a name for it, and its detail."""
    error = failure.error
    if failure.status >= 500 and (doing := _FAILED.get(failure.operation or "")):
        return doing, failure.message
    if isinstance(error, NotFound) and error.kind == "path":
        return "Failed to load documents", f"Path not found: {error.id}"
    if isinstance(error, NotFound) and error.kind == "collection":
        return None, f"Collection '{error.id}' not found"
    if failure.code in _PROVIDER_CODES:
        return "AI provider error", error.reason if isinstance(error, ProviderFailed) else failure.message
    if failure.code in _SERVICE_CODES:
        return "AI service error", error.what if isinstance(error, Unavailable) else failure.message
    if isinstance(error, NotFound) and error.kind == "conversation":
        if failure.operation in _CHATTING:
            return "Conversation error", f"Conversation {error.id} not found"
        return None, "Conversation not found"
    if isinstance(error, Forbidden):
        return None, "Access denied"
    return _PLAIN.get(failure.code, (None, failure.message))


_PLAIN = {
    "no_such_route": (None, "Not Found"),
    "wrong_method": (None, "Method Not Allowed"),
}

AEGIS = Dialect(
    name="aegis",
    title="Aegis AI service",
    version="1.0",
    description="Conversations with a model, what they cost, and collections of documents to search.",
    folder=Path(__file__).parent,
    prefixes=("/ai", "/llm", "/rag"),
    refuse=refuse,
    error_schema={
        "type": "object",
        "required": ["detail"],
        "properties": {"detail": {"type": "string", "description": "What went wrong, in a sentence."}},
        "additionalProperties": False,
    },
    statuses={
        401: "A key is needed here, or the one given is not valid",
        500: "Something unforeseen",
        503: "The service is disabled or misconfigured, or its database is away",
    },
    events=EventStream(
        opening=(Frame({"status": "connected", "message": "Streaming started"}, "connect"),),
        closing=(Frame({"status": "completed", "message": "Stream finished"}, "complete"),),
        error=stream_error,
        headers={
            "Cache-Control": "no-cache",
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Allow-Headers": "Content-Type",
        },
    ),
)
