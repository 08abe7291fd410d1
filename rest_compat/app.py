"""Serves compiled endpoints: finds the route, reads the key and the request, and answers in the dialect's accent."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any  # Contexts are opaque here.
from urllib.parse import quote, unquote

from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from execution import Executor, OperationKind
from execution.departure import Departed
from rest_compat.admission import admit
from rest_compat.answers import Answer, Prepared, answer_empty, answer_json
from rest_compat.audience import Audience, StillValid
from rest_compat.bindings import bind
from rest_compat.bodies import Limits, received
from rest_compat.compiler import Endpoint
from rest_compat.cors import allowing
from rest_compat.dialect import Dialect
from rest_compat.errors import NoSuchRoute, WrongMethod
from rest_compat.exchange import Exchange, raw_headers
from rest_compat.files import answer_file
from rest_compat.frames import framer
from rest_compat.incoming import NO_PAYLOAD, Incoming, Payload, Wants
from rest_compat.junctions import Branch, Junction
from rest_compat.outcomes import failure_of
from rest_compat.routes import RouteTree, route_key
from rest_compat.shapes import Fetch, compiled
from rest_compat.streams import answer_events, answer_lines
from rest_compat.vocabulary import Form, Place, Source

__all__ = ["OpenContext", "RestApp"]

_LAST_EVENT = (Source(Place.HEADER, "Last-Event-ID"), Source(Place.HEADER, "last-event-id"))

OpenContext = Callable[[HTTPConnection, str | None], Awaitable[Any]]


class RestApp:
    """An ASGI application over the endpoints of all dialects; mount it as the fallback behind other routes."""

    def __init__(
        self,
        endpoints: Mapping[Dialect, Sequence[Endpoint]],
        *,
        executor: Executor,
        open_context: OpenContext,
        limits: Limits | None = None,
        still_valid: StillValid | None = None,
    ) -> None:
        """`still_valid` is asked now and then whether what a stream was opened with still opens anything."""
        self._open_context, self._limits = open_context, limits or Limits()
        self._audience = Audience(still_valid)
        self._prefixes = {prefix.rstrip("/"): dialect for dialect in endpoints for prefix in dialect.prefixes}
        self._deepest = max((prefix.count("/") for prefix in self._prefixes), default=0)
        self._routes = _routes(endpoints, executor)

    def owns(self, path: str) -> Dialect | None:
        """The dialect whose path it is, whether or not there is anything at it."""
        # No further into a path than a prefix may be long: paths can be made of slashes.
        segments = path.split("/", self._deepest + 1)[: self._deepest + 1]
        for end in range(len(segments), 0, -1):
            if (dialect := self._prefixes.get("/".join(segments[:end]))) is not None:
                return dialect
        return None

    def recheck(self) -> None:
        """A key may have been revoked: streams that it opened end now and not at the next round."""
        self._audience.recheck()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http", "The REST endpoints speak HTTP only."
        path = (scope.get("raw_path") or quote(scope["path"]).encode()).decode("latin-1")
        # The path is cut before it is decoded: an id may hold a slash, written %2F.
        segments = path.split("/")[1:]
        found = self._routes.find([unquote(segment) for segment in segments] if "%" in path else segments)
        junctions, values = found or ({}, ())
        dialect = next(iter(junctions.values())).dialect if junctions else self.owns(path)
        if dialect is None:
            return await PlainTextResponse("Not Found", 404)(scope, receive, send)
        if dialect.cors is not None:
            send = allowing(dialect.cors, path, scope, send)
        exchange = Exchange(scope, receive, send, dialect, path, self._audience)
        method = scope["method"]
        junction = junctions.get(method) or (junctions.get("GET") if method == "HEAD" else None)
        if junction is not None:
            exchange.parameters = scope["path_params"] = dict(zip(junction.parameters, values, strict=True))
            return await self._serve(junction, exchange)
        if not junctions:
            return await self._refuse(exchange, NoSuchRoute(method, path))
        allowed = _allowed(junctions)
        if method == "OPTIONS":
            return await exchange.reply(204, b"", [(b"allow", ", ".join(allowed).encode())])
        return await self._refuse(exchange, WrongMethod(method, path, allowed))

    async def _serve(self, junction: Junction, exchange: Exchange) -> None:
        connection = exchange.connection
        try:
            # Who is asking comes before what is asked: a stranger's body is not even read.
            context = await self._open_context(connection, junction.dialect.key(connection))
            if junction.key_kinds is not None:
                admit(context.principal, junction.key_kinds)
            if junction.wants is Wants.NOTHING:
                await _answer(junction, exchange, context, NO_PAYLOAD)
            else:
                async with received(junction.wants, exchange.receive, connection.headers, self._limits) as payload:
                    await _answer(junction, exchange, context, payload)
        except Departed:
            return
        except Exception as error:
            # Half an answer is cut off rather than ended, so that nobody takes it for a whole one.
            if exchange.started:
                raise
            await self._refuse(exchange, error)

    async def _refuse(self, exchange: Exchange, error: Exception) -> None:
        await exchange.refuse(failure_of(error, exchange))


async def _answer(junction: Junction, exchange: Exchange, context: Any, payload: Payload) -> None:
    incoming = Incoming(exchange.connection, exchange.parameters, payload)
    branch = junction.choose(incoming)
    prepared = branch.prepared
    exchange.endpoint = prepared.endpoint
    variables = bind(prepared.endpoint.bindings, incoming)
    if exchange.headless and prepared.operation.kind is not OperationKind.QUERY:
        # A HEAD asks what a GET would be like; it must not do what the GET does.
        await exchange.start(prepared.endpoint.status, prepared.headers)
        return await exchange.write(b"", more=False)
    return await branch.answer(prepared, exchange, variables, context)


def _allowed(junctions: Mapping[str, Junction]) -> list[str]:
    return sorted({*junctions, *(["HEAD"] if "GET" in junctions else []), "OPTIONS"})


def _routes(endpoints: Mapping[Dialect, Sequence[Endpoint]], executor: Executor) -> RouteTree[dict[str, Junction]]:
    tree: RouteTree[dict[str, Junction]] = RouteTree()
    for dialect, compiled_endpoints in endpoints.items():
        sharing: dict[tuple[str, tuple[str | None, ...]], list[Endpoint]] = {}
        for endpoint in compiled_endpoints:
            sharing.setdefault((endpoint.method, route_key(endpoint.path)), []).append(endpoint)
        for (method, key), together in sharing.items():
            node = tree.place(key)
            node.leaf = {} if node.leaf is None else node.leaf
            if (other := node.leaf.get(method)) is not None:
                raise ValueError(f"{method} {together[0].path} belongs to {other.dialect.name} and to {dialect.name}.")
            node.leaf[method] = Junction(dialect, [_branch(endpoint, dialect, executor) for endpoint in together])
    return tree


def _branch(endpoint: Endpoint, dialect: Dialect, executor: Executor) -> Branch:
    prepared = Prepared(
        endpoint=endpoint,
        dialect=dialect,
        executor=executor,
        operation=executor.trust(endpoint.document),
        shaper=compiled(endpoint.selected.shape, dialect.spell),
        headers=_headers(endpoint, dialect),
    )
    return Branch(prepared, _answer_of(endpoint, dialect))


def _headers(endpoint: Endpoint, dialect: Dialect) -> list[tuple[bytes, bytes]]:
    headers = {name.lower(): value for name, value in dialect.headers.items()}
    if endpoint.form is Form.JSON:
        headers["content-type"] = dialect.json_media_type
    elif endpoint.form is Form.JSONL:
        headers["content-type"] = "application/jsonl; charset=utf-8"
    elif endpoint.form is Form.SSE:
        # no-transform and the nginx header keep what is in between from holding events back.
        headers |= {
            "content-type": "text/event-stream; charset=utf-8",
            "cache-control": "no-cache, no-transform",
            "x-accel-buffering": "no",
        }
        headers |= {name.lower(): value for name, value in dialect.events.headers.items()}
    return raw_headers(headers)


def _answer_of(endpoint: Endpoint, dialect: Dialect) -> Answer:
    if endpoint.form is not Form.SSE:
        return _ANSWERS[endpoint.form]
    shape = endpoint.selected.shape
    assert isinstance(shape, Fetch)  # The one field of a stream is what is streamed.
    resumable = any(source in _LAST_EVENT for binding in endpoint.bindings for source in binding.sources)
    frames = framer(shape, endpoint.selected.events, dialect, resumable=resumable)
    return partial(answer_events, framer=frames)


_ANSWERS: Mapping[Form, Answer] = {
    Form.JSON: answer_json,
    Form.JSONL: answer_lines,
    Form.FILE: answer_file,
    Form.EMPTY: answer_empty,
}
