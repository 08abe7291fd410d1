import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import orjson
import pytest

from engine import ChatRequest, End, EndReason, Engine, Heard, Packet, Patience, Target, Text, Usage
from engine.providers.openai import OpenAIProvider
from engine.testing import Hold, ScriptedProvider, saying
from errors import NotConfigured, ProviderRefusedKey, ProviderUnavailable
from tests.upstream import Gate, Reply, Upstream

ACME = Target("acme", "test-model")


async def collected(packets: AsyncGenerator[Packet, None]) -> list[Heard]:
    return [piece async for packet in packets for piece in packet.heard]


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


async def test_blocks_are_passed_on_as_they_came(
    upstream: Upstream, provider: OpenAIProvider, question: ChatRequest
) -> None:
    """Odd spaces, unknown members, several choices: nobody takes them apart and puts them together again."""
    sent = [
        b'data: {"choices":[{"index":0,"delta":{"role":"assistant"}}],  "x_y": 1.0}\n\n',
        b'data: { "choices" : [{"index":0,"delta":{"content":"Hi \\u0068"}}] }\n\n',
        b'data: {"choices":[{"index":1,"delta":{"content":"other"}}]}\n\n',
        b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n',
        b'data: {"choices":[],"usage":{"prompt_tokens":0,"completion_tokens":0,"cost":1e-7}}\n\n',
    ]
    upstream.will(Reply(*sent, b"data: [DONE]\n\n", burst=9, finish=None, usage={}, done=False))

    heard = await collected(Engine({"acme": provider}).listen([ACME], question, stream=True))

    assert [piece.block for piece in heard] == [*(event[6:-2] for event in sent), b""]
    assert [piece.events for piece in heard] == [[], [Text("Hi h")], [], [], [Usage(0, 0)], [End(EndReason.STOP)]]
    assert [piece.finishes for piece in heard] == [False, False, False, True, False, False]


async def test_a_plain_body_is_passed_on_as_it_came(
    upstream: Upstream, provider: OpenAIProvider, question: ChatRequest
) -> None:
    body = b'{"choices": [{"message":{"content":"Hi"},"finish_reason":"stop"}],"usage":{"total_tokens":1}, "x": 1.0}\n'
    upstream.will(Reply(body=body))

    heard = await collected(Engine({"acme": provider}).listen([ACME], question, stream=False))

    assert [(piece.block, piece.events) for piece in heard] == [(body, [Text("Hi")]), (b"", [End(EndReason.STOP)])]


async def test_who_gets_the_wrong_form_is_given_what_was_asked_for(
    upstream: Upstream, provider: OpenAIProvider, question: ChatRequest
) -> None:
    engine = Engine({"acme": provider})
    plain = {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}
    streamed = b'data: {"choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}]}\n\n'
    upstream.will(Reply(body=plain), Reply(body=streamed, headers={"content-type": "text/event-stream"}))

    chunks = [piece for piece in await collected(engine.listen([ACME], question, stream=True)) if piece.block]
    body = [piece for piece in await collected(engine.listen([ACME], question, stream=False)) if piece.block]

    assert [orjson.loads(piece.block)["choices"][0]["delta"].get("content") for piece in chunks] == ["", "Hi", None]
    assert [orjson.loads(piece.block)["choices"][0]["message"]["content"] for piece in body] == ["Hi"]


async def test_what_comes_together_is_one_packet(
    upstream: Upstream, provider: OpenAIProvider, question: ChatRequest
) -> None:
    upstream.will(Reply("a", "b", "c", gate := Gate(), burst=3))

    async with aclosing(Engine({"acme": provider}).listen([ACME], question, stream=True)) as packets:
        packet = await anext(packets)
        gate.open()

    assert packet.target == ACME
    assert [piece.events for piece in packet.heard] == [[Text("a")], [Text("b")], [Text("c")]]
