"""The `graphql-transport-ws` protocol: many operations on one socket, none of which can end another.

A socket is one task that reads, and one for each operation. An operation writes to the socket itself, and asks its
source for the next event only when the last one is on its way: a slow reader holds up its own sources, and nothing
piles up.
"""

import asyncio
from contextlib import aclosing, suppress
from typing import Any  # A context is the app's own.

from starlette.requests import HTTPConnection
from starlette.types import Message as ASGIMessage
from starlette.types import Receive, Scope, Send

from errors import LimitReached, PlatformError
from execution import Request, Result
from execution.encoding import encode
from transport import body, origins
from transport.messages import Malformed, Message, key_in, read_message
from transport.pulse import ask
from transport.refusals import Rejected, as_errors
from transport.streams import BURST
from transport.way_in import WayIn

__all__ = ["WebSocket"]

SUBPROTOCOL = "graphql-transport-ws"

MESSAGE_TOO_BIG = 1009
SERVICE_RESTART = 1012
BAD_REQUEST = 4400
UNAUTHORIZED = 4401
FORBIDDEN = 4403
SUBPROTOCOL_NOT_ACCEPTABLE = 4406
INITIALISATION_TIMEOUT = 4408
SUBSCRIBER_ALREADY_EXISTS = 4409
TOO_MANY_INITIALISATION_REQUESTS = 4429
INTERNAL_ERROR = 4500


class WebSocket:
    def __init__(self, way_in: WayIn) -> None:
        self.way_in = way_in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        if not origins.allowed(HTTPConnection(scope).headers, self.way_in.options.cors):
            # Closing what was never accepted is ASGI for an HTTP 403.
            await send({"type": "websocket.close", "code": FORBIDDEN})
            return
        spoken = SUBPROTOCOL in scope["subprotocols"]
        await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL if spoken else None})
        socket = _Socket(self.way_in, scope, receive, send)
        if not spoken:
            await socket.close(SUBPROTOCOL_NOT_ACCEPTABLE, "Subprotocol not acceptable")
        await socket.run()


class _Socket:
    def __init__(self, way_in: WayIn, scope: Scope, receive: Receive, send: Send) -> None:
        self.way_in, self.options = way_in, way_in.options
        self.connection = HTTPConnection(scope)
        self.receive, self.transmit = receive, send
        self.initialised = False
        self.context: Any = None
        self.operations: dict[str, asyncio.Task[None]] = {}
        # Those that still run, also after the client has given their id back.
        self.running: set[asyncio.Task[None]] = set()
        self.quiet = False
        self.closed = False
        self.sent = 0

    async def run(self) -> None:
        self.way_in.pulse.add(self)
        try:
            await self.listen()
        finally:
            self.way_in.pulse.discard(self)
            self.closed = True
            if stopped := self.stop_operations():
                await asyncio.wait(stopped)

    async def listen(self) -> None:
        deadline = asyncio.get_running_loop().time() + self.options.init_seconds
        while True:
            try:
                async with asyncio.timeout_at(None if self.initialised or self.closed else deadline):
                    message = await self.receive()
            except TimeoutError:
                await self.close(INITIALISATION_TIMEOUT, "Connection initialisation timeout")
                continue
            if message["type"] == "websocket.disconnect":
                return
            if not self.closed:
                await self.hear(message)

    async def hear(self, message: ASGIMessage) -> None:
        text = message.get("text") or message.get("bytes") or ""
        if len(text) > self.options.message_bytes:
            await self.close(MESSAGE_TOO_BIG, "Message too big")
            return
        try:
            await self.take(read_message(text))
        except Malformed as exc:
            await self.close(BAD_REQUEST, str(exc))

    async def take(self, message: Message) -> None:
        match message.type:
            case "connection_init":
                await self.initialise(message)
            case "subscribe":
                await self.subscribe(message)
            case "complete":
                if task := self.operations.pop(message.id, None):
                    task.cancel()
            case "ping":
                echo = {"payload": message.payload} if message.payload else {}
                await self.send(encode({"type": "pong", **echo}))

    async def initialise(self, message: Message) -> None:
        if self.initialised:
            await self.close(TOO_MANY_INITIALISATION_REQUESTS, "Too many initialisation requests")
            return
        self.initialised = True
        key = key_in(message.payload)
        try:
            self.context = await self.way_in.open_context(self.connection, key)
        except PlatformError as exc:
            await self.close(FORBIDDEN, str(exc))
            return
        except Exception as problem:  # The edge of the system: logged and masked in there.
            await self.close(INTERNAL_ERROR, as_errors(problem)[0]["message"])
            return
        await self.send(b'{"type":"connection_ack"}')

    async def subscribe(self, message: Message) -> None:
        if self.context is None:
            await self.close(UNAUTHORIZED, "Unauthorized")
            return
        if message.id in self.operations:
            await self.close(SUBSCRIBER_ALREADY_EXISTS, f"Subscriber for {message.id} already exists")
            return
        try:
            request = body.read_request(message.payload, self.options)
        except Rejected as exc:
            raise Malformed(exc.message) from exc
        if len(self.running) >= self.options.operations_per_socket:
            await self.fail(message.id, LimitReached("This socket's share of operations"))
            return
        task = asyncio.create_task(self.operate(message.id, request))
        self.operations[message.id] = task
        self.running.add(task)
        task.add_done_callback(self.running.discard)

    async def operate(self, id: str, request: Request) -> None:
        task = asyncio.current_task()
        problem: Exception | Result | None = None
        try:
            problem = await self.stream(id, request)
        except Exception as exc:  # Ends this operation and no other; what nobody foresaw is logged and masked below.
            problem = exc
        if self.operations.get(id) is not task:
            return
        # Before the last message, which allows the client to use the id again.
        del self.operations[id]
        if problem is None:
            await self.send(b'{"id":%b,"type":"complete"}' % encode(id))
        else:
            await self.fail(id, problem)

    async def stream(self, id: str, request: Request) -> Result | None:
        """Sends every result, or returns the one that says why there are none."""
        if not await ask(self.way_in.pulse.still_valid, self.context):
            await self.revoke()
            return None
        executor, send = self.way_in.executor, self.send
        operation = executor.prepare(request)
        head = b'{"id":%b,"type":"next","payload":' % encode(id)
        async with aclosing(executor.stream(operation, request.variables, self.context.fresh())) as results:
            async for result in results:
                if result.refused is not None:
                    return result
                await send(head + result.encode() + b"}")
        return None

    async def fail(self, id: str, problem: Exception | Result) -> None:
        errors = problem.errors if isinstance(problem, Result) else as_errors(problem)
        await self.send(encode({"id": id, "type": "error", "payload": errors}))

    async def send(self, message: bytes) -> None:
        if self.closed:
            # Whoever still has something to say is about to be stopped.
            await asyncio.sleep(0)
            return
        self.quiet = False
        try:
            await self.transmit({"type": "websocket.send", "text": message.decode()})
        except OSError:
            # The client is gone; the task that reads hears of it too, and ends everything.
            self.closed = True
        self.sent += 1
        if self.sent % BURST == 0:
            await asyncio.sleep(0)

    async def close(self, code: int, reason: str) -> None:
        if self.closed:
            return
        self.closed = True
        self.stop_operations()
        # A close frame has room for 123 bytes of reason.
        reason = reason.encode()[:123].decode(errors="ignore")
        with suppress(OSError):
            await self.transmit({"type": "websocket.close", "code": code, "reason": reason})

    def stop_operations(self) -> set[asyncio.Task[None]]:
        """Those of others, when an operation itself is why the socket closes."""
        stopped = self.running - {asyncio.current_task()}
        for task in stopped:
            task.cancel()
        return stopped

    async def beat(self) -> None:
        if self.context is not None:
            await self.send(b'{"type":"ping"}')

    async def revoke(self) -> None:
        await self.close(FORBIDDEN, "Forbidden")

    async def leave(self) -> None:
        await self.close(SERVICE_RESTART, "Service restart")
