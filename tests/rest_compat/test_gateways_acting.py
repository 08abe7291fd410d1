"""What gateways' models do while they answer, over real connections: the model calls, and hears what came of it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any  # Arguments and answers are open JSON.

import orjson
import psutil
import pytest

from domain.tools import sandbox
from domain.tools.sandbox import Sandbox
from tests.domain.tools.listening import Server
from tests.domain.tools.listening import serving as listening
from tests.domain.tools.test_mcp import Old
from tests.rest_compat.test_gateways_answering import Gateway, content
from tests.serving import Served, serving
from tests.upstream import Reply, ToolPiece, Upstream

needs_a_sandbox = pytest.mark.skipif(sandbox.missing() is not None, reason=str(sandbox.missing()))


@pytest.fixture
async def served(database: dict[str, Any], upstream: Upstream) -> AsyncIterator[Served]:
    async with serving(database, upstream, allow_private_urls=True) as started:
        yield started


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with listening() as started:
        yield started


def calls(name: str, **arguments: Any) -> Reply:
    return Reply(ToolPiece(0, "call-1", name, orjson.dumps(arguments).decode()), finish="tool_calls")


def heard(gateway: Gateway) -> str:
    """What the model heard of its last call."""
    (told,) = [message for message in gateway.sent()["messages"] if message["role"] == "tool"][-1:]
    said: str = told["content"]
    return said


async def test_calls_a_protocol_function(served: Served, server: Server) -> None:
    server.says("/forecast", "Rain")
    function = {"name": "forecast", "description": "…", "callbackUrl": f"{server.url}/forecast", "contentFormat": None}
    gateway = await Gateway.made(served, protocolFunctions=[function])
    served.upstream.will(calls("forecast"), Reply("Take an umbrella."))

    answer = await gateway.ask(user="customer-123", metadata={"tier": "gold"})

    assert content(answer) == "Take an umbrella."
    assert heard(gateway) == "Rain"
    context = server.seen[0].json["context"]
    assert (context["externalUserId"], context["callSource"]) == ("customer-123", "ChatCompletionsApi")


async def test_tells_whoever_listens_what_it_does(served: Served, server: Server) -> None:
    server.says("/forecast", "Rain")
    function = {"name": "forecast", "description": "…", "callbackUrl": f"{server.url}/forecast", "contentFormat": None}
    gateway = await Gateway.made(served, protocolFunctions=[function], toolInvocationExplanations=True)
    served.upstream.will(
        calls("forecast", _tool_reason="It was asked.", _tool_goal="An answer."), Reply("Take an umbrella.")
    )

    chunks = await gateway.stream()

    events = [chunk["servertool"] for chunk in chunks if chunk.get("servertool")]
    assert {event["name"] for event in events} == {"forecast"}
    assert [event["state"] for event in events][-1] == "Finished"
    assert events[0]["explanation"] == {"reason": "It was asked.", "goal": "An answer."}
    assert server.seen[0].json["function"]["content"] == {}


async def test_calls_mcp_servers_and_hangs_up(served: Served, server: Server) -> None:
    old = Old(server)
    gateway = await Gateway.made(served, mcpSources=[{"name": "Time", "url": f"{server.url}/mcp"}])
    served.upstream.will(calls("time_zone"), Reply("UTC."))

    assert content(await gateway.ask()) == "UTC."

    assert heard(gateway) == '{"called":"time.zone"}'
    assert old.methods[-1] == "DELETE"


async def test_a_source_that_fails_is_named(served: Served, server: Server) -> None:
    gateway = await Gateway.made(served, mcpSources=[{"name": "Time", "url": f"{server.url}/mcp"}])

    answer = await gateway.ask()

    assert answer.status_code == 502
    assert "The MCP source 'Time'" in answer.json()["error"]["message"]
    assert served.upstream.calls == []


async def test_a_worker_stops_a_request(served: Served, server: Server) -> None:
    server.says("/worker", status=500)
    gateway = await Gateway.made(served, workerScriptSource=f"{server.url}/worker")

    answer = await gateway.ask()

    assert answer.status_code == 403
    assert served.upstream.calls == []


async def test_remembers_people(served: Served) -> None:
    gateway = await Gateway.made(served, sentinelOptions={"enabledFunctions": ["Remember"]})
    served.upstream.will(calls("memory_save", content="Likes coffee."), Reply("Noted."), Reply("Coffee?"))
    await gateway.ask(user="customer-123")

    await gateway.ask(user="customer-123")
    assert "Likes coffee." in gateway.sent()["messages"][0]["content"]
    await gateway.ask(user="customer-9")
    assert "Likes coffee." not in orjson.dumps(gateway.sent()).decode()

    (memory,) = (await served.client.get("/api/v1/memories")).json()
    assert (memory["externalUserId"], memory["content"], memory["format"]) == ("customer-123", "Likes coffee.", "Text")


async def test_publishes_what_it_makes(served: Served) -> None:
    gateway = await Gateway.made(served, sentinelOptions={"enabledFunctions": ["GenerateWebPage"]})
    served.upstream.will(calls("generate_web_page", title="Game", html="<b>Play</b>"), Reply("There."))
    await gateway.ask()

    link = orjson.loads(heard(gateway))["url"]
    page = await served.client.get(link[link.index("/api/") :])

    assert (page.status_code, page.text) == (200, "<b>Play</b>")
    assert page.headers["content-security-policy"].startswith("sandbox ")


@needs_a_sandbox
async def test_has_a_shell_as_long_as_it_answers(served: Served) -> None:
    gateway = await Gateway.made(served, enableBash=True)
    served.upstream.will(calls("shell", command="echo $((6 * 7)) > a"), calls("shell", command="cat a"), Reply("42."))

    assert content(await gateway.ask()) == "42."

    assert heard(gateway) == "42"
    assert _sandboxes() == []


@needs_a_sandbox
async def test_leaving_ends_its_shell(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, feed = asyncio.Event(), Sandbox.feed

    async def fed(box: Sandbox, command: str, take: Callable[[bytes], object]) -> int:
        begun.set()
        return await feed(box, command, take)

    monkeypatch.setattr(Sandbox, "feed", fed)
    gateway = await Gateway.made(served, enableBash=True)
    served.upstream.will(calls("shell", command="sleep 30"))
    asking = asyncio.create_task(gateway.ask())
    await begun.wait()
    running = _sandboxes()

    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)

    _, alive = await asyncio.to_thread(psutil.wait_procs, running, 10)
    assert (len(running) > 0, alive) == (True, [])


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"sentinelOptions": {"enabledFunctions": ["WebSearch"]}}, "PALAVER_SEARCH_BASE_URL"),
        ({"sentinelOptions": {"enabledFunctions": ["Remember", "XPostsSearch"]}}, "posts of X"),
    ],
)
async def test_what_cannot_work_is_not_kept(served: Served, parameters: dict[str, Any], field: str) -> None:
    given = {"baseAddress": served.upstream.base_url, "modelName": "test-model", **parameters}

    answer = await served.client.post("/api/v1/ai-gateways", json={"name": "test", "parameters": given})

    assert answer.status_code == 400
    assert field in answer.json()["error"]


def _sandboxes() -> list[psutil.Process]:
    """Of this process."""
    found = psutil.Process().children(recursive=True)
    return [process for process in found if _name(process) == "bwrap"]


def _name(process: psutil.Process) -> str | None:
    try:
        return process.name()
    except psutil.NoSuchProcess:
        return None
