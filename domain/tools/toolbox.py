"""Everything that a gateway's model may do while it answers, gathered from wherever the gateway has it."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any  # Tool arguments are open JSON.

from domain.agents import Tool
from domain.calling import Caller
from domain.gateways.parameters import BuiltinOptions, Parameters, RemoteSource
from domain.retrieval import Retrieval
from domain.tools.bash import Shells
from domain.tools.builtin import Builtins
from domain.tools.mcp import McpServers
from domain.tools.nonce import Nonces
from domain.tools.protocol import ProtocolFunctions
from domain.tools.remote import RemoteTexts
from domain.tools.together import together
from domain.tools.worker import Worker
from engine.guard import Guard
from errors import Conflict

__all__ = ["EXPLANATION", "Toolbox", "explained"]

# What a model writes about a call when a gateway wants to know why it is made.
EXPLANATION: Mapping[str, Mapping[str, str]] = {
    "_tool_reason": {"type": "string", "description": "Why this tool is called now, in one sentence."},
    "_tool_goal": {"type": "string", "description": "What is to be reached with the result, in one sentence."},
}


@dataclass(frozen=True, slots=True)
class _Lot:
    """Tools of one origin, which is named when two of them have one name."""

    origin: str
    tools: Sequence[Tool]


class Toolbox:
    def __init__(
        self,
        guard: Guard,
        nonces: Nonces,
        retrieval: Retrieval,
        *,
        shells: Shells | None = None,
        builtins: Builtins | None = None,
    ) -> None:
        self._guard, self._nonces = guard, nonces
        self.remote = RemoteTexts(guard, nonces)
        self.retrieval = retrieval
        self._functions = ProtocolFunctions(guard, nonces, retrieval)
        self._servers = McpServers(guard, nonces)
        self._shells = shells or Shells()
        self.builtins = builtins or Builtins(guard)

    def worker(self, caller: Caller, parameters: Parameters) -> Worker | None:
        url = parameters.worker_script_source
        return None if url is None else Worker(self._guard, self._nonces, caller, url)

    async def tools_for(
        self, caller: Caller, parameters: Parameters, closing: AsyncExitStack, others: Sequence[Tool] = ()
    ) -> list[Tool]:
        """All that may be called, `others` first, which the gateway has elsewhere: its searches, its skills.

        What a tool holds open is closed with `closing`: when the answer is over, or whoever asked has left.

        A source that fails fails all of it, as `SourceFailed` with the source's name: an answer of a model that
        silently lacks a tool would look like an answer and be none.
        """
        own = [self._functions.tool(caller, function) for function in parameters.protocol_functions]
        brought = self._brought(caller, parameters)
        fetched = await together(
            [
                *(self._listed(caller, url) for url in parameters.protocol_function_sources),
                *(self._served(caller, source, closing) for source in parameters.mcp_sources),
            ]
        )
        tools = _joined(
            [_Lot("the gateway itself", [*others, *brought]), _Lot("the protocol functions", own), *fetched]
        )
        worker = self.worker(caller, parameters)
        watched = worker.watched if worker else lambda tool: tool
        tools = [watched(tool) for tool in tools]
        if parameters.enable_bash:
            shell, *tools = self._shells.equipped(caller, parameters.bash_options, tools, closing)
            tools = [watched(shell), *tools]
        return [explained(tool) for tool in tools] if parameters.tool_invocation_explanations else tools

    def _brought(self, caller: Caller, parameters: Parameters) -> list[Tool]:
        """Those that this server has for every gateway that wants them."""
        functions = parameters.sentinel_options.enabled_functions if parameters.sentinel_options else ()
        options = parameters.builtin_functions_options or BuiltinOptions()
        return [tool for each in dict.fromkeys(functions) for tool in self.builtins.tools(caller, each, options)]

    async def _listed(self, caller: Caller, url: str) -> _Lot:
        return _Lot("a source of protocol functions", await self._functions.listed(caller, url))

    async def _served(self, caller: Caller, source: RemoteSource, closing: AsyncExitStack) -> _Lot:
        return _Lot(f"the MCP source {source.name!r}", await self._servers.tools(caller, source, closing))


def _joined(lots: Sequence[_Lot]) -> list[Tool]:
    origins: dict[str, str] = {}
    for lot in lots:
        for tool in lot.tools:
            if tool.name in origins:
                there = origins[tool.name]
                raise Conflict(f"Two tools are called {tool.name!r}: one of {there}, one of {lot.origin}")
            origins[tool.name] = lot.origin
    return [tool for lot in lots for tool in lot.tools]


def explained(tool: Tool) -> Tool:
    """The same tool, whose calls say what they are for. It does not hear of that itself."""

    async def run(arguments: Mapping[str, Any]) -> Any:
        return await tool.run({name: value for name, value in arguments.items() if name not in EXPLANATION})

    properties = {**EXPLANATION, **(tool.parameters.get("properties") or {})}
    required = [*EXPLANATION, *(tool.parameters.get("required") or ())]
    return replace(tool, parameters={**tool.parameters, "properties": properties, "required": required}, run=run)
