"""The GraphQL way in: HTTP, server-sent events, multipart and WebSocket on one path."""

from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp

from execution import Executor
from transport.http import HTTP, ShortAddress
from transport.options import CORS, HTTPProfile, TransportOptions
from transport.origins import PREFLIGHT_HEADERS
from transport.pages import PageFirst
from transport.pulse import Pulse, StillValid
from transport.reservations import Reservations
from transport.way_in import OpenContext, WayIn
from transport.websocket import WebSocket

__all__ = ["CORS", "GraphQLApp", "HTTPProfile", "OpenContext", "StillValid", "TransportOptions"]


class GraphQLApp:
    """`still_valid` is asked before each operation on a socket, and now and then about everything that is open."""

    def __init__(
        self,
        executor: Executor,
        open_context: OpenContext,
        options: TransportOptions | None = None,
        *,
        still_valid: StillValid = lambda context: True,
    ) -> None:
        self.options = options = options or TransportOptions()
        self.pulse = Pulse(
            still_valid, heartbeat_seconds=options.heartbeat_seconds, recheck_seconds=options.recheck_seconds
        )
        way_in = WayIn(executor, open_context, options, self.pulse)
        http = HTTP(way_in)
        self.http = _with_cors(http, options.cors)
        self.streams = _with_cors(Reservations(way_in, http), options.cors)
        self.websocket = WebSocket(way_in)

    @property
    def routes(self) -> list[BaseRoute]:
        return [
            WebSocketRoute(self.options.path, self.websocket),
            Route(self.options.path, ShortAddress(PageFirst(self.http), self.options)),
            Route(f"{self.options.path}/stream", ShortAddress(self.streams, self.options)),
        ]

    def recheck(self) -> None:
        """For when a key was revoked: what it opened ends now and not at the next round."""
        self.pulse.recheck()

    def leave(self) -> None:
        """For when the process is about to end: what is open would hold it until somebody loses patience."""
        self.pulse.leave()


def _with_cors(app: ASGIApp, cors: CORS) -> ASGIApp:
    if not cors.origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=cors.origins,
        allow_methods=("GET", "POST", "PUT", "DELETE"),
        allow_headers=(
            "authorization",
            "content-type",
            "last-event-id",
            "x-api-key",
            "x-graphql-event-stream-token",
            *PREFLIGHT_HEADERS,
        ),
        expose_headers=("retry-after", "x-request-id"),
        allow_credentials=cors.credentials,
        max_age=cors.max_age_seconds,
    )
