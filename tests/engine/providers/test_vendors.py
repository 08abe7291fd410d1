"""Vendors with a wire of their own, each against a loopback server that speaks it."""

import asyncio
import importlib.util
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass

import orjson
import pytest

from engine import (
    AnswerShape,
    Audio,
    ChatRequest,
    End,
    EndReason,
    Engine,
    Event,
    FilePart,
    Image,
    Message,
    Part,
    Patience,
    Raw,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    Usage,
    Video,
)
from engine.guard import Guard
from engine.providers.vendors import VendorProvider
from engine.wire import request_of
from errors import (
    ContextTooLong,
    Invalid,
    NotConfigured,
    ProviderFailed,
    ProviderRateLimited,
    ProviderRefusedKey,
    ProviderRejected,
    ProviderUnavailable,
)
from tests.engine.conftest import KEY
from tests.engine.hearing import events_of
from tests.upstream import Cut, Gate, Json, Reply, Step, Upstream

for extra in ("anthropic", "google.genai"):
    pytest.importorskip(extra)


@dataclass(frozen=True)
class Wire:
    """How a vendor says the same things."""

    vendor: str
    model: str
    stream: Callable[..., Reply]
    plain: Callable[..., Reply]
    error: Callable[[int, str], Json]
    too_long: str

    def reply(self, *steps: Step, stream: bool, tool: bool = False) -> Reply:
        return (self.stream if stream else self.plain)(*steps, tool=tool)


def anthropic_stream(*texts: Step, tool: bool = False) -> Reply:
    def event(kind: str, **fields: object) -> bytes:
        return f"event: {kind}\ndata: ".encode() + orjson.dumps({"type": kind, **fields}) + b"\n\n"

    def block(index: int, start: Json, *deltas: Json | Step) -> list[Step]:
        return [
            event("content_block_start", index=index, content_block=start),
            *(
                event("content_block_delta", index=index, delta=delta) if isinstance(delta, dict) else delta
                for delta in deltas
            ),
            event("content_block_stop", index=index),
        ]

    message = {"id": "m", "type": "message", "role": "assistant", "model": "x", "content": []}
    usage = {"input_tokens": 3, "cache_read_input_tokens": 2, "output_tokens": 1}
    thought = block(0, {"type": "thinking", "thinking": ""}, {"type": "thinking_delta", "thinking": "Hm."})
    said = [{"type": "text_delta", "text": text} if isinstance(text, str) else text for text in texts]
    arguments = ('{"ci', 'ty": "Oslo"}')
    call = block(
        2,
        {"type": "tool_use", "id": "call_a", "name": "weather", "input": {}},
        *({"type": "input_json_delta", "partial_json": piece} for piece in arguments),
    )
    return Reply(
        event("message_start", message={**message, "stop_reason": None, "stop_sequence": None, "usage": usage}),
        *thought,
        *block(1, {"type": "text", "text": ""}, *said),
        *(call if tool else ()),
        event("message_delta", delta={"stop_reason": "tool_use" if tool else "end_turn"}, usage={"output_tokens": 4}),
        event("message_stop"),
        finish=None,
        done=False,
    )


def anthropic_plain(*texts: Step, tool: bool = False) -> Reply:
    call = {"type": "tool_use", "id": "call_a", "name": "weather", "input": {"city": "Oslo"}}
    return Reply(
        body={
            "id": "m",
            "type": "message",
            "role": "assistant",
            "model": "x",
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "s"},
                {"type": "text", "text": "".join(text for text in texts if isinstance(text, str))},
                *([call] if tool else []),
            ],
            "stop_reason": "tool_use" if tool else "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 3, "cache_read_input_tokens": 2, "output_tokens": 4},
        },
        before_headers=next((step for step in texts if isinstance(step, Gate)), None),
    )


GOOGLE_USAGE = {"promptTokenCount": 5, "cachedContentTokenCount": 2, "candidatesTokenCount": 4, "totalTokenCount": 9}


def google_chunk(*parts: Json, finish: str | None = None, usage: bool = False) -> Json:
    candidate = {"content": {"role": "model", "parts": list(parts)}, "index": 0, "finishReason": finish}
    return {"candidates": [candidate], **({"usageMetadata": GOOGLE_USAGE} if usage else {})}


GOOGLE_THOUGHT = {"text": "Hm.", "thought": True}
GOOGLE_CALL = {"functionCall": {"id": "call_a", "name": "weather", "args": {"city": "Oslo"}}}


def google_stream(*texts: Step, tool: bool = False) -> Reply:
    def event(chunk: Json) -> bytes:
        return b"data: " + orjson.dumps(chunk) + b"\r\n\r\n"

    return Reply(
        event(google_chunk(GOOGLE_THOUGHT)),
        *(event(google_chunk({"text": text})) if isinstance(text, str) else text for text in texts),
        *([event(google_chunk(GOOGLE_CALL))] if tool else []),
        event(google_chunk(finish="STOP", usage=True)),
        finish=None,
        done=False,
    )


def google_plain(*texts: Step, tool: bool = False) -> Reply:
    said = [{"text": "".join(text for text in texts if isinstance(text, str))}]
    calls = [GOOGLE_CALL] if tool else []
    return Reply(
        body=google_chunk(GOOGLE_THOUGHT, *said, *calls, finish="STOP", usage=True),
        before_headers=next((step for step in texts if isinstance(step, Gate)), None),
    )


WIRES = [
    Wire(
        "anthropic",
        "claude-test",
        anthropic_stream,
        anthropic_plain,
        lambda status, message: {"type": "error", "error": {"type": "some_error", "message": message}},
        "prompt is too long: 200001 tokens > 200000 maximum",
    ),
    Wire(
        "google",
        "gemini-2.5-flash",
        google_stream,
        google_plain,
        lambda status, message: {"error": {"code": status, "message": message, "status": "SOME"}},
        "The input token count (9) exceeds the maximum number of tokens allowed (8).",
    ),
]
either_way = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "plain"])


@pytest.fixture(params=WIRES, ids=lambda wire: wire.vendor)
def wire(request: pytest.FixtureRequest) -> Wire:
    found: Wire = request.param
    return found


@pytest.fixture
async def vendor(upstream: Upstream, wire: Wire) -> AsyncIterator[VendorProvider]:
    made = VendorProvider("acme", wire.vendor, KEY, base_url=upstream.origin)
    yield made
    await made.close()


@pytest.fixture
def question(wire: Wire) -> ChatRequest:
    return ChatRequest(model=wire.model, messages=(Message.user("Hi"),))


async def answer(provider: VendorProvider, question: ChatRequest, *, stream: bool) -> list[Event]:
    events: list[Event] = []
    async for event in events_of(provider.listen(question, stream=stream)):
        last = events[-1] if events else None
        if isinstance(event, (Text, Reasoning)) and type(last) is type(event):
            last.text += event.text
        elif event is not None:
            events.append(event)
    return events


@either_way
async def test_yields_thoughts_text_tool_calls_usage_and_end(
    upstream: Upstream, vendor: VendorProvider, wire: Wire, question: ChatRequest, stream: bool
) -> None:
    upstream.will(wire.reply("Hel", "lo", stream=stream, tool=True))

    events = await answer(vendor, question, stream=stream)

    call = events.pop(2)
    assert isinstance(call, ToolCall)
    assert (call.id, call.name, orjson.loads(call.arguments)) == ("call_a", "weather", {"city": "Oslo"})
    assert events == [Reasoning("Hm."), Text("Hello"), Usage(5, 4, cached_tokens=2), End(EndReason.TOOL_CALLS)]


async def test_yields_each_token_as_it_comes(
    upstream: Upstream, vendor: VendorProvider, wire: Wire, question: ChatRequest
) -> None:
    upstream.will(wire.stream("Hel", gate := Gate(), "lo"))

    heard = []
    async with aclosing(events_of(vendor.listen(question, stream=True))) as events:
        async for event in events:
            if isinstance(event, Text):
                heard.append(event.text)
                gate.open()

    assert heard == ["Hel", "lo"]


async def test_closing_hangs_up_in_the_middle_of_a_stream(
    upstream: Upstream, vendor: VendorProvider, wire: Wire, question: ChatRequest
) -> None:
    upstream.will(wire.stream("Hel", Gate(), "lo"))
    events = events_of(vendor.listen(question, stream=True))
    async for event in events:
        if event == Text("Hel"):
            break
    call = await upstream.arrived()

    await events.aclose()

    await asyncio.wait_for(call.left.wait(), 1)


@either_way
async def test_cancelling_hangs_up_while_nothing_has_been_said(
    upstream: Upstream, vendor: VendorProvider, wire: Wire, question: ChatRequest, stream: bool
) -> None:
    upstream.will(wire.reply(gate := Gate(), "Hi", stream=stream))
    waiting = asyncio.ensure_future(answer(vendor, question, stream=stream))
    call = await upstream.arrived()
    await gate.reached.wait()

    waiting.cancel()

    await asyncio.wait_for(call.left.wait(), 1)
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_is_listened_to_with_patience(
    upstream: Upstream, vendor: VendorProvider, wire: Wire, question: ChatRequest
) -> None:
    upstream.will(Reply(status=503, body=wire.error(503, "Busy")), wire.stream("Hel", Gate(), "lo"))
    engine = Engine({"acme": vendor}, patience=Patience(between_tokens_seconds=0.5), uniform=lambda low, high: low)
    events = engine.chat("acme", question)

    assert [await anext(events), await anext(events)] == [Reasoning("Hm."), Text("Hel")]
    with pytest.raises(ProviderUnavailable, match="fell silent"):
        await anext(events)

    await upstream.arrived()
    await asyncio.wait_for((await upstream.arrived()).left.wait(), 1)


async def test_uses_a_connection_again(
    upstream: Upstream, vendor: VendorProvider, wire: Wire, question: ChatRequest
) -> None:
    for stream in (True, False, True):
        upstream.will(wire.reply("Hi", stream=stream))
        await answer(vendor, question, stream=stream)

    assert upstream.connections == 1


@either_way
@pytest.mark.parametrize(
    ("status", "reason", "error"),
    [
        (401, f"Incorrect key {KEY}", ProviderRefusedKey),
        (403, "Not for you", ProviderRefusedKey),
        (429, "Slow down", ProviderRateLimited),
        (400, "No such parameter", ProviderRejected),
        (500, "Oops", ProviderUnavailable),
        (503, "Busy", ProviderUnavailable),
        (529, "Overloaded", ProviderUnavailable),
    ],
)
async def test_tells_failures_apart(
    upstream: Upstream,
    vendor: VendorProvider,
    wire: Wire,
    question: ChatRequest,
    stream: bool,
    status: int,
    reason: str,
    error: type[ProviderFailed],
) -> None:
    upstream.will(Reply(status=status, body=wire.error(status, reason), headers={"retry-after": "7"}))

    with pytest.raises(ProviderFailed) as caught:
        await answer(vendor, question, stream=stream)

    assert type(caught.value) is error
    assert str(caught.value) == f"acme: {reason.replace(KEY, '…')}"
    assert caught.value.retry_after_seconds == 7
    assert upstream.seen["started"] == 1


async def test_says_when_a_conversation_is_too_long(
    upstream: Upstream, vendor: VendorProvider, wire: Wire, question: ChatRequest
) -> None:
    upstream.will(Reply(status=400, body=wire.error(400, wire.too_long)))

    with pytest.raises(ContextTooLong, match=r"\d+"):
        await answer(vendor, question, stream=True)


@either_way
@pytest.mark.parametrize(
    "reply",
    [
        Reply(Cut(), finish=None, done=False),
        Reply(b"data: \xff garbage\n\n", finish=None, done=False),
        Reply(body=b"<html>", headers={"content-type": "text/html"}),
        Reply(status=502, body=b"<html>nginx</html>", headers={"content-type": "text/html"}),
    ],
    ids=["cut", "garbage", "html", "bad gateway"],
)
async def test_makes_one_of_our_failures_of_anything(
    upstream: Upstream, vendor: VendorProvider, question: ChatRequest, stream: bool, reply: Reply
) -> None:
    upstream.will(reply)

    with pytest.raises(ProviderFailed):
        await answer(vendor, question, stream=stream)

    assert upstream.seen["started"] == 1


@either_way
async def test_takes_its_key_nowhere_else(
    upstream: Upstream, vendor: VendorProvider, question: ChatRequest, stream: bool
) -> None:
    async with Upstream() as elsewhere:
        upstream.will(Reply(status=307, body=b"", headers={"location": f"{elsewhere.origin}/v1/messages"}))

        with pytest.raises(ProviderFailed):
            await answer(vendor, question, stream=stream)

        assert elsewhere.calls == []


async def test_keeps_what_was_said_before_the_connection_was_cut(
    upstream: Upstream, vendor: VendorProvider, wire: Wire, question: ChatRequest
) -> None:
    upstream.will(wire.stream("Hel", gate := Gate(), Cut()))
    events = events_of(vendor.listen(question, stream=True))
    async for event in events:
        if event == Text("Hel"):
            break

    gate.open()

    with pytest.raises(ProviderUnavailable):
        [event async for event in events]


async def test_does_not_take_half_an_answer_for_a_whole_one(
    upstream: Upstream, vendor: VendorProvider, wire: Wire, question: ChatRequest
) -> None:
    whole = wire.stream("Hel")
    upstream.will(Reply(*whole.steps[:-2], finish=None, done=False))

    with pytest.raises(ProviderUnavailable, match="in the middle"):
        await answer(vendor, question, stream=True)


async def test_does_not_take_a_broken_answer_for_a_whole_one(upstream: Upstream) -> None:
    provider = VendorProvider("acme", "google", KEY, base_url=upstream.origin)
    upstream.will(Reply(body=google_chunk(finish="MALFORMED_FUNCTION_CALL")))

    with pytest.raises(ProviderUnavailable, match="broke the answer off"):
        await answer(provider, ChatRequest(model="gemini-2.5-flash", messages=(Message.user("Hi"),)), stream=False)
    await provider.close()


async def test_says_when_nobody_listens_there(wire: Wire, question: ChatRequest) -> None:
    provider = VendorProvider("acme", wire.vendor, KEY, base_url="http://127.0.0.1:9")

    with pytest.raises(ProviderUnavailable, match="could not be reached"):
        await answer(provider, question, stream=True)
    await provider.close()


async def test_lists_the_models(upstream: Upstream, vendor: VendorProvider, wire: Wire) -> None:
    small = {"data": [{"id": "small"}]} if wire.vendor == "anthropic" else {"models": [{"name": "models/small"}]}
    upstream.listing = Reply(body=small)

    assert await vendor.models() == ["small"]


async def test_says_why_there_is_no_list(upstream: Upstream, vendor: VendorProvider, wire: Wire) -> None:
    upstream.listing = Reply(status=401, body=wire.error(401, f"Wrong key {KEY}"))

    with pytest.raises(ProviderRefusedKey, match="Wrong key …"):
        await vendor.models()


async def test_says_everything_to_anthropic(upstream: Upstream) -> None:
    provider = VendorProvider("acme", "anthropic", KEY, base_url=upstream.origin)
    upstream.will(anthropic_plain("Hi"))

    await answer(provider, everything("claude-test"), stream=False)

    call = await upstream.arrived()
    assert call.path == "/v1/messages"
    assert KEY in call.headers.get("Authorization", "") + call.headers.get("X-Api-Key", "")
    assert call.json["system"] == "Be brief."
    assert call.json["max_tokens"] == 5
    assert call.json["stop_sequences"] == ["END"]
    assert call.json["tools"][0]["name"] == "weather"
    assert call.json["tool_choice"]["name"] == "weather"
    kinds = [[part["type"] for part in message["content"]] for message in call.json["messages"]]
    assert kinds == [["text", "image"], ["tool_use"], ["tool_result"]]
    await provider.close()


async def test_says_everything_to_google(upstream: Upstream) -> None:
    provider = VendorProvider("acme", "google", KEY, base_url=upstream.origin)
    upstream.will(google_plain("Hi"))

    await answer(provider, everything("gemini-2.5-flash"), stream=False)

    call = await upstream.arrived()
    assert call.path == "/v1beta/models/gemini-2.5-flash:generateContent"
    assert call.headers["x-goog-api-key"] == KEY
    assert call.json["systemInstruction"]["parts"] == [{"text": "Be brief."}]
    assert call.json["generationConfig"]["maxOutputTokens"] == 5
    assert call.json["generationConfig"]["stopSequences"] == ["END"]
    assert call.json["tools"][0]["functionDeclarations"][0]["name"] == "weather"
    kinds = [[next(iter(part)) for part in message["parts"]] for message in call.json["contents"]]
    assert kinds == [["text", "inlineData"], ["functionCall"], ["functionResponse"]]
    await provider.close()


async def test_asks_for_the_shape_of_the_answer(upstream: Upstream, vendor: VendorProvider, wire: Wire) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    request = ChatRequest(model=wire.model, messages=(Message.user("Where?"),), answer_shape=AnswerShape(schema))
    upstream.will(wire.plain('{"city": "Oslo"}'))

    events = await answer(vendor, request, stream=False)

    assert Text('{"city": "Oslo"}') in events
    assert "city" in orjson.dumps((await upstream.arrived()).json).decode()


async def test_shows_pictures_sounds_and_documents(upstream: Upstream, vendor: VendorProvider, wire: Wire) -> None:
    content: list[Part] = [
        "What is this?",
        Raw({"type": "text", "text": "And that?", "cache_control": {"type": "ephemeral"}}),
        Image.of(b"png", "image/png"),
        FilePart("data:application/pdf;base64,JVBERg==", "a.pdf"),
    ]
    if wire.vendor == "google":
        content += [Audio("UklGRg==", "wav"), Video("data:video/mp4;base64,AAAA")]
    upstream.will(wire.plain("Hi"))

    await answer(vendor, ChatRequest(model=wire.model, messages=(Message.user(*content),)), stream=False)

    sent = orjson.dumps((await upstream.arrived()).json).decode()
    assert "What is this?" in sent
    assert "And that?" in sent
    assert "application/pdf" in sent
    assert ("audio/wav" in sent) == (wire.vendor == "google")


async def test_fetches_what_it_is_shown_by_address(upstream: Upstream, wire: Wire) -> None:
    vendor = VendorProvider("acme", wire.vendor, KEY, base_url=upstream.origin, guard=Guard(allow_private=True))
    upstream.listing = Reply(body=b"JVBERg==", headers={"content-type": "application/pdf"})
    upstream.will(wire.plain("Hi"))
    shown = Message.user("What is this?", FilePart(f"{upstream.origin}/v1/models"))

    await answer(vendor, ChatRequest(model=wire.model, messages=(shown,)), stream=False)

    assert b64encode(b"JVBERg==").decode() in orjson.dumps((await upstream.arrived()).json).decode()
    await vendor.close()


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:9/a.png", "http://169.254.169.254/latest", "http://0x7f000001/", "http://[::1]/"]
)
async def test_fetches_nothing_from_inside(upstream: Upstream, address: str) -> None:
    """Neither its own vendor, which the operator trusts, nor pydantic-ai gets to ask there."""
    vendor = VendorProvider("acme", "google", KEY, base_url=upstream.origin)

    with pytest.raises(Invalid, match="no public address"):
        await answer(
            vendor, ChatRequest(model="m", messages=(Message.user("What is this?", Image(address)),)), stream=False
        )

    assert upstream.calls == []
    await vendor.close()


async def test_says_openais_parameters_in_its_own_words(upstream: Upstream, vendor: VendorProvider, wire: Wire) -> None:
    request = request_of(
        {
            "model": wire.model,
            "messages": [{"role": "user", "content": "Hi"}],
            "response_format": {"type": "json_object"},
            "tool_choice": "auto",
            "top_k": 5,
            "n": 1,
            "user": "u-1",
            "logprobs": False,
            "stream_options": {"include_usage": True},
            "parallel_tool_calls": True,
        }
    )
    upstream.will(wire.plain("{}"))

    await answer(vendor, request, stream=False)

    sent = (await upstream.arrived()).json
    assert not {"user", "n", "logprobs", "stream_options", "response_format", "parallel_tool_calls"} & sent.keys()
    assert sent["top_k"] == 5 if wire.vendor == "anthropic" else sent["generationConfig"]["topK"] == 5
    assert "JSON" in orjson.dumps(sent).decode()


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"n": 2}, "n"),
        ({"tools": [{"type": "web_search"}]}, "tools"),
        ({"tool_choice": "any"}, "tool_choice"),
        ({"response_format": {"type": "grammar"}}, "response_format"),
        ({"messages": [{"role": "user", "content": [{"type": "hologram"}]}]}, "messages"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:x"}}]}]},
            "messages",
        ),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "input_audio", "input_audio": {"data": "%", "format": "mp3"}}],
                    }
                ]
            },
            "messages",
        ),
    ],
)
@either_way
async def test_refuses_what_it_has_no_words_for(
    upstream: Upstream, vendor: VendorProvider, wire: Wire, asked: Json, field: str, stream: bool
) -> None:
    request = request_of({"model": wire.model, "messages": [{"role": "user", "content": "Hi"}], **asked})

    with pytest.raises(Invalid) as caught:
        await answer(vendor, request, stream=stream)

    assert caught.value.field == field
    assert upstream.calls == []


@pytest.mark.parametrize("extra", ["anthropic", "google"])
def test_names_the_extra_that_is_missing(monkeypatch: pytest.MonkeyPatch, extra: str) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    with pytest.raises(NotConfigured, match=rf"install palaver\[{extra}\]"):
        VendorProvider("acme", extra, KEY)


def everything(model: str) -> ChatRequest:
    return ChatRequest(
        model=model,
        messages=(
            Message.system("Be brief."),
            Message.user("What is this?", Image.of(b"png", "image/png")),
            Message.assistant(tool_calls=(ToolCall("call_a", "weather", '{"city": "Oslo"}'),)),
            Message.tool_result("call_a", "Rain"),
        ),
        tools=(Tool("weather", "Says the weather"), Tool("time")),
        tool_choice={"type": "function", "function": {"name": "weather"}},
        temperature=0.5,
        max_tokens=5,
        stop=("END",),
        seed=7,
    )
