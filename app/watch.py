"""Around everything: an id for each request, one log line, and the figures."""

import logging
import time
from collections.abc import Callable
from uuid import uuid4

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import metrics
from app.logs import request_id

__all__ = ["Watch"]

_logger = logging.getLogger("palaver.access")
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})


class Watch:
    """`api_of` names what a path belongs to: a handful of names, because each is a series of figures."""

    def __init__(self, app: ASGIApp, api_of: Callable[[str], str]) -> None:
        self._app, self._api_of = app, api_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._request(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._socket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        began, status, stream = time.perf_counter(), 0, False
        id = uuid4().hex
        # Left set: the context belongs to this request and ends with it.
        request_id.set(id)

        async def watched(message: Message) -> None:
            nonlocal status, stream
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = id
                if headers.get("content-type", "").startswith(("text/event-stream", "multipart/mixed")):
                    stream = True
                    metrics.OPEN_STREAMS.labels("http").inc()
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            if stream:
                metrics.OPEN_STREAMS.labels("http").dec()
            self._tell(scope, status, time.perf_counter() - began)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id.set(uuid4().hex)
        metrics.OPEN_STREAMS.labels("websocket").inc()
        try:
            await self._app(scope, receive, send)
        finally:
            metrics.OPEN_STREAMS.labels("websocket").dec()

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        path, method = scope["path"], scope["method"]
        api = self._api_of(path)
        metrics.REQUESTS.labels(api, method if method in _METHODS else "other", status or "left").inc()
        metrics.SECONDS.labels(api).observe(seconds)
        if path not in _QUIET:
            # The query string stays out: an old API reads keys there.
            _logger.info(
                "%s %s", method, path, extra={"status": status, "milliseconds": round(seconds * 1000, 1), "api": api}
            )


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
