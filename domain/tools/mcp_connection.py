"""A connection to an MCP server. Imported when the first is called: the client takes half a second and 40 MB."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any  # Arguments, schemas and `_meta` are open JSON.

import aiohttp
import httpx2
import mcp_types
import orjson
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError

from domain.tools.calling import CallFailed, without_ours
from domain.tools.nonce import HEADER
from engine.guard import Guard
from errors import Invalid

__all__ = ["NONCE", "Connection"]

# What a call's `_meta` has of the nonce in its header.
NONCE = "_aiv_nonce"

_CONNECT_SECONDS, _CALL_SECONDS, _CLOSE_SECONDS = 20.0, 120.0, 5.0
_RESPONSE_BYTES = 25_000_000
_MOST_PAGES = 20


class Connection:
    """Open until it is closed, by whichever task: one of its own holds it, as its client demands."""

    def __init__(
        self, guard: Guard, url: str, headers: Mapping[str, str], nonce: Callable[[], Awaitable[str | None]]
    ) -> None:
        self._transport = _Transport(guard, nonce)
        self._url, self._headers = url, headers
        self._client: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._leaving = asyncio.Event()
        self._task = asyncio.create_task(self._hold(), name="mcp connection")

    @property
    def is_open(self) -> bool:
        return not self._task.done()

    async def tools(self) -> list[mcp_types.Tool]:
        found: list[mcp_types.Tool] = []
        cursor: str | None = None
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                client = await asyncio.shield(self._client)
                for _ in range(_MOST_PAGES):
                    page = await client.list_tools(cursor=cursor)
                    found += page.tools
                    if (cursor := page.next_cursor) is None:
                        break
        except _TROUBLE as exc:
            raise self._failed(exc, _CONNECT_SECONDS) from exc
        return found

    async def call(self, name: str, arguments: Mapping[str, Any], meta: Mapping[str, Any]) -> mcp_types.CallToolResult:
        # Of an earlier call, after which it may have come to itself.
        self._transport.trouble = None
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                client = await asyncio.shield(self._client)
            async with asyncio.timeout(_CALL_SECONDS):
                # `_meta` is an open dictionary with one key that has a type.
                return await client.call_tool(name, dict(arguments), meta=dict(meta))  # type: ignore[arg-type]
        except _TROUBLE as exc:
            raise self._failed(exc, _CALL_SECONDS) from exc

    async def close(self) -> None:
        """The server is told, unless it takes its time to hear it, or has not even said hello."""
        self._leaving.set()
        if not self._client.done():
            self._task.cancel()
        _, pending = await asyncio.wait([self._task], timeout=_CLOSE_SECONDS)
        for task in pending:
            task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _hold(self) -> None:
        try:
            async with AsyncExitStack() as stack:
                stack.push_async_callback(self._transport.aclose)
                http = httpx2.AsyncClient(transport=self._transport, headers=self._headers, timeout=_CALL_SECONDS)
                await stack.enter_async_context(http)
                client = Client(streamable_http_client(self._url, http_client=http), cache=None)
                client = await stack.enter_async_context(client)
                self._client.set_result(client)
                await self._leaving.wait()
        except BaseException as exc:
            if not self._client.done():
                # Whoever waits for it hears of it, if there is anybody.
                self._client.set_exception(_first(exc))
                self._client.exception()
            if isinstance(exc, asyncio.CancelledError):
                raise

    def _failed(self, exc: BaseException, seconds: float) -> CallFailed:
        if self._transport.trouble is not None:
            return CallFailed(self._transport.trouble)
        if isinstance(exc, TimeoutError):
            return CallFailed(f"did not answer within {seconds:g} seconds")
        if isinstance(exc, httpx2.InvalidURL):
            return CallFailed("cannot be called: its address is malformed")
        if isinstance(exc, MCPError):
            return CallFailed(f"refused: {exc.error.message[:500]}")
        return CallFailed("does not speak MCP over streamable HTTP")


# The client has no base for what it raises when a server speaks nonsense, and raises the last one of these for it too.
_TROUBLE = (
    *(MCPError, ValidationError, httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL),
    *(TimeoutError, OSError, RuntimeError),
)


def _first(exc: BaseException) -> BaseException:
    """What a task group wraps, once for each of its levels; being cancelled is nobody's reason."""
    while isinstance(exc, BaseExceptionGroup):
        exc = exc.exceptions[0]
    return ConnectionError("closed") if isinstance(exc, asyncio.CancelledError) else exc


class _Transport(httpx2.AsyncBaseTransport):
    """HTTP for the client, over connections that the guard has looked at. Redirects come back here as requests."""

    def __init__(self, guard: Guard, nonce: Callable[[], Awaitable[str | None]]) -> None:
        self._guard, self._nonce = guard, nonce
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=_CALL_SECONDS)
        self._session = aiohttp.ClientSession(
            connector=guard.connector(), cookie_jar=aiohttp.DummyCookieJar(), timeout=timeout
        )
        # Why nothing goes on, in words that may be shown.
        self.trouble: str | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        body = await request.aread()
        headers = without_ours(dict(request.headers)) | await self._proof(body)
        headers.pop("accept-encoding", None)
        try:
            self._guard.check(str(request.url))
            response = await self._session.request(
                request.method, str(request.url), headers=headers, data=body or None, allow_redirects=False
            )
        except Invalid as exc:
            self.trouble = f"cannot be called: its address {exc.problem}"
            raise httpx2.ConnectError(self.trouble, request=request) from exc
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            self.trouble = "could not be reached"
            raise httpx2.ConnectError(self.trouble, request=request) from exc
        # What aiohttp has unpacked must not be unpacked again.
        told = [(name, value) for name, value in response.headers.items() if name.lower() not in _UNPACKED]
        return httpx2.Response(response.status, headers=told, stream=_Body(self, response))

    async def aclose(self) -> None:
        await self._session.close()

    async def _proof(self, body: bytes) -> dict[str, str]:
        nonce = _sent_nonce(body) or await self._nonce()
        return {HEADER.lower(): nonce} if nonce else {}


_UNPACKED = frozenset({"content-encoding", "content-length", "transfer-encoding"})


def _sent_nonce(body: bytes) -> str | None:
    """The one in a call's `_meta`: both are the same."""
    if NONCE.encode() not in body:
        return None
    nonce = orjson.loads(body).get("params", {}).get("_meta", {}).get(NONCE)
    return nonce if isinstance(nonce, str) else None


class _Body(httpx2.AsyncByteStream):
    def __init__(self, transport: _Transport, response: aiohttp.ClientResponse) -> None:
        self._transport, self._response = transport, response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        taken = 0
        try:
            async for piece in self._response.content.iter_any():
                taken += len(piece)
                if taken > _RESPONSE_BYTES:
                    self._transport.trouble = f"answered with more than {_RESPONSE_BYTES:,} bytes"
                    raise httpx2.ReadError(self._transport.trouble)
                yield piece
        except (aiohttp.ClientError, OSError) as exc:
            raise httpx2.ReadError("cut off") from exc

    async def aclose(self) -> None:
        self._response.close()
