"""Tools of MCP servers, over streamable HTTP."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any  # Arguments, schemas and content blocks are open JSON.

import orjson

from domain.agents import Tool, ToolResult
from domain.calling import Caller
from domain.gateways.parameters import RemoteSource
from domain.tools.cache import Cache
from domain.tools.calling import CallFailed, moment
from domain.tools.nonce import Nonces
from domain.tools.remote import key_of
from engine import chat
from engine.guard import Guard
from errors import SourceFailed, ToolFailed

if TYPE_CHECKING:
    import mcp_types

    from domain.tools.mcp_connection import Connection

__all__ = ["McpServers"]

_CACHE_BYTES = 32_000_000
_MOST_TOOLS = 512
_DESCRIPTION_CHARACTERS = 10_000
_RESULT_CHARACTERS = 1_000_000
_PROTOCOLS_OWN = re.compile(r"modelcontextprotocol|^progress_?token$", re.IGNORECASE)
# What models take as the name of a function.
_UNSPEAKABLE, _NAME_LENGTH = re.compile(r"[^a-zA-Z0-9_-]"), 64


@dataclass(frozen=True, slots=True)
class _Offered:
    """A tool as its server lists it."""

    name: str
    description: str
    schema: Mapping[str, Any]


class McpServers:
    def __init__(self, guard: Guard, nonces: Nonces) -> None:
        self._guard, self._nonces = guard, nonces
        self._listings: Cache[list[_Offered]] = Cache(_size, most_bytes=_CACHE_BYTES)

    async def tools(self, caller: Caller, source: RemoteSource, closing: AsyncExitStack) -> list[Tool]:
        """What the server offers, as it did at most its cache's duration ago.

        Calls of one answer go over one connection, made when the first is made and closed with `closing`.
        """
        server = _Server(self, caller, source)
        offered = await self._listings.get(
            key_of(caller.principal.workspace_id, source), source.cache_duration, server.listed
        )
        closing.push_async_callback(server.close)
        return [Tool(_spoken(each.name), each.description, each.schema, partial(server.call, each)) for each in offered]

    async def connect(self, caller: Caller, source: RemoteSource) -> "Connection":
        connection = await asyncio.to_thread(_imported)
        return connection(
            self._guard, source.url, source.headers, partial(self._nonces.fresh, caller.principal.workspace_id)
        )

    async def meta(self, caller: Caller) -> dict[str, Any]:
        nonce = await self._nonces.fresh(caller.principal.workspace_id)
        told = {
            "_aiv_nonce": nonce,
            "_aiv_external_user_id": caller.external_user,
            "_aiv_call_source": caller.source.value,
            "_aiv_conversation_token": caller.conversation_token,
            "_aiv_moment": moment(),
        }
        # What a request brings along does not pass for what we say, nor for what the protocol does.
        brought = {name: value for name, value in caller.metadata.items() if not _PROTOCOLS_OWN.search(name)}
        return {**brought, **{name: value for name, value in told.items() if value is not None}}


class _Server:
    """One server, for one answer."""

    def __init__(self, servers: McpServers, caller: Caller, source: RemoteSource) -> None:
        self._servers, self._caller, self._source = servers, caller, source
        self._connection: Connection | None = None
        self._connecting = asyncio.Lock()

    async def listed(self) -> list[_Offered]:
        """Over a connection of its own: several answers may wait for the list, and any of them may leave."""
        named = f"The MCP source {self._source.name!r}"
        connection = await self._servers.connect(self._caller, self._source)
        try:
            tools = await connection.tools()
        except CallFailed as exc:
            raise SourceFailed(named, exc.reason) from exc
        finally:
            await connection.close()
        return [
            _Offered(tool.name, (tool.description or tool.title or "")[:_DESCRIPTION_CHARACTERS], tool.input_schema)
            for tool in tools[:_MOST_TOOLS]
        ]

    async def call(self, offered: _Offered, arguments: Mapping[str, Any]) -> ToolResult:
        if not isinstance(arguments, Mapping):
            raise ToolFailed(offered.name, "takes a JSON object as its arguments")
        connection = await self._connected()
        try:
            result = await connection.call(offered.name, arguments, await self._servers.meta(self._caller))
        except CallFailed as exc:
            raise ToolFailed(offered.name, f"failed: its server {exc.reason}") from exc
        made = _result(result)
        if result.is_error:
            raise ToolFailed(offered.name, f"failed: {made.content.rstrip('.')}")
        return made

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()

    async def _connected(self) -> "Connection":
        async with self._connecting:
            if self._connection is None or not self._connection.is_open:
                self._connection = await self._servers.connect(self._caller, self._source)
            return self._connection


def _imported() -> type["Connection"]:
    # Half a second and 40 MB: for those who have such a server, and not while others wait for their tokens.
    from domain.tools.mcp_connection import Connection

    return Connection


def _size(offered: Sequence[_Offered]) -> int:
    return sum(len(orjson.dumps([each.name, each.description, each.schema])) for each in offered)


def _spoken(name: str) -> str:
    return _UNSPEAKABLE.sub("_", name)[:_NAME_LENGTH]


def _result(result: "mcp_types.CallToolResult") -> ToolResult:
    """Texts are the result; pictures and sounds follow it as messages; of anything else the model is told."""
    texts: list[str] = []
    media: list[chat.Part] = []
    for block in result.content:
        match block.type:
            case "text":
                texts.append(block.text)
            case "image":
                media.append(chat.Image(f"data:{block.mime_type};base64,{block.data}"))
            case "audio":
                media.append(chat.Audio(block.data, _format(block.mime_type)))
            case other:
                texts.append(f"[The tool also returned a {other}, which cannot be shown here.]")
    if not texts and result.structured_content is not None:
        texts.append(orjson.dumps(result.structured_content).decode())
    if not texts and media:
        texts.append("[What the tool returned follows as a message.]")
    messages = (chat.Message.user(*media),) if media else ()
    return ToolResult("\n".join(texts)[:_RESULT_CHARACTERS], messages)


def _format(media_type: str) -> str:
    """As models are told what a sound is."""
    kind = media_type.partition(";")[0].rpartition("/")[2].removeprefix("x-")
    return "mp3" if kind in ("mpeg", "mpeg3") else kind
