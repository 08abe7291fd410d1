"""Providers at addresses that users gave: every wire passes the guard, whatever library speaks it."""

from collections.abc import Callable

import pytest

from engine import ChatProvider
from engine.guard import Guard
from engine.providers.openai import OpenAIProvider
from engine.providers.vendors import VendorProvider
from errors import ProviderFailed
from tests.engine.test_guard import Names, listening
from tests.upstream import Upstream

Connect = Callable[[str, Guard], ChatProvider]
WIRES: dict[str, Connect] = {
    "openai": lambda url, guard: OpenAIProvider("theirs", f"{url}/v1", "sk-theirs", guard=guard),
    "anthropic": lambda url, guard: VendorProvider("theirs", "anthropic", "sk-theirs", base_url=url, guard=guard),
    "google": lambda url, guard: VendorProvider("theirs", "google", "sk-theirs", base_url=url, guard=guard),
}


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("host", ["127.0.0.1", "inner.example"])
async def test_an_inner_address_is_not_connected_to(wire: str, host: str) -> None:
    async with listening() as (port, seen):
        provider = WIRES[wire](f"http://{host}:{port}", Guard(resolver=Names(["127.0.0.1"])))
        try:
            with pytest.raises(ProviderFailed):
                await provider.models()
        finally:
            await provider.close()

    assert seen == []


@pytest.mark.parametrize("wire", WIRES)
async def test_a_name_is_resolved_once_and_its_answer_is_used(upstream: Upstream, wire: str) -> None:
    names = Names(["127.0.0.1"], ["10.0.0.1"])
    provider = WIRES[wire](upstream.origin.replace("127.0.0.1", "a.example"), Guard(allow_private=True, resolver=names))
    try:
        assert await provider.models() == ["test-model"]
    finally:
        await provider.close()

    assert names.asked == ["a.example"]


async def test_the_failure_says_what_is_wrong(upstream: Upstream) -> None:
    provider = OpenAIProvider("theirs", upstream.base_url, "sk-theirs", guard=Guard())
    try:
        with pytest.raises(ProviderFailed, match=r"theirs: its address must not lead to 127\.0\.0\.1"):
            await provider.models()
    finally:
        await provider.close()
