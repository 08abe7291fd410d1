"""What an MCP server says: one JSON-RPC message in, at most one out, and nothing kept in between.

By hand, as it is four methods: the official server takes more than a second to import, and keys and limits are not its.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any  # Messages, schemas and arguments are open JSON.

from domain.tools.arguments import check
from errors import Invalid, PlatformError

__all__ = ["Answer", "OfferedTool", "Server", "answer", "identifier"]

Json = dict[str, Any]

# The newest first. What they differ in is nothing that we do, but for batches of the oldest, which no client sends.
_VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26")

_INVALID_REQUEST, _METHOD_NOT_FOUND, _INVALID_PARAMS = -32600, -32601, -32602
_UNSUPPORTED_VERSION = -32022
_LONGEST_QUOTED = 200
# What models take as the name of a function.
_UNSPEAKABLE, _LONGEST_NAME = re.compile(r"[^a-zA-Z0-9_-]+"), 64


@dataclass(frozen=True, slots=True)
class OfferedTool:
    """`hints` are what a client may tell its user before it lets a model call the tool."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    run: Callable[[Mapping[str, Any]], Awaitable[str]]
    title: str | None = None
    hints: Mapping[str, bool] = field(default_factory=dict)

    @property
    def listed(self) -> Json:
        told = {"name": self.name, "description": self.description, "inputSchema": self.parameters}
        return told | ({"title": self.title} if self.title else {}) | {"annotations": self.hints}


@dataclass(frozen=True, slots=True)
class Server:
    """As one client sees it, who says with each message what it wants of it."""

    version: str
    tools: Sequence[OfferedTool]


@dataclass(frozen=True, slots=True)
class Answer:
    """`message` is None when nothing was asked; `is_refused` when what was asked is no request, or none we know of."""

    message: Json | None
    is_refused: bool = False


def identifier(name: str, *, or_else: str, prefix: str = "", suffix: str = "") -> str:
    """The name of a tool, made of what people call their models and collections."""
    spoken = _UNSPEAKABLE.sub("_", name).strip("_")[: _LONGEST_NAME - len(prefix) - len(suffix)]
    return f"{prefix}{spoken or or_else}{suffix}"


class _Refused(Exception):
    def __init__(self, code: int, message: str, **data: object) -> None:
        self.code, self.message, self.data = code, message, data
        super().__init__(message)

    @property
    def error(self) -> Json:
        return {"code": self.code, "message": self.message} | ({"data": self.data} if self.data else {})


async def answer(server: Server, message: Mapping[str, Any], version: str | None) -> Answer:
    """`version` is what the client says that it speaks, in each message after the first."""
    if message.get("id") is None:
        _check_notification(message, version)
        return Answer(None)
    id = message["id"] if isinstance(message["id"], str | int) and not isinstance(message["id"], bool) else None
    said: Json = {"jsonrpc": "2.0", "id": id}
    try:
        _check_request(message, id, version)
        return Answer(said | {"result": await _result(server, message["method"], message.get("params") or {})})
    except _Refused as refused:
        is_refused = refused.code in (_INVALID_REQUEST, _UNSUPPORTED_VERSION)
        return Answer(said | {"error": refused.error}, is_refused)


def _check_notification(message: Mapping[str, Any], version: str | None) -> None:
    """Nobody reads an answer to it, so what is wrong with it is wrong with the whole request."""
    if "id" in message:
        raise Invalid("id", "must be a text or an integer")
    if message.get("jsonrpc") != "2.0":
        raise Invalid("jsonrpc", 'must be "2.0"')
    if not isinstance(message.get("method"), str):
        raise Invalid("method", "must be a text")
    if version is not None and version not in _VERSIONS:
        raise Invalid("protocolVersion", f"must be one of {', '.join(_VERSIONS)}")


def _check_request(message: Mapping[str, Any], id: str | int | None, version: str | None) -> None:
    if id is None:
        raise _Refused(_INVALID_REQUEST, "id must be a text or an integer.")
    if message.get("jsonrpc") != "2.0":
        raise _Refused(_INVALID_REQUEST, 'jsonrpc must be "2.0".')
    method = message.get("method")
    if not isinstance(method, str):
        raise _Refused(_INVALID_REQUEST, "method must be a text.")
    if not isinstance(message.get("params"), Mapping | None):
        raise _Refused(_INVALID_REQUEST, "params must be an object.")
    if version is not None and version not in _VERSIONS and method != "initialize":
        raise _Refused(
            _UNSUPPORTED_VERSION, "This version of MCP is not spoken here.", supported=_VERSIONS, requested=version
        )


async def _result(server: Server, method: str, params: Mapping[str, Any]) -> Json:
    match method:
        case "initialize":
            return _introduction(server, params)
        case "ping":
            return {}
        case "tools/list":
            if params.get("cursor") is not None:
                raise _Refused(_INVALID_PARAMS, "cursor must be left out: there is one page.")
            return {"tools": [tool.listed for tool in server.tools]}
        case "tools/call":
            return await _call(server, params)
        case _:
            raise _Refused(_METHOD_NOT_FOUND, f"There is no method {method[:_LONGEST_QUOTED]!r}.")


def _introduction(server: Server, params: Mapping[str, Any]) -> Json:
    """In the client's version, or else in ours: it is the client's to leave then."""
    wanted = params.get("protocolVersion")
    if not isinstance(wanted, str):
        raise _Refused(_INVALID_PARAMS, "protocolVersion must be a text.")
    return {
        "protocolVersion": wanted if wanted in _VERSIONS else _VERSIONS[0],
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "palaver", "title": "Palaver", "version": server.version},
    }


async def _call(server: Server, params: Mapping[str, Any]) -> Json:
    name, arguments = params.get("name"), params.get("arguments")
    tool = next((each for each in server.tools if each.name == name), None)
    if tool is None:
        raise _Refused(_INVALID_PARAMS, f"There is no tool {str(name)[:_LONGEST_QUOTED]!r}.")
    if not isinstance(arguments, Mapping | None):
        raise _Refused(_INVALID_PARAMS, "arguments must be an object.")
    try:
        await check(tool.name, tool.parameters, arguments or {})
        text, failed = await tool.run(arguments or {}), False
    except PlatformError as exc:
        # The model that called may do better, or tell its user why there is no answer.
        text, failed = str(exc), True
    return {"content": [{"type": "text", "text": text}], "isError": failed}
