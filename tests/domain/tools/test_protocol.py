import logging
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any  # Tool arguments are open JSON.

import bcrypt
import orjson
import pytest

from domain.agents import Tool
from domain.calling import Caller
from domain.gateways.parameters import Parameters, ProtocolFunction
from domain.identity import Principal
from domain.ingestion import Ingestion
from domain.storing import NewDocument
from domain.tools import Nonces, Toolbox
from engine.guard import Guard
from errors import Conflict, SourceFailed, ToolFailed
from tests.domain.tools.conftest import caller_of
from tests.domain.tools.listening import Server
from tests.knowing import fill

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
    "required": ["city"],
}


def function(server: Server, **changes: Any) -> ProtocolFunction:
    made = ProtocolFunction("forecast", "The weather to come.", f"{server.url}/forecast", SCHEMA, {"X-Own": "secret"})
    return replace(made, **changes)


async def gathered(toolbox: Toolbox, caller: Caller, **changes: Any) -> list[Tool]:
    async with AsyncExitStack() as closing:
        return await toolbox.tools_for(caller, Parameters("@integrated", "acme", **changes), closing)


async def only(toolbox: Toolbox, caller: Caller, made: ProtocolFunction) -> Tool:
    (tool,) = await gathered(toolbox, caller, protocol_functions=(made,))
    return tool


async def test_calls_as_documented(toolbox: Toolbox, caller: Caller, server: Server, salt: str) -> None:
    server.says("/forecast", "Rain, {verbatim}\n")
    tool = await only(toolbox, caller, function(server))

    result = await tool.run({"city": "Porto", "days": 2})

    (seen,) = server.seen
    sent = seen.json
    moment = sent["context"].pop("moment")
    assert (tool.name, tool.description, tool.parameters) == ("forecast", "The weather to come.", SCHEMA)
    assert result == "Rain, {verbatim}\n"
    assert sent == {
        "type": "tool_call",
        "function": {"name": "forecast", "content": {"city": "Porto", "days": 2}},
        "context": {
            "externalUserId": "customer-123",
            "metadata": {"tier": "gold"},
            "callSource": "SessionsApi",
            "conversationToken": "conversation-1",
        },
    }
    assert "T" in moment
    assert not moment.endswith("Z")
    assert "+" not in moment
    assert (seen.method, seen.headers["content-type"], seen.headers["x-own"]) == ("POST", "application/json", "secret")
    assert bcrypt.checkpw(salt.encode(), seen.headers["x-request-nonce"].encode())


async def test_sends_no_nonce_without_a_salt(guard: Guard, toolbox: Toolbox, caller: Caller, server: Server) -> None:
    async def none(workspace_id: object) -> str | None:
        return None

    server.says("/forecast", "Rain")
    saltless = Toolbox(guard, Nonces(none), toolbox.retrieval)

    await (await only(saltless, caller, function(server))).run({"city": "Porto"})

    assert "x-request-nonce" not in server.seen[0].headers


async def test_sends_a_fresh_nonce_each_time(toolbox: Toolbox, caller: Caller, server: Server) -> None:
    server.says("/forecast", "Rain")
    tool = await only(toolbox, caller, function(server, headers={"x-request-nonce": "forged"}))

    await tool.run({"city": "Porto"})
    await tool.run({"city": "Porto"})

    assert len({seen.headers["x-request-nonce"] for seen in server.seen} - {"forged"}) == 2


@pytest.mark.parametrize("arguments", [{}, {"city": 5}, {"city": "Porto", "days": 0}, ["Porto"], None])
async def test_checks_arguments_before_calling(
    toolbox: Toolbox, caller: Caller, server: Server, arguments: Any
) -> None:
    tool = await only(toolbox, caller, function(server))

    with pytest.raises(ToolFailed, match="forecast"):
        await tool.run(arguments)

    assert server.seen == []


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "http://127.0.0.1:9/schema"},
        {"$ref": "#"},
        {"$ref": "#/nowhere"},
        {"type": 5},
        {"properties": 5},
        {"type": "number of cities"},
        {"type": "object", "properties": {"city": {"$ref": "file:///etc/passwd"}}},
    ],
)
async def test_follows_no_schema_elsewhere(
    toolbox: Toolbox, caller: Caller, server: Server, schema: dict[str, Any]
) -> None:
    tool = await only(toolbox, caller, function(server, content_format=schema))

    with pytest.raises(ToolFailed, match="cannot be followed"):
        await tool.run({"city": "Porto"})


async def test_waits_for_no_pattern(toolbox: Toolbox, caller: Caller, server: Server) -> None:
    """A schema is a user's: it must not hold everybody with a regular expression."""
    schema = {"type": "object", "properties": {"city": {"type": "string", "pattern": "^(a+)+$"}}}
    tool = await only(toolbox, caller, function(server, content_format=schema))

    with pytest.raises(ToolFailed, match="does not match"):
        await tool.run({"city": "a" * 40 + "!"})


@pytest.mark.parametrize("status", [301, 400, 404, 500])
async def test_tells_the_model_nothing_of_a_failure(
    toolbox: Toolbox, caller: Caller, server: Server, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    server.says("/forecast", "Traceback: password=hunter2", status=status, location="/elsewhere")
    tool = await only(toolbox, caller, function(server))

    with caplog.at_level(logging.WARNING), pytest.raises(ToolFailed) as refused:
        await tool.run({"city": "Porto"})

    assert str(refused.value) == "The tool forecast is out of order."
    assert f"answered with status {status}" in caplog.text
    assert len(server.seen) == 1


async def test_takes_no_endless_answer(toolbox: Toolbox, caller: Caller, server: Server) -> None:
    server.says("/forecast", "x" * 1_000_001)
    tool = await only(toolbox, caller, function(server))

    with pytest.raises(ToolFailed):
        await tool.run({"city": "Porto"})


async def test_calls_no_private_address(toolbox: Toolbox, caller: Caller, server: Server, nonces: Nonces) -> None:
    guarded = Toolbox(Guard(), nonces, toolbox.retrieval)
    tool = await only(guarded, caller, function(server))

    with pytest.raises(ToolFailed):
        await tool.run({"city": "Porto"})
    with pytest.raises(SourceFailed, match="no public address"):
        await gathered(guarded, caller, protocol_function_sources=(f"{server.url}/functions",))

    assert server.seen == []


async def test_offers_what_a_source_lists(toolbox: Toolbox, caller: Caller, server: Server, salt: str) -> None:
    listed = {"name": "forecast", "description": "…", "callbackUrl": f"{server.url}/forecast", "contentFormat": None}
    server.says("/functions", orjson.dumps({"functions": [listed]}).decode())
    server.says("/forecast", "Rain")

    (tool,) = await gathered(toolbox, caller, protocol_function_sources=(f"{server.url}/functions",))
    await gathered(toolbox, caller, protocol_function_sources=(f"{server.url}/functions",))
    result = await tool.run({})

    assert (tool.parameters, result) == ({"type": "object", "properties": {}}, "Rain")
    # The second time it was still known.
    assert [seen.path for seen in server.seen] == ["/functions", "/forecast"]
    assert bcrypt.checkpw(salt.encode(), server.seen[0].headers["x-request-nonce"].encode())


@pytest.mark.parametrize(
    "listing",
    [
        '{"functions": [{"name": "read_skill", "description": "", "callbackUrl": "https://example.com/"}]}',
        '{"functions": [{"name": "find", "description": "", "callbackUrl": "aivax://delete-collection"}]}',
        "",
        "[]",
        "{}",
        '{"functions": [{}]}',
        '{"functions": [{"name": "x"}]}',
        '{"functions": 5}',
        "\xff",
    ],
)
async def test_names_the_source_that_fails(toolbox: Toolbox, caller: Caller, server: Server, listing: str) -> None:
    server.says("/functions", listing)
    source = f"{server.url}/functions?key=secret"

    with pytest.raises(SourceFailed, match=r"127\.0\.0\.1/functions") as refused:
        await gathered(toolbox, caller, protocol_function_sources=(source,))

    assert "secret" not in str(refused.value)


async def test_refuses_two_tools_of_one_name(toolbox: Toolbox, caller: Caller, server: Server) -> None:
    listed = {"name": "forecast", "description": "…", "callbackUrl": server.url, "contentFormat": None}
    server.says("/functions", orjson.dumps({"functions": [listed]}).decode())

    with pytest.raises(Conflict, match="'forecast': one of the protocol functions, one of a source"):
        await gathered(
            toolbox,
            caller,
            protocol_functions=(function(server),),
            protocol_function_sources=(f"{server.url}/functions",),
        )


async def test_asks_what_a_call_is_for(toolbox: Toolbox, caller: Caller, server: Server) -> None:
    server.says("/forecast", "Rain")
    (tool,) = await gathered(toolbox, caller, protocol_functions=(function(server),), tool_invocation_explanations=True)

    await tool.run({"city": "Porto", "_tool_reason": "asked", "_tool_goal": "an answer"})

    assert tool.parameters["required"] == ["_tool_reason", "_tool_goal", "city"]
    assert server.seen[0].json["function"]["content"] == {"city": "Porto"}


async def test_searches_a_collection(
    toolbox: Toolbox, ingestion: Ingestion, principal: Principal, server: Server
) -> None:
    bread = NewDocument("bread", "Bread is baked for forty minutes.", reference="kitchen")
    collection = await fill(ingestion, principal, bread, NewDocument("oven", "Ovens are hot.", reference="kitchen"))
    url = f"aivax://query-collection?collection-id={collection.id}&top=1&min=0.1&refs"
    tool = await only(toolbox, caller_of(principal), function(server, callback_url=url, content_format=None))

    (found,) = await tool.run({"query": "How long is bread baked?"})

    assert found.pop("score") > 0.1
    assert found == {
        "name": "bread",
        "text": "Bread is baked for forty minutes.",
        "references": [{"name": "oven", "text": "Ovens are hot."}],
    }
    assert tool.parameters["required"] == ["query"]
