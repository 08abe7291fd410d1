"""Lets pages of other sites call a dialect's paths, as far as their keys allow it."""

from starlette.datastructures import Headers
from starlette.types import Message, Scope, Send

from rest_compat.dialect import Cors

__all__ = ["allowing"]

# A site that was refused is not told why.
_REFUSED = 403


def allowing(cors: Cors, path: str, scope: Scope, send: Send) -> Send:
    origin = Headers(scope=scope).get("origin")
    if origin is None or not path.startswith(cors.prefixes):
        return send
    headers = [(b"access-control-allow-origin", origin.encode("latin-1")), (b"vary", b"Origin")]
    if scope["method"] == "OPTIONS":
        headers += [
            (b"access-control-allow-methods", cors.methods.encode()),
            (b"access-control-allow-headers", cors.headers.encode()),
            (b"access-control-max-age", str(cors.max_age_seconds).encode()),
        ]

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] != _REFUSED:
            message["headers"] = [*message["headers"], *headers]
        await send(message)

    return sending
