"""A small real upstream: an OpenAI-compatible server on loopback that does what a test tells it to.

    async with Upstream() as upstream:
        gate = Gate()
        upstream.will(Reply("Hel", gate, "lo"))        # the next request; more of them queue up
        ...                                            # talk to upstream.base_url
        call = await upstream.arrived()                # the request: call.json, call.headers
        await gate.reached.wait()                      # the client has "Hel" on its socket
        await call.left.wait()                         # the client has closed its connection

Also a process of its own, for tests that kill their neighbours and for benchmarks:

    python -m tests.upstream --port 0 --script '{"tokens": ["Hel", "lo"], "delay_seconds": 0.05}'

It prints its base URL as its first line, and answers `GET /_seen` with how many calls started, finished and left.
"""

import argparse
import asyncio
import contextlib
import sys
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import orjson
from aiohttp import web

Json = dict[str, Any]  # whatever JSON the client or the script wrote

ROOT = Path(__file__).parent.parent
DEFAULT_ANSWER = ("Hello", " there", ".")


class Gate:
    """A point where the upstream waits until the test opens it."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self._opened = asyncio.Event()

    def open(self) -> None:
        self._opened.set()

    async def pass_through(self) -> None:
        self.reached.set()
        await self._opened.wait()


@dataclass(frozen=True, slots=True)
class Thought:
    """A piece of reasoning; vendors disagree on the name of the field."""

    text: str
    field: str = "reasoning_content"


@dataclass(frozen=True, slots=True)
class ToolPiece:
    """A piece of a tool call, as vendors cut them; None leaves the field out."""

    index: int | None = 0
    id: str | None = None
    name: str | None = None
    arguments: str | None = None

    def delta(self) -> Json:
        function = {"name": self.name, "arguments": self.arguments}
        whole = {
            "index": self.index,
            "id": self.id,
            "type": None if self.id is None else "function",
            "function": {key: value for key, value in function.items() if value is not None},
        }
        return {key: value for key, value in whole.items() if value is not None}


class Cut:
    """Drop the connection here, without goodbye."""


@dataclass(frozen=True, slots=True)
class Pause:
    seconds: float


# A string is a piece of text, bytes go on the wire as they are, a dict is sent as one event.
Step = str | bytes | Json | Thought | ToolPiece | Gate | Pause | Cut


class Reply:
    """What to do with one request: steps in order. A plain request passes the same gates, then gets all at once."""

    def __init__(
        self,
        *steps: Step,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        body: Json | bytes | None = None,
        before_headers: Gate | Pause | None = None,
        usage: Json | None = None,
        finish: str | None = "stop",
        done: bool = True,
        burst: int = 1,
    ) -> None:
        self.steps = steps
        self.status = status
        self.headers = dict(headers or {})
        self.body = body
        self.before_headers = before_headers
        self.usage = usage
        self.finish = finish
        self.done = done
        self.burst = burst

    @classmethod
    def error(
        cls, status: int, message: str, *, code: str | None = None, headers: Mapping[str, str] | None = None
    ) -> Self:
        kind = "invalid_request_error" if status < 500 else "server_error"
        return cls(status=status, headers=headers, body={"error": {"message": message, "type": kind, "code": code}})

    @classmethod
    def context_too_long(cls) -> Self:
        message = "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens."
        return cls.error(400, message, code="context_length_exceeded")

    @classmethod
    def from_script(cls, script: Mapping[str, Any]) -> Self:
        """`tokens` (or `text` and `count`), `delay_seconds`, `before_first_seconds`, `burst` tokens a write."""
        repeated = [script.get("text", " token")] * script.get("count", 0)
        tokens: Sequence[str] = script.get("tokens") or repeated or DEFAULT_ANSWER
        delay = script.get("delay_seconds", 0)
        steps: list[Step] = [Pause(script["before_first_seconds"])] if script.get("before_first_seconds") else []
        for position, token in enumerate(tokens):
            if position and delay:
                steps.append(Pause(delay))
            steps.append(token)
        if script.get("cut"):
            steps.append(Cut())
        return cls(
            *steps,
            status=script.get("status", 200),
            headers=script.get("headers"),
            body=script.get("body"),
            usage=script.get("usage"),
            burst=script.get("burst", 1),
        )


@dataclass(eq=False)
class Call:
    """One request that arrived, and what became of it."""

    path: str
    headers: Mapping[str, str]
    json: Json
    left: asyncio.Event = field(default_factory=asyncio.Event)
    finished: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def streamed(self) -> bool:
        return bool(self.json.get("stream")) or "stream" in self.path


class Upstream:
    def __init__(self, *, port: int = 0, models: Sequence[str] = ("test-model",)) -> None:
        self.models = list(models)
        self.calls: list[Call] = []
        self.always = Reply(*DEFAULT_ANSWER)
        self.listing: Reply | None = None  # what `GET /v1/models` answers instead of the models
        self._port = port
        self._queue: deque[Reply] = deque()
        self._arrivals: asyncio.Queue[Call] = asyncio.Queue()
        self._connections: set[asyncio.Transport | None] = set()
        self._runner: web.AppRunner | None = None

    def will(self, *replies: Reply) -> None:
        """Script the next requests, in order; after them every request gets `always`."""
        self._queue.extend(replies)

    async def arrived(self) -> Call:
        """The next request that nobody asked about yet."""
        return await self._arrivals.get()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def base_url(self) -> str:
        return f"{self.origin}/v1"

    @property
    def connections(self) -> int:
        """How many connections the calls came on."""
        return len(self._connections)

    @property
    def seen(self) -> dict[str, int]:
        return {
            "started": len(self.calls),
            "finished": sum(call.finished.is_set() for call in self.calls),
            "left": sum(call.left.is_set() for call in self.calls),
        }

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 * 2**20)
        # Any path: other vendors' wires can be played with raw bytes as steps.
        app.router.add_post("/{path:.*}", self._chat)
        app.router.add_get("/{version}/models", self._models)
        app.router.add_get("/_seen", self._seen)
        # Handler cancellation is how a closed connection is noticed at once, also while nothing is being written.
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.0, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _models(self, request: web.Request) -> web.StreamResponse:
        if self.listing is not None:
            return await self._answer(request, Call(request.path, dict(request.headers), {}), self.listing)
        rows = [{"id": model, "object": "model", "created": 1, "owned_by": "tests"} for model in self.models]
        return web.json_response({"object": "list", "data": rows})

    async def _seen(self, request: web.Request) -> web.Response:
        return web.json_response(self.seen)

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        call = Call(request.path, dict(request.headers), orjson.loads(await request.read()))
        reply = self._queue.popleft() if self._queue else self.always
        self.calls.append(call)
        self._connections.add(request.transport)
        self._arrivals.put_nowait(call)
        try:
            response = await self._answer(request, call, reply)
        except (asyncio.CancelledError, ConnectionError):
            call.left.set()
            raise
        call.finished.set()
        return response

    async def _answer(self, request: web.Request, call: Call, reply: Reply) -> web.StreamResponse:
        if reply.before_headers:
            await _wait(reply.before_headers)
        if reply.body is not None:
            body = reply.body if isinstance(reply.body, bytes) else orjson.dumps(reply.body)
            headers = {"content-type": "application/json", **reply.headers}
            return web.Response(status=reply.status, headers=headers, body=body)
        return await (_stream if call.streamed else _plain)(request, call, reply)


async def _wait(point: Gate | Pause) -> None:
    if isinstance(point, Gate):
        await point.pass_through()
    else:
        await asyncio.sleep(point.seconds)


async def _stream(request: web.Request, call: Call, reply: Reply) -> web.StreamResponse:
    headers = {"content-type": "text/event-stream", **reply.headers}
    response = web.StreamResponse(status=reply.status, headers=headers)
    await response.prepare(request)
    pending: list[bytes] = []

    async def flush() -> None:
        if pending:
            joined = b"".join(pending)
            pending.clear()
            await response.write(joined)

    for step in reply.steps:
        if isinstance(step, (Gate, Pause)):
            await flush()
            await _wait(step)
        elif isinstance(step, Cut):
            await flush()
            _cut(request)
            return response
        else:
            pending.append(step if isinstance(step, bytes) else _event(_chunk(call, step)))
            if len(pending) >= reply.burst:
                await flush()
    await flush()
    if reply.finish:
        await response.write(_event(_chunk(call, {}, finish=reply.finish)))
    if (call.json.get("stream_options") or {}).get("include_usage"):
        await response.write(_event({**_head(call, "chat.completion.chunk"), "choices": [], "usage": _usage(reply)}))
    if reply.done:
        await response.write(b"data: [DONE]\n\n")
    await response.write_eof()
    return response


async def _plain(request: web.Request, call: Call, reply: Reply) -> web.Response:
    message: Json = {"role": "assistant", "content": ""}
    calls: dict[int, Json] = {}
    for step in reply.steps:
        if isinstance(step, (Gate, Pause)):
            await _wait(step)
        elif isinstance(step, Cut):
            _cut(request)
        elif isinstance(step, bytes):
            return web.Response(status=reply.status, body=step, headers=reply.headers)
        elif isinstance(step, str):
            message["content"] += step
        elif isinstance(step, Thought):
            message[step.field] = message.get(step.field, "") + step.text
        elif isinstance(step, ToolPiece):
            whole = calls.setdefault(step.index or 0, {"type": "function", "function": {"name": "", "arguments": ""}})
            whole |= {"id": step.id} if step.id else {}
            whole["function"]["name"] += step.name or ""
            whole["function"]["arguments"] += step.arguments or ""
    if calls:
        message["tool_calls"] = list(calls.values())
    choice = {"index": 0, "message": message, "finish_reason": reply.finish}
    body = {**_head(call, "chat.completion"), "choices": [choice], "usage": _usage(reply)}
    return web.Response(body=orjson.dumps(body), content_type="application/json", headers=reply.headers)


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _head(call: Call, kind: str) -> Json:
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": call.json.get("model", "")}


def _chunk(call: Call, step: str | Json | Thought | ToolPiece, *, finish: str | None = None) -> Json:
    if isinstance(step, str):
        delta: Json = {"content": step}
    elif isinstance(step, Thought):
        delta = {step.field: step.text}
    elif isinstance(step, ToolPiece):
        delta = {"tool_calls": [step.delta()]}
    elif step:
        return step
    else:
        delta = {}
    return {
        **_head(call, "chat.completion.chunk"),
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }


def _event(chunk: Json) -> bytes:
    return b"data: " + orjson.dumps(chunk) + b"\n\n"


def _usage(reply: Reply) -> Json:
    said = sum(isinstance(step, (str, Thought)) for step in reply.steps)
    return reply.usage or {"prompt_tokens": 10, "completion_tokens": said, "total_tokens": 10 + said}


@contextlib.asynccontextmanager
async def upstream_process(**script: Any) -> AsyncIterator[str]:
    """An upstream in a process of its own; yields its base URL. The script is that of `Reply.from_script`."""
    command = (sys.executable, "-m", "tests.upstream", "--script", orjson.dumps(script).decode())
    child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, cwd=ROOT)
    assert child.stdout is not None
    try:
        yield (await child.stdout.readline()).decode().strip()
    finally:
        child.kill()
        await child.wait()


async def _serve(port: int, script: Mapping[str, Any]) -> None:
    async with Upstream(port=port) as upstream:
        upstream.always = Reply.from_script(script)
        sys.stdout.write(f"{upstream.base_url}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--script", default="{}", help="JSON, or the path of a file with it")
    options = parser.parse_args()
    text = options.script if options.script.lstrip().startswith("{") else Path(options.script).read_text()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(options.port, orjson.loads(text)))


if __name__ == "__main__":
    main()
