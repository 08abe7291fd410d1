from contextlib import AsyncExitStack
from dataclasses import replace

import orjson
import pytest

from domain.agents import Tool, ToolResult
from domain.calling import Caller
from domain.gateways.parameters import BashOptions, Parameters, ProtocolFunction
from domain.tools import Toolbox, sandbox
from errors import Conflict, NotConfigured
from tests.domain.tools.listening import Server


async def named(arguments: object) -> str:
    return "found"


SEARCH = Tool("search_knowledge", "…", {"type": "object", "properties": {}}, named)


@pytest.fixture
def parameters(server: Server) -> Parameters:
    functions = (ProtocolFunction("forecast", "The weather to come.", f"{server.url}/forecast"),)
    return Parameters("@integrated", "acme", protocol_functions=functions)


async def test_a_gateway_without_tools_has_none(toolbox: Toolbox, caller: Caller) -> None:
    async with AsyncExitStack() as closing:
        assert await toolbox.tools_for(caller, Parameters("@integrated", "acme"), closing) == []


async def test_the_worker_watches_every_tool(
    toolbox: Toolbox, caller: Caller, parameters: Parameters, server: Server
) -> None:
    action = {"type": "tool.called.response", "data": {"result": "from the worker"}}
    server.says("/worker", orjson.dumps(action).decode(), content_type="application/json+worker-action")
    watched = replace(parameters, worker_script_source=f"{server.url}/worker")

    async with AsyncExitStack() as closing:
        tools = await toolbox.tools_for(caller, watched, closing, [SEARCH])
        results = [await tool.run({}) for tool in tools]

    assert [tool.name for tool in tools] == ["search_knowledge", "forecast"]
    assert results == [ToolResult("from the worker")] * 2


async def test_nothing_hides_what_the_gateway_has(toolbox: Toolbox, caller: Caller, parameters: Parameters) -> None:
    async with AsyncExitStack() as closing:
        with pytest.raises(Conflict, match="'forecast': one of the gateway itself, one of the protocol functions"):
            await toolbox.tools_for(caller, parameters, closing, [replace(SEARCH, name="forecast")])


async def test_a_shell_that_cannot_be_is_no_silence(
    toolbox: Toolbox, caller: Caller, parameters: Parameters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "missing", lambda: "bubblewrap is not installed")

    async with AsyncExitStack() as closing:
        with pytest.raises(NotConfigured, match="bubblewrap is not installed"):
            await toolbox.tools_for(caller, replace(parameters, enable_bash=True), closing)


@pytest.mark.skipif(sandbox.missing() is not None, reason=str(sandbox.missing()))
async def test_tools_move_into_the_shell(
    toolbox: Toolbox, caller: Caller, parameters: Parameters, server: Server
) -> None:
    server.says("/forecast", "Rain")
    server.says("/worker", "fine")
    wanted = replace(
        parameters,
        enable_bash=True,
        bash_options=BashOptions(tool_list=("forecast",)),
        worker_script_source=f"{server.url}/worker",
        tool_invocation_explanations=True,
    )

    async with AsyncExitStack() as closing:
        (shell,) = await toolbox.tools_for(caller, wanted, closing)
        result = await shell.run({"command": "forecast | rev", "_tool_reason": "asked", "_tool_goal": "an answer"})

    assert result.content == "niaR"
    # The worker hears of the command, and of the tool in it.
    heard = [seen.json["event"]["data"]["toolName"] for seen in server.seen if seen.path == "/worker"]
    assert heard == ["shell", "forecast"]
