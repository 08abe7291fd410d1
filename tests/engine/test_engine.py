import asyncio
from contextlib import aclosing

import pytest

from engine import ChatRequest, End, EndReason, Engine, Patience, Text, Usage
from engine.providers.openai import OpenAIProvider
from engine.testing import Hold, ScriptedProvider, saying
from errors import NotConfigured, ProviderRefusedKey, ProviderUnavailable
from tests.upstream import Gate, Reply, Upstream


async def test_plays_what_a_provider_says(question: ChatRequest) -> None:
    provider = ScriptedProvider(saying("Hel", "lo"))

    events = [event async for event in Engine({"acme": provider}).chat("acme", question)]

    assert events == [Text("Hel"), Text("lo"), Usage(10, 2), End(EndReason.STOP)]
    assert provider.requests == [question]


def test_names_a_provider_that_is_not_there(question: ChatRequest) -> None:
    with pytest.raises(NotConfigured, match="No model provider is called 'acme'"):
        Engine().chat("acme", question)


async def test_leaving_hangs_up(question: ChatRequest) -> None:
    provider = ScriptedProvider([Text("Hel"), Hold()])

    async with aclosing(Engine({"acme": provider}).chat("acme", question)) as events:
        await anext(events)

    assert (provider.left, provider.finished) == (1, 0)


async def test_leaving_closes_the_connection(
    upstream: Upstream, provider: OpenAIProvider, question: ChatRequest
) -> None:
    upstream.will(Reply("Hel", Gate()))

    async with aclosing(Engine({"acme": provider}).chat("acme", question)) as events:
        await anext(events)
        call = await upstream.arrived()

    await asyncio.wait_for(call.left.wait(), 1)


async def test_a_replaced_provider_finishes_what_it_began(question: ChatRequest) -> None:
    old, new = ScriptedProvider([Text("old"), hold := Hold(), *saying()]), ScriptedProvider(saying("new"))
    engine = Engine({"acme": old})

    async with aclosing(engine.chat("acme", question)) as events:
        await anext(events)
        engine.put("acme", new)
        fresh = [event async for event in engine.chat("acme", question)]
        assert not old.is_closed
        hold.release()
        rest = [event async for event in events]

    assert fresh[0] == Text("new")
    assert rest[-1] == End(EndReason.STOP)
    await engine.close()
    assert old.is_closed
    assert new.is_closed


async def test_an_idle_provider_is_closed_when_it_is_replaced() -> None:
    old = ScriptedProvider()
    engine = Engine({"acme": old})

    engine.put("acme", ScriptedProvider())
    await engine.close()

    assert old.is_closed


async def test_lists_the_models_of_a_provider(upstream: Upstream, provider: OpenAIProvider) -> None:
    assert await Engine({"acme": provider}).models("acme") == ["test-model"]


async def test_says_why_there_is_no_list(upstream: Upstream, provider: OpenAIProvider) -> None:
    upstream.listing = Reply.error(401, "Wrong key")

    with pytest.raises(ProviderRefusedKey, match="Wrong key"):
        await Engine({"acme": provider}).models("acme")


async def test_does_not_wait_for_ever_for_a_list(upstream: Upstream, provider: OpenAIProvider) -> None:
    upstream.listing = Reply(before_headers=Gate())

    with pytest.raises(ProviderUnavailable, match="in time"):
        await Engine({"acme": provider}, patience=Patience(listing_seconds=0.05)).models("acme")
