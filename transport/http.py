"""GraphQL over HTTP: one request, answered in one piece or as the stream its client asked for."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from typing import Any  # A context is the app's own.

from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from errors import PlatformError
from execution import Executor, Operation, OperationKind, Refused, Request, Result
from execution.departure import Departed, while_present
from execution.encoding import encode
from execution.errors import cause_of
from transport import body, multipart, origins, resume, uploads
from transport.negotiation import EVENTS, GRAPHQL, JSON, MULTIPART, Accept, parse_accept
from transport.options import HTTPProfile, TransportOptions
from transport.refusals import Rejected, answer, as_errors, rejected, status_of
from transport.sse import event_stream
from transport.streams import Framing, StreamedAnswer
from transport.way_in import WayIn

__all__ = ["HTTP", "ShortAddress", "prepare", "read"]

_METHODS = "GET, POST"
_STREAMS = f"{EVENTS} or {MULTIPART}; subscriptionSpec=1.0"
_FORGEABLE = f"Another site may have forged this request; add the header {origins.PREFLIGHT_HEADERS[0]}: 1."


class HTTP:
    def __init__(self, way_in: WayIn) -> None:
        self.way_in = way_in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = HTTPConnection(scope)
        accept = parse_accept(", ".join(connection.headers.getlist("accept")))
        try:
            async with AsyncExitStack() as stack:
                response = await self._respond(connection, accept, receive, send, stack)
        except Departed:
            return
        except Exception as problem:  # The edge of the system: what nobody foresaw is logged and masked there.
            response = rejected(problem, accept.single(), self.way_in.options.http_profile)
        if response is not None:
            await response(scope, receive, send)

    async def _respond(
        self, connection: HTTPConnection, accept: Accept, receive: Receive, send: Send, stack: AsyncExitStack
    ) -> Response | None:
        """The answer in one piece, or None when it was streamed already."""
        if connection.scope["method"] not in ("GET", "POST"):
            raise Rejected(405, "Send GraphQL requests by POST, or queries by GET.", headers={"allow": _METHODS})
        if accept.single() is None and accept.streamed() is None:
            raise Rejected(406, f"Answers come as {GRAPHQL}, {JSON}, {EVENTS} or {MULTIPART}.")
        requests = await read(connection, receive, self.way_in.options, stack)
        async with while_present(receive):
            context = await self.way_in.open_context(connection, None)
            exchange = Exchange(self.way_in, connection, accept, context, send)
            return await (exchange.batch(requests) if isinstance(requests, list) else exchange.answer(requests))


class ShortAddress:
    """Uvicorn takes addresses of any length, and reading ten megabytes of parameters takes seconds."""

    def __init__(self, app: ASGIApp, options: TransportOptions) -> None:
        self.app, self.options = app, options

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if len(scope["query_string"]) <= self.options.query_string_bytes:
            await self.app(scope, receive, send)
            return
        too_long = Rejected(
            414, f"The query string is longer than {self.options.query_string_bytes:,} bytes; use POST."
        )
        await rejected(too_long, JSON, self.options.http_profile)(scope, receive, send)


async def read(
    connection: HTTPConnection, receive: Receive, options: TransportOptions, stack: AsyncExitStack
) -> Request | list[Request]:
    """What was asked. Files that came with it are deleted when the stack is."""
    headers = connection.headers
    if connection.scope["method"] == "GET":
        if options.csrf_prevention and origins.forgeable(headers, options.cors):
            raise Rejected(403, _FORGEABLE)
        return body.read_query_string(connection.query_params, options)
    if body.check_type(headers) == JSON:
        return body.read_requests(body.parse(await body.read(receive, headers, options)), options)
    if options.csrf_prevention and not origins.preflighted(headers):
        raise Rejected(403, _FORGEABLE)
    return await stack.enter_async_context(uploads.received(receive, headers, options))


def prepare(executor: Executor, request: Request, method: str) -> Operation:
    operation = executor.prepare(request)
    if operation.kind is OperationKind.MUTATION and method == "GET":
        raise Rejected(405, "Send mutations by POST.", headers={"allow": "POST"})
    return operation


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request that was read and whose author is known."""

    way_in: WayIn
    connection: HTTPConnection
    accept: Accept
    context: Any
    send: Send

    async def answer(self, request: Request) -> Response | None:
        try:
            operation = self._prepare(request)
        except Refused as problem:
            if self.accept.streamed() == EVENTS and self.accept.prefers_stream():
                await self._stream(event_stream(resumable=False), _raising(problem))
                return None
            raise
        if operation.kind is OperationKind.SUBSCRIPTION:
            await self._subscribe(operation, request)
            return None
        if self.accept.streamed() == EVENTS and self.accept.prefers_stream():
            await self._stream(event_stream(resumable=False), self._results(operation, request))
            return None
        if self.accept.names(MULTIPART):
            return await self._in_pieces(operation, request)
        return self._whole(await self.way_in.executor.run(operation, request.variables, self.context))

    async def batch(self, requests: list[Request]) -> Response:
        """Each for itself and side by side, in the order they were asked."""
        payloads = await asyncio.gather(*map(self._in_batch, requests))
        return answer(b"[" + b",".join(payloads) + b"]", self.accept.single() or JSON)

    async def _in_batch(self, request: Request) -> bytes:
        try:
            operation = self._prepare(request)
            if operation.kind is OperationKind.SUBSCRIPTION:
                raise Rejected(406, "A subscription cannot be part of a batch.")
            result = await self.way_in.executor.run(operation, request.variables, self.context.fresh())
        except Exception as problem:  # One request of a batch does not spoil the others; masked and logged in there.
            return encode({"errors": as_errors(problem)})
        return result.encode()

    def _prepare(self, request: Request) -> Operation:
        return prepare(self.way_in.executor, request, self.connection.scope["method"])

    async def _subscribe(self, operation: Operation, request: Request) -> None:
        streamed = self.accept.streamed()
        if streamed is None:
            websocket = f"a WebSocket to {self.way_in.options.path} (graphql-transport-ws)"
            raise Rejected(406, f"A subscription has many answers: accept {_STREAMS}, or open {websocket}.")
        if streamed == MULTIPART:
            await self._stream(multipart.subscription(), self._results(operation, request))
            return
        resumable = resume.can_resume(self.way_in.executor.schema, operation)
        last_seen = self.connection.headers.get("last-event-id")
        if resumable and last_seen:
            operation, request = resume.resumed(self.way_in.executor, operation, request, _number(last_seen))
        await self._stream(event_stream(resumable=resumable), self._results(operation, request))

    async def _in_pieces(self, operation: Operation, request: Request) -> Response | None:
        """As multipart when there is more than one piece, or when the client takes nothing else."""
        results = self._results(operation, request)
        async with aclosing(results):
            first = await anext(results)
            if first.incremental is None and (self.accept.single() is not None or first.refused):
                return self._whole(first)
            framing = multipart.incremental(self.accept.parameter(MULTIPART, "deferspec"))
            await self._stream(framing, _with_first(first, results))
            return None

    def _results(self, operation: Operation, request: Request) -> AsyncGenerator[Result, None]:
        return self.way_in.executor.stream(operation, request.variables, self.context)

    async def _stream(self, framing: Framing, results: AsyncGenerator[Result, None]) -> None:
        await StreamedAnswer(framing, self.send, self.way_in.pulse, self.context).run(results)

    def _whole(self, result: Result) -> Response:
        media_type, profile = self.accept.single() or JSON, self.way_in.options.http_profile
        status = 200
        if result.refused is not None:
            if result.causes and isinstance(cause := cause_of(result.causes[0]), PlatformError):
                # Not the document is at fault but who asks, or how often.
                raise cause
            status = status_of(result.refused, media_type, profile)
        elif result.errors and media_type == GRAPHQL and profile is HTTPProfile.DRAFT_2026:
            status = 294
        return answer(result.encode(), media_type, status)


def _number(last_event_id: str) -> int:
    if not last_event_id.isdecimal() or len(last_event_id) > 10:
        raise Rejected(400, "`Last-Event-ID` is not one of ours.")
    return int(last_event_id)


async def _raising(problem: Refused) -> AsyncGenerator[Result, None]:
    raise problem
    yield  # An async generator, for whoever streams it.


async def _with_first(first: Result, rest: AsyncGenerator[Result, None]) -> AsyncGenerator[Result, None]:
    yield first
    async for result in rest:
        yield result
