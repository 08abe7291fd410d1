"""GraphQL over server-sent events, one stream for many operations: for browsers, which open six connections at most.

A stream is reserved by PUT, opened by GET, fed by POST and relieved of an operation by DELETE. It lives in this
process, so behind a balancer the requests of one client have to reach the same one.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing, suppress
from secrets import token_urlsafe
from typing import Any  # A context is the app's own.

from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from errors import LimitReached
from execution import Executor, Operation, Request, Result
from execution.departure import Departed, while_present
from execution.encoding import encode
from transport import http
from transport.negotiation import EVENTS, parse_accept
from transport.options import TransportOptions
from transport.refusals import Rejected, rejected
from transport.sse import shared_event_stream
from transport.streams import StreamedAnswer, failure
from transport.way_in import WayIn

__all__ = ["Reservations"]

_METHODS = "GET, POST, PUT, DELETE"


class Reservations:
    def __init__(self, way_in: WayIn, distinct: ASGIApp) -> None:
        self.way_in = way_in
        # Who brings no token wants a stream of their own.
        self.distinct = distinct
        self.reserved: dict[str, _Reservation] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = HTTPConnection(scope)
        token = connection.headers.get("x-graphql-event-stream-token") or connection.query_params.get("token")
        if token is None and scope["method"] in ("GET", "POST"):
            await self.distinct(scope, receive, send)
            return
        accept = parse_accept(", ".join(connection.headers.getlist("accept")))
        try:
            if scope["method"] == "GET" and token and accept.names(EVENTS):
                await self.open(token, receive, send)
                return
            response = await self.respond(connection, token, receive)
        except Departed:
            return
        except Exception as problem:  # The edge of the system: what nobody foresaw is logged and masked there.
            response = rejected(problem, accept.single(), self.way_in.options.http_profile)
        await response(scope, receive, send)

    async def respond(self, connection: HTTPConnection, token: str | None, receive: Receive) -> Response:
        match connection.scope["method"]:
            case "PUT":
                return await self.reserve(connection)
            case "DELETE":
                return self.stop(self.find(token), connection.query_params.get("operationId"))
            case "GET" | "POST":
                return await self.start(token, connection, receive)
        raise Rejected(405, "Reserve by PUT, open by GET, ask by POST, stop by DELETE.", headers={"allow": _METHODS})

    def find(self, token: str | None) -> "_Reservation":
        reservation = self.reserved.get(token or "")
        if reservation is None:
            raise Rejected(404, "No stream is reserved under this token.")
        return reservation

    async def reserve(self, connection: HTTPConnection) -> Response:
        context = await self.way_in.open_context(connection, None)
        if len(self.reserved) >= self.way_in.options.reservations:
            raise LimitReached("The number of streams on this server")
        token = token_urlsafe(32)
        reservation = self.reserved[token] = _Reservation(self.way_in.executor, context)
        asyncio.get_running_loop().call_later(self.way_in.options.reservation_seconds, self.expire, token, reservation)
        return PlainTextResponse(token, 201, headers={"cache-control": "no-store"})

    def expire(self, token: str, reservation: "_Reservation") -> None:
        if reservation.answer is None:
            self.reserved.pop(token, None)
            reservation.cancel()

    async def open(self, token: str, receive: Receive, send: Send) -> None:
        reservation = self.find(token)
        if reservation.answer is not None:
            raise Rejected(409, "This stream is open already.")
        reservation.answer = StreamedAnswer(shared_event_stream(), send, self.way_in.pulse, reservation.context)
        try:
            async with while_present(receive):
                await reservation.answer.run(reservation.hold())
        finally:
            del self.reserved[token]
            await reservation.stopped()

    async def start(self, token: str | None, connection: HTTPConnection, receive: Receive) -> Response:
        self.find(token)
        async with AsyncExitStack() as stack:
            request = await http.read(connection, receive, self.way_in.options, stack)
            if isinstance(request, list):
                raise Rejected(400, "Send one request at a time to a shared stream.")
            async with while_present(receive):
                context = await self.way_in.open_context(connection, None)
            operation = http.prepare(self.way_in.executor, request, connection.scope["method"])
            # Looked up once more: the stream may have ended while we waited, and from here on we do not.
            self.find(token).start(operation, request, context, stack, self.way_in.options)
        return Response(status_code=202)

    def stop(self, reservation: "_Reservation", id: str | None) -> Response:
        if not id:
            raise Rejected(400, "Name the operation in the parameter `operationId`.")
        if task := reservation.operations.pop(id, None):
            task.cancel()
        return Response(status_code=200)


class _Reservation:
    def __init__(self, executor: Executor, context: Any) -> None:
        self.executor, self.context = executor, context
        self.opened = asyncio.Event()
        self.answer: StreamedAnswer | None = None
        self.operations: dict[str, asyncio.Task[None]] = {}
        self.running: set[asyncio.Task[None]] = set()

    def start(
        self, operation: Operation, request: Request, context: Any, files: AsyncExitStack, options: TransportOptions
    ) -> None:
        id = request.extensions.get("operationId")
        if not isinstance(id, str) or not id:
            raise Rejected(400, "Name the operation in `extensions.operationId`.")
        if id in self.operations:
            raise Rejected(409, f"An operation {id!r} is running on this stream already.")
        if len(self.running) >= options.operations_per_socket:
            raise LimitReached("This stream's share of operations")
        results = self.executor.stream(operation, request.variables, context)
        task = asyncio.create_task(self.operate(id, results, files.pop_all()))
        self.operations[id] = task
        self.running.add(task)
        task.add_done_callback(self.running.discard)

    async def operate(self, id: str, results: AsyncGenerator[Result, None], files: AsyncExitStack) -> None:
        async with files, aclosing(results):
            # Nothing is kept for a stream that is not open yet; the operation waits instead.
            await self.opened.wait()
            with suppress(Departed):
                await self.write(id, results)

    async def write(self, id: str, results: AsyncGenerator[Result, None]) -> None:
        assert self.answer is not None
        write = self.answer.write
        head = b'event: next\ndata: {"id":%b,"payload":' % encode(id)
        try:
            async for result in results:
                await write(head + result.encode() + b"}\n\n")
        except Departed:
            raise
        except Exception as problem:  # Ends this operation and no other; masked and logged in there.
            await write(head + failure(problem).encode() + b"}\n\n")
        if self.operations.get(id) is asyncio.current_task():
            del self.operations[id]
            await write(b'event: complete\ndata: {"id":%b}\n\n' % encode(id))

    async def hold(self) -> AsyncGenerator[Result, None]:
        """No results: those are written by the operations, as long as this goes on."""
        self.opened.set()
        await asyncio.Event().wait()
        yield Result(None)

    def cancel(self) -> None:
        for task in self.running:
            task.cancel()

    async def stopped(self) -> None:
        self.cancel()
        if self.running:
            await asyncio.wait(self.running)
