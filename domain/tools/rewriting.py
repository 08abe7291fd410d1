"""What a worker may rewrite of a request before it goes on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any  # Rewrites are open JSON.

from domain.calling import Caller
from domain.gateways.checks import check_function, check_headers
from domain.gateways.parameters import Parameters, RemoteSource
from domain.tools.protocol import function_of
from engine import ChatRequest, wire
from engine.chat import Message, Role
from errors import Invalid

__all__ = ["Rewritten", "rewritten"]

_MOST_REWRITES = 1_000


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A request, what its gateway lets it do, and for whom it is."""

    request: ChatRequest
    parameters: Parameters
    caller: Caller


def rewritten(told: Rewritten, rewrites: Sequence[Mapping[str, Any]]) -> Rewritten:
    """One after the other, as they are listed. Raises `Invalid`, or what reading wrong JSON raises."""
    if not isinstance(rewrites, list) or len(rewrites) > _MOST_REWRITES:
        raise Invalid("rewrites", f"must be a list of at most {_MOST_REWRITES:,}")
    for rewrite in rewrites:
        change = _CHANGES.get(rewrite["type"])
        if change is None:
            raise Invalid("type", f"must be one of {', '.join(_CHANGES)}")
        told = change(told, rewrite)
    return told


def _with_messages(told: Rewritten, messages: Sequence[Message]) -> Rewritten:
    return replace(told, request=replace(told.request, messages=tuple(messages)))


def _add_message(told: Rewritten, rewrite: Mapping[str, Any]) -> Rewritten:
    return _with_messages(told, (*told.request.messages, wire.message_of(rewrite["message"])))


def _remove_message(told: Rewritten, rewrite: Mapping[str, Any]) -> Rewritten:
    index, messages = rewrite["index"], list(told.request.messages)
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < len(messages):
        raise Invalid("index", f"must be between 0 and {len(messages) - 1}")
    del messages[index]
    return _with_messages(told, messages)


def _add_system(told: Rewritten, rewrite: Mapping[str, Any]) -> Rewritten:
    """After what the model is told already, and before what was said."""
    text, messages = rewrite["message"], told.request.messages
    if not isinstance(text, str):
        raise Invalid("message", "must be a text")
    place = next((at for at, message in enumerate(messages) if message.role is not Role.SYSTEM), len(messages))
    return _with_messages(told, (*messages[:place], Message.system(text), *messages[place:]))


def _add_tool(told: Rewritten, rewrite: Mapping[str, Any]) -> Rewritten:
    tool = wire.tool_of(rewrite["tool"])
    return replace(told, request=replace(told.request, tools=(*told.request.tools, tool)))


def _add_protocol_tool(told: Rewritten, rewrite: Mapping[str, Any]) -> Rewritten:
    function = function_of(rewrite["tool"])
    check_function(function, "tool")
    functions = (*told.parameters.protocol_functions, function)
    return replace(told, parameters=replace(told.parameters, protocol_functions=functions))


def _add_mcp_source(told: Rewritten, rewrite: Mapping[str, Any]) -> Rewritten:
    given = rewrite["source"]
    name, url, headers, seconds = given["name"], given["url"], given.get("headers") or {}, given.get("cacheDuration")
    if not isinstance(name, str) or not isinstance(url, str) or not isinstance(seconds, int | None):
        raise Invalid("source", "must have a name and a url, which are texts, and whole seconds for cacheDuration")
    check_headers(headers, "source.headers")
    source = RemoteSource(name, url, headers=headers, cache_duration=600 if seconds is None else seconds)
    sources = (*told.parameters.mcp_sources, source)
    return replace(told, parameters=replace(told.parameters, mcp_sources=sources))


def _clear(told: Rewritten, rewrite: Mapping[str, Any]) -> Rewritten:
    what = rewrite.get("argument") or "all"
    if what not in ("all", *_CLEARED):
        raise Invalid("argument", f"must be one of {', '.join(_CLEARED)} and all")
    for name, clear in _CLEARED.items():
        told = clear(told) if what in (name, "all") else told
    return told


def _without_tools(told: Rewritten) -> Rewritten:
    parameters = replace(
        told.parameters,
        tools=None,
        protocol_functions=(),
        protocol_function_sources=(),
        mcp_sources=(),
        enable_bash=False,
        sentinel_options=None,
    )
    return replace(told, request=replace(told.request, tools=(), tool_choice=None), parameters=parameters)


_CLEARED: Mapping[str, Callable[[Rewritten], Rewritten]] = {
    "messages": lambda told: _with_messages(told, [each for each in told.request.messages if each.role is Role.SYSTEM]),
    "meta": lambda told: replace(told, caller=replace(told.caller, metadata={})),
    "system": lambda told: _with_messages(
        told, [each for each in told.request.messages if each.role is not Role.SYSTEM]
    ),
    "tools": _without_tools,
    "skills": lambda told: replace(told, parameters=replace(told.parameters, skills=())),
}

_CHANGES: Mapping[str, Callable[[Rewritten, Mapping[str, Any]], Rewritten]] = {
    "clear": _clear,
    "add-message": _add_message,
    "remove-message": _remove_message,
    "add-system": _add_system,
    "add-tool": _add_tool,
    "add-protocol-tool": _add_protocol_tool,
    "add-mcp-source": _add_mcp_source,
}
