"""Against the official server of the newest protocol, and a hand-made one of the years before."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any  # What was sent is open JSON.

import bcrypt
import orjson
import pytest
from aiohttp import web
from mcp.server.mcpserver import Context, Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import AudioContent, EmbeddedResource, TextContent, TextResourceContents
from starlette.types import ASGIApp, Receive, Scope, Send

from domain.agents import Tool, ToolResult
from domain.calling import Caller
from domain.gateways.parameters import Parameters, RemoteSource
from domain.tools import Nonces, Toolbox
from engine.chat import Audio, Message
from engine.chat import Image as Picture
from engine.guard import Guard
from errors import SourceFailed, ToolFailed
from tests.domain.tools.listening import Server
from tests.serving import listening


class Official:
    """An MCP server of the official package, and what reached it."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[dict[str, str]] = []
        self.metas: list[dict[str, Any]] = []
        self.hanging, self.left = asyncio.Event(), asyncio.Event()
        self.mcp = MCPServer("weather")
        for tool in (self.forecast, self.picture, self.sound, self.letter, self.broken, self.hang):
            self.mcp.tool()(tool)

    async def forecast(self, city: str, ctx: Context[Any]) -> str:
        """The weather to come."""
        self.metas.append(dict(ctx.request_context.meta or {}))
        return f"Rain in {city}"

    async def picture(self) -> Any:
        return ["Here it is", Image(data=b"png", format="png")]

    async def sound(self) -> Any:
        return [AudioContent(data=b64encode(b"ID3").decode(), mime_type="audio/mpeg")]

    async def letter(self) -> Any:
        letter = TextResourceContents(uri="file:///letter", text="Dear …")
        return [TextContent(text="Look:"), EmbeddedResource(resource=letter)]

    async def broken(self) -> str:
        raise ToolError("There is no such thing.")

    async def hang(self) -> str:
        self.hanging.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.left.set()
        return ""

    def app(self) -> ASGIApp:
        inner = self.mcp.streamable_http_app()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                self.requests.append({name.decode(): value.decode() for name, value in scope["headers"]})
            await inner(scope, receive, send)

        return app


@pytest.fixture
async def official() -> AsyncIterator[Official]:
    made = Official()
    async with listening(made.app()) as url:
        made.url = f"{url}/mcp"
        yield made


@pytest.fixture
async def closing() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def gathered(
    toolbox: Toolbox, caller: Caller, closing: AsyncExitStack, url: str, **source: Any
) -> dict[str, Tool]:
    sources = (RemoteSource("Weather", url, **source),)
    tools = await toolbox.tools_for(caller, Parameters("@integrated", "acme", mcp_sources=sources), closing)
    return {tool.name: tool for tool in tools}


async def test_lists_and_calls(
    toolbox: Toolbox, caller: Caller, official: Official, closing: AsyncExitStack, salt: str
) -> None:
    tools = await gathered(toolbox, caller, closing, official.url, headers={"Authorization": "Bearer x"})

    result = await tools["forecast"].run({"city": "Porto"})

    (meta,) = official.metas
    told = {name: value for name, value in meta.items() if not name.startswith("io.")}
    nonce, moment = told.pop("_aiv_nonce"), told.pop("_aiv_moment")
    assert tools["forecast"].description == "The weather to come."
    assert tools["forecast"].parameters["required"] == ["city"]
    assert result == ToolResult("Rain in Porto")
    assert told == {
        "_aiv_external_user_id": "customer-123",
        "_aiv_call_source": "SessionsApi",
        "_aiv_conversation_token": "conversation-1",
        "tier": "gold",
    }
    assert "T" in moment
    assert bcrypt.checkpw(salt.encode(), nonce.encode())
    assert {request["authorization"] for request in official.requests} == {"Bearer x"}
    assert nonce in [request["x-request-nonce"] for request in official.requests]


async def test_metadata_is_nothing_of_the_protocols(
    toolbox: Toolbox, caller: Caller, official: Official, closing: AsyncExitStack
) -> None:
    forged = {
        "progressToken": "1",
        "io.modelcontextprotocol/protocolVersion": "1",
        "_aiv_external_user_id": "else",
        "a": "b",
    }
    tools = await gathered(toolbox, replace(caller, metadata=forged), closing, official.url)

    await tools["forecast"].run({"city": "Porto"})

    (meta,) = official.metas
    assert (meta["a"], meta["_aiv_external_user_id"]) == ("b", "customer-123")
    assert "1" not in meta.values()


async def test_pictures_and_sounds_follow_as_messages(
    toolbox: Toolbox, caller: Caller, official: Official, closing: AsyncExitStack
) -> None:
    tools = await gathered(toolbox, caller, closing, official.url)

    picture, sound, letter = [await tools[name].run({}) for name in ("picture", "sound", "letter")]

    assert picture == ToolResult("Here it is", (Message.user(Picture.of(b"png", "image/png")),))
    assert sound.messages == (Message.user(Audio(b64encode(b"ID3").decode(), "mp3")),)
    assert letter == ToolResult("Look:\n[The tool also returned a resource, which cannot be shown here.]")


async def test_tells_the_model_what_went_wrong(
    toolbox: Toolbox, caller: Caller, official: Official, closing: AsyncExitStack
) -> None:
    tools = await gathered(toolbox, caller, closing, official.url)

    with pytest.raises(ToolFailed, match=r"There is no such thing\.$"):
        await tools["broken"].run({})
    with pytest.raises(ToolFailed, match="JSON object"):
        await tools["forecast"].run(["Porto"])  # type: ignore[arg-type]  # models write anything


async def test_keeps_the_list_for_its_duration(
    toolbox: Toolbox, caller: Caller, official: Official, closing: AsyncExitStack
) -> None:
    await gathered(toolbox, caller, closing, official.url)
    asked = len(official.requests)

    await gathered(toolbox, caller, closing, official.url)
    assert len(official.requests) == asked

    await gathered(toolbox, caller, closing, official.url, cache_duration=0)
    assert len(official.requests) > asked


async def test_leaving_ends_a_call(toolbox: Toolbox, caller: Caller, official: Official) -> None:
    async def answer() -> None:
        async with AsyncExitStack() as closing:
            tools = await gathered(toolbox, caller, closing, official.url)
            await tools["hang"].run({})

    answering = asyncio.create_task(answer())
    await official.hanging.wait()

    answering.cancel()
    await asyncio.gather(answering, return_exceptions=True)

    await asyncio.wait_for(official.left.wait(), 5)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"text": "<html>"}, "does not speak MCP|refused"),
        ({"status": 500}, "refused: Server returned an error"),
        ({"text": "{}", "content_type": "application/json"}, "does not speak MCP|refused"),
        ({"status": 307, "location": "http://169.254.169.254/latest"}, "refused: Redirect"),
    ],
)
async def test_names_the_server_that_fails(
    toolbox: Toolbox, caller: Caller, server: Server, closing: AsyncExitStack, content: dict[str, Any], reason: str
) -> None:
    server.says("/mcp", **content)

    with pytest.raises(SourceFailed, match=rf"The MCP source 'Weather' ({reason})"):
        await gathered(toolbox, caller, closing, f"{server.url}/mcp")


async def test_names_the_server_that_is_not_there(toolbox: Toolbox, caller: Caller, closing: AsyncExitStack) -> None:
    with pytest.raises(SourceFailed, match="The MCP source 'Weather' could not be reached"):
        await gathered(toolbox, caller, closing, "http://127.0.0.1:1/mcp")


async def test_waits_for_no_silent_server(
    toolbox: Toolbox, caller: Caller, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = asyncio.Event()

    async def say_nothing(request: web.Request) -> web.Response:
        await silent.wait()
        return web.Response()

    server.answers["/mcp"] = say_nothing
    monkeypatch.setattr("domain.tools.mcp_connection._CONNECT_SECONDS", 0.2)

    async with AsyncExitStack() as closing:
        with pytest.raises(SourceFailed, match=r"did not answer within 0\.2 seconds"):
            await gathered(toolbox, caller, closing, f"{server.url}/mcp")
    silent.set()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f.1"])
async def test_reaches_no_private_address(
    toolbox: Toolbox, nonces: Nonces, caller: Caller, server: Server, closing: AsyncExitStack, host: str
) -> None:
    guarded = Toolbox(Guard(), nonces, toolbox.retrieval)

    with pytest.raises(SourceFailed, match="no public address"):
        await gathered(guarded, caller, closing, f"{server.url.replace('127.0.0.1', host)}/mcp")

    assert server.seen == []


# ---------------------------------------------------------------- a server of the years before


class Old:
    """Sessions, a handshake, and answers as plain JSON."""

    def __init__(self, server: Server) -> None:
        self.methods: list[str] = []
        server.answers["/mcp"] = self.answer

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.method != "POST":
            self.methods.append(request.method)
            return web.Response(status=200 if request.method == "DELETE" else 405)
        asked = orjson.loads(await request.read())
        self.methods.append(asked["method"])
        match asked["method"]:
            case "initialize":
                result: Any = {
                    "protocolVersion": "2025-06-18",
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "old", "version": "1"},
                }
            case "tools/list":
                schema = {"type": "object", "properties": {}}
                page = asked.get("params", {}).get("cursor")
                name = "time.now" if page else "time.zone"
                result = {"tools": [{"name": name, "inputSchema": schema}]} | ({} if page else {"nextCursor": "2"})
            case "tools/call":
                result = {"content": [], "structuredContent": {"called": asked["params"]["name"]}}
            case method if method.startswith("notifications/"):
                return web.Response(status=202)
            case _:
                return web.json_response(
                    {"jsonrpc": "2.0", "id": asked["id"], "error": {"code": -32601, "message": "unknown"}}, status=400
                )
        return web.json_response(
            {"jsonrpc": "2.0", "id": asked["id"], "result": result}, headers={"mcp-session-id": "session-1"}
        )


async def test_speaks_with_older_servers(toolbox: Toolbox, caller: Caller, server: Server) -> None:
    old = Old(server)

    async with AsyncExitStack() as closing:
        tools = await gathered(toolbox, caller, closing, f"{server.url}/mcp")
        old.methods.clear()
        # Names that models cannot say are told to them in another way.
        results = [await tools[name].run({}) for name in ("time_zone", "time_now")]

    assert [result.content for result in results] == ['{"called":"time.zone"}', '{"called":"time.now"}']
    # One connection for both, and it is closed when the answer is over.
    assert old.methods.count("initialize") == 1
    assert old.methods[-1] == "DELETE"
