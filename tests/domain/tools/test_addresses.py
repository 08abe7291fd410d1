"""Every address that a gateway, or its model, may name: none leads into our own rooms, however it is spelled."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import orjson
import pytest

from domain.agents import Tool
from domain.calling import Caller
from domain.gateways.parameters import (
    BuiltinFunction,
    BuiltinOptions,
    Parameters,
    ProtocolFunction,
    RemoteSource,
    Sentinel,
)
from domain.published import Published
from domain.tools import Nonces, Toolbox
from domain.tools.builtin import Builtins, Endpoint, Endpoints
from engine.chat import ChatRequest
from engine.guard import Guard
from errors import PlatformError
from tests.domain.tools.listening import Server
from tests.engine.test_guard import PRIVATE, Names

Reach = Callable[[Toolbox, Caller, str], Awaitable[object]]


async def tools_of(toolbox: Toolbox, caller: Caller, parameters: Parameters) -> list[Tool]:
    async with AsyncExitStack() as closing:
        return await toolbox.tools_for(caller, parameters, closing)


def parameters(**changes: object) -> Parameters:
    return Parameters("@integrated", "acme", **changes)  # type: ignore[arg-type]  # whichever is tried


async def callback(toolbox: Toolbox, caller: Caller, url: str) -> object:
    functions = (ProtocolFunction("forecast", "", url),)
    (tool,) = await tools_of(toolbox, caller, parameters(protocol_functions=functions))
    return await tool.run({})


async def function_source(toolbox: Toolbox, caller: Caller, url: str) -> object:
    return await tools_of(toolbox, caller, parameters(protocol_function_sources=(url,)))


async def mcp_source(toolbox: Toolbox, caller: Caller, url: str) -> object:
    return await tools_of(toolbox, caller, parameters(mcp_sources=(RemoteSource("x", url),)))


async def instructions(toolbox: Toolbox, caller: Caller, url: str) -> object:
    return await toolbox.remote.of(caller, [RemoteSource("x", url)])


async def worker(toolbox: Toolbox, caller: Caller, url: str) -> object:
    asked = parameters(worker_script_source=url)
    found = toolbox.worker(caller, asked)
    assert found is not None
    return await found.received(ChatRequest(model="acme", messages=()), asked)


async def request(toolbox: Toolbox, caller: Caller, url: str) -> object:
    (tool,) = await tools_of(toolbox, caller, parameters(sentinel_options=Sentinel((BuiltinFunction.REQUEST,))))
    return await tool.run({"url": url})


async def open_url(toolbox: Toolbox, caller: Caller, url: str) -> object:
    (tool,) = await tools_of(toolbox, caller, parameters(sentinel_options=Sentinel((BuiltinFunction.OPEN_URL,))))
    (page,) = await tool.run({"urls": [url]})
    assert "text" not in page
    raise PlatformError(page["error"])


async def reference(toolbox: Toolbox, caller: Caller, url: str) -> object:
    drawing = parameters(
        sentinel_options=Sentinel((BuiltinFunction.IMAGE_GENERATION,)),
        builtin_functions_options=BuiltinOptions(image_generation_allow_reference_usage=True),
    )
    (tool,) = await tools_of(toolbox, caller, drawing)
    return await tool.run({"prompt": "A cat", "references": [url]})


async def drawn(toolbox: Toolbox, caller: Caller, url: str) -> object:
    """An address that the provider of pictures answers with."""
    drawing = parameters(sentinel_options=Sentinel((BuiltinFunction.IMAGE_GENERATION,)))
    (tool,) = await tools_of(toolbox, caller, drawing)
    return await tool.run({"prompt": url})


WAYS: Mapping[str, Reach] = {
    each.__name__: each
    for each in (
        *(callback, function_source, mcp_source, instructions, worker),
        *(request, open_url, reference, drawn),
    )
}


@pytest.fixture
async def provider(server: Server) -> Endpoint:
    """One of the operator's own, beside us: it answers with whatever address it is told to draw."""
    from aiohttp import web

    async def draw(asked: web.Request) -> web.Response:
        return web.json_response({"data": [{"url": orjson.loads(await asked.read())["prompt"]}]})

    server.answers["/images/generations"] = draw
    return Endpoint(server.url)


def toolbox_of(guard: Guard, nonces: Nonces, plain: Toolbox, provider: Endpoint, folder: Path) -> Toolbox:
    builtins = Builtins(guard, Published(folder), Endpoints(images=provider))
    return Toolbox(guard, nonces, plain.retrieval, builtins=builtins)


@pytest.mark.parametrize("way", WAYS)
async def test_leads_to_no_private_address(
    way: str, toolbox: Toolbox, nonces: Nonces, caller: Caller, provider: Endpoint, server: Server, tmp_path: Path
) -> None:
    guarded = toolbox_of(Guard(), nonces, toolbox, provider, tmp_path)
    port = server.url.rpartition(":")[2]

    for url in (
        *PRIVATE,
        f"http://127.0.0.1:{port}/",
        f"http://localhost:{port}/",
        f"http://[::ffff:127.0.0.1]:{port}/",
    ):
        with pytest.raises(PlatformError):
            await WAYS[way](guarded, caller, url)

    assert {seen.path for seen in server.seen} <= {"/images/generations"}


@pytest.mark.parametrize("way", WAYS)
async def test_trusts_no_name(
    way: str, toolbox: Toolbox, nonces: Nonces, caller: Caller, provider: Endpoint, server: Server, tmp_path: Path
) -> None:
    """It was public when it was saved, and is ours now."""
    guarded = toolbox_of(Guard(resolver=Names(["127.0.0.1"])), nonces, toolbox, provider, tmp_path)
    port = server.url.rpartition(":")[2]

    with pytest.raises(PlatformError):
        await WAYS[way](guarded, caller, f"http://rebound.example.com:{port}/")

    assert {seen.path for seen in server.seen} <= {"/images/generations"}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "gopher://example.com/", "data:text/plain,x", "//example.com", ""]
)
async def test_speaks_nothing_but_http(
    way: str, url: str, toolbox: Toolbox, caller: Caller, provider: Endpoint, tmp_path: Path, nonces: Nonces
) -> None:
    with pytest.raises(PlatformError):
        await WAYS[way](toolbox_of(Guard(), nonces, toolbox, provider, tmp_path), caller, url)
