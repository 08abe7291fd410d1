from typing import Any  # What a worker answers is open JSON.

import bcrypt
import orjson
import pytest

from domain.agents import Tool, ToolResult
from domain.calling import Caller
from domain.gateways.parameters import Parameters, ProtocolFunction, RemoteSource
from domain.tools import Nonces
from domain.tools.rewriting import Rewritten
from domain.tools.worker import Worker
from engine import chat
from engine.chat import ChatRequest, Message
from engine.guard import Guard
from errors import Forbidden, SourceFailed, ToolFailed
from tests.domain.tools.listening import Server

ASKED = ChatRequest(model="acme", messages=(Message.system("Be kind."), Message.user("Hi")), tools=(chat.Tool("look"),))
PARAMETERS = Parameters("@integrated", "acme", skills=("one",), enable_bash=True)
ACTION = "application/json+worker-action"


@pytest.fixture
def worker(guard: Guard, nonces: Nonces, caller: Caller, server: Server) -> Worker:
    return Worker(guard, nonces, caller, f"{server.url}/worker")


def acts(server: Server, type: str, **data: Any) -> None:
    action = orjson.dumps({"type": type, "data": data}).decode()
    server.says("/worker", action, content_type=ACTION)


async def received(worker: Worker, server: Server, *rewrites: dict[str, Any]) -> Rewritten:
    acts(server, "message.received.response", rewrites=list(rewrites))
    return await worker.received(ASKED, PARAMETERS)


def said(told: Rewritten) -> list[tuple[str, str]]:
    return [(message.role.value, message.text) for message in told.request.messages]


async def test_hears_as_documented(worker: Worker, caller: Caller, server: Server, salt: str) -> None:
    server.says("/worker", "fine")

    told = await worker.received(ASKED, PARAMETERS)

    (seen,) = server.seen
    body = seen.json
    assert not body.pop("moment").endswith("Z")
    assert body == {
        "gatewayId": str(caller.gateway_id),
        "event": {
            "name": "message.received",
            "data": {
                "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}],
                "origin": "SessionsApi",
                "externalUserId": "customer-123",
                "metadata": {"tier": "gold"},
            },
        },
    }
    assert seen.headers["content-type"] == "application/json"
    assert bcrypt.checkpw(salt.encode(), seen.headers["x-request-nonce"].encode())
    assert told == Rewritten(ASKED, PARAMETERS, caller)


async def test_rewrites_messages_in_order(worker: Worker, server: Server) -> None:
    told = await received(
        worker,
        server,
        {"type": "remove-message", "index": 1},
        {"type": "add-message", "message": {"role": "user", "content": "Good day"}},
        {"type": "add-system", "message": "Be brief."},
    )

    assert said(told) == [("system", "Be kind."), ("system", "Be brief."), ("user", "Good day")]


async def test_adds_tools(worker: Worker, server: Server) -> None:
    tool = {"type": "function", "function": {"name": "find", "description": "…", "parameters": {"type": "object"}}}
    function = {"name": "weather", "description": "…", "callbackUrl": "https://example.com/", "contentFormat": None}
    told = await received(
        worker,
        server,
        {"type": "add-tool", "tool": tool},
        {"type": "add-protocol-tool", "tool": function},
        {"type": "add-mcp-source", "source": {"name": "Maps", "url": "https://example.com/mcp", "headers": {"a": "b"}}},
    )

    assert [tool.name for tool in told.request.tools] == ["look", "find"]
    assert told.parameters.protocol_functions == (ProtocolFunction("weather", "…", "https://example.com/"),)
    assert told.parameters.mcp_sources == (RemoteSource("Maps", "https://example.com/mcp", headers={"a": "b"}),)


@pytest.mark.parametrize(
    ("argument", "left"),
    [
        ("messages", {"system", "tools", "skills", "meta"}),
        ("system", {"messages", "tools", "skills", "meta"}),
        ("tools", {"messages", "system", "skills", "meta"}),
        ("skills", {"messages", "system", "tools", "meta"}),
        ("meta", {"messages", "system", "tools", "skills"}),
        ("all", set()),
        (None, set()),
    ],
)
async def test_clears_what_is_named(worker: Worker, server: Server, argument: str | None, left: set[str]) -> None:
    told = await received(worker, server, {"type": "clear"} | ({"argument": argument} if argument else {}))

    there = {
        "messages": ("user", "Hi") in said(told),
        "system": ("system", "Be kind.") in said(told),
        "tools": bool(told.request.tools) and told.parameters.enable_bash,
        "skills": bool(told.parameters.skills),
        "meta": bool(told.caller.metadata),
    }
    assert {name for name, is_there in there.items() if is_there} == left


@pytest.mark.parametrize("status", [302, 400, 403, 500])
async def test_stops_a_request(worker: Worker, server: Server, status: int) -> None:
    server.says("/worker", "because of password=hunter2", status=status)

    with pytest.raises(Forbidden) as refused:
        await worker.received(ASKED, PARAMETERS)

    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "rewrite",
    [
        {"type": "shout"},
        {},
        {"type": "remove-message", "index": 2},
        {"type": "remove-message", "index": -1},
        {"type": "remove-message", "index": True},
        {"type": "add-message", "message": {"role": "king"}},
        {"type": "add-message"},
        {"type": "add-system", "message": 5},
        {"type": "add-protocol-tool", "tool": {"name": "x"}},
        {"type": "add-mcp-source", "source": {"name": "x", "url": 5}},
        {"type": "clear", "argument": "everything"},
    ],
)
async def test_makes_no_rewrite_that_makes_no_sense(worker: Worker, server: Server, rewrite: dict[str, Any]) -> None:
    with pytest.raises(SourceFailed, match="The gateway's worker answered with"):
        await received(worker, server, rewrite)


@pytest.mark.parametrize("body", ["", "[]", "{}", "5", '{"type": "tool.called.response", "data": {"rewrites": []}}'])
async def test_reads_no_action_that_makes_no_sense(worker: Worker, server: Server, body: str) -> None:
    server.says("/worker", body, content_type=ACTION)

    with pytest.raises(SourceFailed, match="The gateway's worker answered with"):
        await worker.received(ASKED, PARAMETERS)


async def test_a_worker_that_is_away_fails_the_request(guard: Guard, nonces: Nonces, caller: Caller) -> None:
    with pytest.raises(SourceFailed, match="The gateway's worker could not be reached"):
        await Worker(guard, nonces, caller, "http://127.0.0.1:1/").received(ASKED, PARAMETERS)


async def test_reaches_no_private_address(nonces: Nonces, caller: Caller, server: Server) -> None:
    with pytest.raises(SourceFailed, match="no public address"):
        await Worker(Guard(), nonces, caller, server.url).received(ASKED, PARAMETERS)

    assert server.seen == []


# ---------------------------------------------------------------- tool.called


class Look:
    def __init__(self) -> None:
        self.ran: list[Any] = []

    async def run(self, arguments: Any) -> Any:
        self.ran.append(arguments)
        return "seen"


async def test_answers_instead_of_a_tool(worker: Worker, server: Server) -> None:
    acts(server, "tool.called.response", result="Nothing.", messages=[{"role": "user", "content": "Go on"}])
    look = Look()

    result = await worker.watched(Tool("look", "", {}, look.run)).run({"at": "sea"})

    assert result == ToolResult("Nothing.", (Message.user("Go on"),))
    assert look.ran == []
    assert server.seen[0].json["event"] == {
        "name": "tool.called",
        "data": {
            "toolName": "look",
            "toolArguments": {"at": "sea"},
            "origin": "SessionsApi",
            "externalUserId": "customer-123",
            "metadata": {"tier": "gold"},
        },
    }


async def test_lets_a_tool_run(worker: Worker, server: Server) -> None:
    server.says("/worker", status=204)
    look = Look()

    assert await worker.watched(Tool("look", "", {}, look.run)).run({"at": "sea"}) == "seen"
    assert look.ran == [{"at": "sea"}]


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 403},
        {"content_type": ACTION, "text": '{"type": "tool.called.response", "data": {}}'},
        {"content_type": ACTION, "text": '{"type": "tool.called.response", "data": {"result": 5}}'},
    ],
)
async def test_blocks_a_tool(worker: Worker, server: Server, answer: dict[str, Any]) -> None:
    server.says("/worker", **answer)
    look = Look()

    with pytest.raises(ToolFailed, match="look was blocked"):
        await worker.watched(Tool("look", "", {}, look.run)).run({})

    assert look.ran == []


async def test_blocks_tools_while_it_is_away(guard: Guard, nonces: Nonces, caller: Caller) -> None:
    look, away = Look(), Worker(guard, nonces, caller, "http://127.0.0.1:1/")

    with pytest.raises(ToolFailed, match="look was blocked"):
        await away.watched(Tool("look", "", {}, look.run)).run({})

    assert look.ran == []
