"""The OpenAI-compatible wire against a real server on loopback."""

import asyncio
from contextlib import aclosing
from dataclasses import replace

import orjson
import pytest

from engine import (
    AnswerShape,
    ChatRequest,
    End,
    EndReason,
    Event,
    Image,
    Message,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    Usage,
)
from engine.providers.openai import OpenAIProvider
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
from tests.upstream import Cut, Gate, Json, Reply, Step, Thought, ToolPiece, Upstream

either_way = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "plain"])


async def answer(provider: OpenAIProvider, question: ChatRequest, *, stream: bool = True) -> list[Event]:
    """Every event, with neighbouring texts and thoughts joined: where they were cut is not the point here."""
    events: list[Event] = []
    async for event in events_of(provider.listen(question, stream=stream)):
        last = events[-1] if events else None
        if isinstance(event, (Text, Reasoning)) and type(last) is type(event):
            last.text += event.text
        elif event is not None:
            events.append(event)
    return events


def chunk(delta: Json, **choice: object) -> Json:
    return {"choices": [{"index": 0, "delta": delta, **choice}]}


@either_way
async def test_yields_thoughts_text_usage_and_end(
    upstream: Upstream, provider: OpenAIProvider, question: ChatRequest, stream: bool
) -> None:
    upstream.will(Reply(Thought("Hm"), Thought("m."), "Hel", "lo", usage={"prompt_tokens": 3, "completion_tokens": 4}))

    events = await answer(provider, question, stream=stream)

    assert events == [Reasoning("Hmm."), Text("Hello"), Usage(3, 4), End(EndReason.STOP)]


async def test_yields_each_token_as_it_comes(
    upstream: Upstream, provider: OpenAIProvider, question: ChatRequest
) -> None:
    upstream.will(Reply("Hel", first := Gate(), "lo", second := Gate()))

    async with aclosing(events_of(provider.listen(question, stream=True))) as events:
        assert await anext(events) == Text("Hel")
        first.open()
        assert await anext(events) == Text("lo")
        second.open()


@either_way
async def test_puts_parallel_tool_calls_together(
    upstream: Upstream, provider: OpenAIProvider, question: ChatRequest, stream: bool
) -> None:
    upstream.will(
        Reply(
            "Looking.",
            ToolPiece(0, "call_a", "weather", ""),
            ToolPiece(0, arguments='{"ci'),
            ToolPiece(1, "call_b", "time"),
            ToolPiece(0, arguments='ty": "Oslo"}'),
            ToolPiece(1, arguments="{}"),
            finish="tool_calls",
        )
    )

    events = await answer(provider, question, stream=stream)

    assert events == [
        Text("Looking."),
        Usage(10, 1),
        ToolCall("call_a", "weather", '{"city": "Oslo"}'),
        ToolCall("call_b", "time", "{}"),
        End(EndReason.TOOL_CALLS),
    ]


@pytest.mark.parametrize(
    ("pieces", "calls"),
    [
        pytest.param(
            [
                ToolPiece(None, "a", "one", "{}"),
                ToolPiece(None, "b", "two", '{"x"'),
                ToolPiece(None, None, None, ":1}"),
            ],
            [("one", "{}"), ("two", '{"x":1}')],
            id="no index",
        ),
        pytest.param(
            [ToolPiece(0, "a", "one", "{}"), ToolPiece(0, "b", "one", "{}")],
            [("one", "{}"), ("one", "{}")],
            id="index 0 for every call",
        ),
        pytest.param(
            [ToolPiece(0, None, "one", "{}"), ToolPiece(0, None, "one", '{"x":2}')],
            [("one", "{}"), ("one", '{"x":2}')],
            id="neither index nor id to tell them apart",
        ),
        pytest.param(
            [ToolPiece(0, "a", "one", '{"x"'), ToolPiece(0, "a", "one", ":1}")],
            [("one", '{"x":1}')],
            id="id and name with every piece",
        ),
        pytest.param(
            [ToolPiece(0, "a", "one", '{"x"'), ToolPiece(0, "zzz", None, ":1}")],
            [("one", '{"x":1}')],
            id="a new id with every piece",
        ),
        pytest.param([ToolPiece(0, "a", "wea"), ToolPiece(0, None, "ther")], [("weather", "{}")], id="name in pieces"),
        pytest.param(
            [chunk({"tool_calls": [{"function": {"name": "one", "arguments": {"x": 1}}}]})],
            [("one", '{"x":1}')],
            id="arguments that are no string",
        ),
    ],
)
async def test_understands_how_vendors_cut_tool_calls(
    upstream: Upstream,
    provider: OpenAIProvider,
    question: ChatRequest,
    pieces: list[Step],
    calls: list[tuple[str, str]],
) -> None:
    upstream.will(Reply(*pieces))

    events = await answer(provider, question)

    found = [event for event in events if isinstance(event, ToolCall)]
    assert [(call.name, call.arguments) for call in found] == calls
    assert len({call.id for call in found if call.id}) == len(calls)
    assert events[-1] == End(EndReason.TOOL_CALLS)


async def test_shows_life_while_a_tool_call_grows(
    upstream: Upstream, provider: OpenAIProvider, question: ChatRequest
) -> None:
    upstream.will(Reply(ToolPiece(0, "a", "one", '{"x"'), Gate()))

    async with aclosing(events_of(provider.listen(question, stream=True))) as events:
        assert await anext(events) is None


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([b": waiting\n\n", "Hi"], id="comments"),
        pytest.param([b'data: {"choices": [{"delta": {"con', b'tent": "Hi"}}]}\n', b"\n"], id="an event in pieces"),
        pytest.param([b'data: {"choices": [{"delta":\r\ndata: {"content": "Hi"}}]}\r\n\r\n'], id="several data lines"),
        pytest.param([chunk({"role": "assistant", "content": None}), chunk({"content": "Hi"})], id="null content"),
        pytest.param([chunk({"content": "Hi"}), {"choices": [], "usage": None}], id="empty choices"),
        pytest.param([chunk({"content": "Hi"}), {"id": "", "prompt_filter_results": []}], id="Azure's first chunk"),
        pytest.param([chunk({"content": [{"type": "text", "text": "Hi"}]})], id="typed parts"),
        pytest.param([chunk({"refusal": "Hi"})], id="a refusal"),
        pytest.param([chunk({"content": "Hi"}), {"choices": [{"index": 1, "delta": {"content": "no"}}]}], id="others"),
    ],
)
async def test_understands_how_vendors_say_hi(
    upstream: Upstream, provider: OpenAIProvider, question: ChatRequest, steps: list[Step]
) -> None:
    upstream.will(Reply(*steps, usage={"prompt_tokens": 1, "completion_tokens": 1}))

    assert await answer(provider, question) == [Text("Hi"), Usage(1, 1), End(EndReason.STOP)]


async def test_reads_cached_tokens_and_the_reason_of_the_end(
    upstream: Upstream, provider: OpenAIProvider, question: ChatRequest
) -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 8}}
    upstream.will(Reply("x", finish="length", usage=usage))

    assert await answer(provider, question) == [Text("x"), Usage(9, 1, cached_tokens=8), End(EndReason.LENGTH)]


async def test_takes_a_plain_answer_to_a_streamed_question(
    upstream: Upstream, provider: OpenAIProvider, question: ChatRequest
) -> None:
    upstream.will(Reply(body={"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}))

    assert await answer(provider, question) == [Text("Hi"), End(EndReason.STOP)]


async def test_takes_a_stream_for_an_answer_to_a_plain_question(
    upstream: Upstream, provider: OpenAIProvider, question: ChatRequest
) -> None:
    body = b'data: {"choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}]}\n\n'
    upstream.will(Reply(body=body, headers={"content-type": "text/event-stream"}))

    assert await answer(provider, question, stream=False) == [Text("Hi"), End(EndReason.STOP)]


async def test_does_without_done(upstream: Upstream, provider: OpenAIProvider, question: ChatRequest) -> None:
    upstream.will(Reply("Hi", done=False))

    assert (await answer(provider, question))[-1] == End(EndReason.STOP)


async def test_forgives_a_lost_goodbye(upstream: Upstream, provider: OpenAIProvider, question: ChatRequest) -> None:
    upstream.will(Reply("Hi", chunk({}, finish_reason="stop"), Cut()))

    assert await answer(provider, question) == [Text("Hi"), End(EndReason.STOP)]


async def test_uses_a_connection_again(upstream: Upstream, provider: OpenAIProvider, question: ChatRequest) -> None:
    for _ in range(3):
        await answer(provider, question)
        await answer(provider, question, stream=False)

    assert upstream.connections == 1


async def test_says_everything_on_the_wire(upstream: Upstream, provider: OpenAIProvider) -> None:
    call = ToolCall("call_a", "weather", '{"city": "Oslo"}')
    picture = Image.of(b"png", "image/png")
    request = ChatRequest(
        model="m",
        messages=(
            Message.system("Be brief."),
            Message.user("What is ", "this?", picture),
            Message.assistant(tool_calls=(call,)),
            Message.tool_result("call_a", "Rain"),
        ),
        tools=(Tool("weather", "Says the weather", {"type": "object"}),),
        tool_choice={"type": "function", "function": {"name": "weather"}},
        answer_shape=AnswerShape({"type": "object"}, name="report"),
        temperature=0.0,
        top_p=0.9,
        max_tokens=5,
        stop=("END",),
        seed=7,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        extra={"top_k": 40, "model": "not this one"},
    )

    await answer(provider, request)

    arrived = await upstream.arrived()
    assert arrived.headers["Authorization"] == f"Bearer {KEY}"
    assert arrived.json == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is "},
                    {"type": "text", "text": "this?"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,cG5n"}},
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "call_a", "type": "function", "function": {"name": "weather", "arguments": call.arguments}}
                ],
            },
            {"role": "tool", "content": "Rain", "tool_call_id": "call_a"},
        ],
        "tools": [
            {
                "type": "function",
                "function": {"name": "weather", "description": "Says the weather", "parameters": {"type": "object"}},
            }
        ],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "report", "schema": {"type": "object"}, "strict": False},
        },
        "temperature": 0.0,
        "top_p": 0.9,
        "max_tokens": 5,
        "stop": ["END"],
        "seed": 7,
        "presence_penalty": 0.1,
        "frequency_penalty": 0.2,
        "top_k": 40,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


@either_way
@pytest.mark.parametrize(
    ("reply", "error", "reason"),
    [
        (Reply.error(401, f"Incorrect API key provided: {KEY}."), ProviderRefusedKey, "Incorrect API key provided: …"),
        (Reply.error(401, "No such key: sk-te**56789."), ProviderRefusedKey, "No such key: …"),
        (Reply.error(403, "Country not supported"), ProviderRefusedKey, "Country not supported"),
        (Reply.error(429, "Slow down", headers={"Retry-After": "7"}), ProviderRateLimited, "Slow down"),
        (Reply.context_too_long(), ContextTooLong, "This model's maximum context length is 8192 tokens."),
        (Reply.error(400, "No such parameter"), ProviderRejected, "No such parameter"),
        (Reply.error(404, "No such model"), ProviderFailed, "No such model"),
        (Reply.error(500, "Oops"), ProviderUnavailable, "Oops"),
        (
            Reply(status=503, body=b"<html>nginx</html>", headers={"content-type": "text/html"}),
            ProviderUnavailable,
            "503",
        ),
        (Reply(body={"error": {"message": "Overloaded", "code": 502}}), ProviderUnavailable, "Overloaded"),
        (
            Reply(body=b"<html>", headers={"content-type": "text/html"}),
            ProviderFailed,
            "sent something that is not a chat completion",
        ),
        (Reply(body=b"[]"), ProviderFailed, "sent something that is not a chat completion"),
        (Reply(body=b"{}"), ProviderFailed, "sent something that is not a chat completion"),
        (Reply(body=b"\xff garbage"), ProviderFailed, "sent something that is not a chat completion"),
        (Reply(b"\xff garbage\n\n", b"data: x\n\n"), ProviderFailed, "sent something that is not a chat completion"),
        (Reply(finish="error"), ProviderUnavailable, "broke the answer off"),
        (Reply(Cut()), ProviderUnavailable, "lost the connection"),
    ],
)
async def test_tells_failures_apart(
    upstream: Upstream,
    provider: OpenAIProvider,
    question: ChatRequest,
    stream: bool,
    reply: Reply,
    error: type[ProviderFailed],
    reason: str,
) -> None:
    upstream.will(reply)

    with pytest.raises(ProviderFailed) as caught:
        await answer(provider, question, stream=stream)

    assert type(caught.value) is error
    assert reason in str(caught.value)
    assert KEY not in str(caught.value)
    assert caught.value.retry_after_seconds == (7 if error is ProviderRateLimited else None)


async def test_takes_its_key_nowhere_else(upstream: Upstream, provider: OpenAIProvider, question: ChatRequest) -> None:
    async with Upstream() as elsewhere:
        upstream.will(Reply(status=307, body=b"", headers={"location": f"{elsewhere.base_url}/chat/completions"}))

        with pytest.raises(ProviderFailed, match="redirects elsewhere"):
            await answer(provider, question)

        assert elsewhere.calls == []


async def test_keeps_what_was_said_before_the_connection_was_cut(
    upstream: Upstream, provider: OpenAIProvider, question: ChatRequest
) -> None:
    upstream.will(Reply("Hel", gate := Gate(), Cut()))
    events = events_of(provider.listen(question, stream=True))

    assert await anext(events) == Text("Hel")
    gate.open()
    with pytest.raises(ProviderUnavailable, match="lost the connection"):
        await anext(events)


async def test_does_not_take_half_an_answer_for_a_whole_one(
    upstream: Upstream, provider: OpenAIProvider, question: ChatRequest
) -> None:
    upstream.will(Reply("Hel", finish=None, done=False))

    with pytest.raises(ProviderUnavailable, match="ended in the middle"):
        await answer(provider, question)


async def test_hears_an_error_inside_a_stream(
    upstream: Upstream, provider: OpenAIProvider, question: ChatRequest
) -> None:
    upstream.will(Reply("Hel", {"error": {"message": "Too busy", "type": "overloaded_error"}}, burst=2))
    events = events_of(provider.listen(question, stream=True))

    assert await anext(events) == Text("Hel")
    with pytest.raises(ProviderUnavailable, match="Too busy"):
        await anext(events)


async def test_keeps_what_was_said_before_garbage(
    upstream: Upstream, provider: OpenAIProvider, question: ChatRequest
) -> None:
    upstream.will(Reply("Hel", b"data: {\n\n", "lo", burst=3))
    events = events_of(provider.listen(question, stream=True))

    assert await anext(events) == Text("Hel")
    with pytest.raises(ProviderFailed, match="not a chat completion"):
        await anext(events)


async def test_says_when_nobody_listens_there(question: ChatRequest) -> None:
    provider = OpenAIProvider("acme", "http://127.0.0.1:9/v1", KEY)

    with pytest.raises(ProviderUnavailable, match=r"could not be reached at 127\.0\.0\.1:9"):
        await answer(provider, question)
    await provider.close()


async def test_closing_hangs_up_in_the_middle_of_a_stream(
    upstream: Upstream, provider: OpenAIProvider, question: ChatRequest
) -> None:
    upstream.will(Reply("Hel", Gate()))
    events = events_of(provider.listen(question, stream=True))
    await anext(events)
    call = await upstream.arrived()

    await events.aclose()

    await asyncio.wait_for(call.left.wait(), 1)


@either_way
@pytest.mark.parametrize("where", ["before the headers", "before the first token"])
async def test_cancelling_hangs_up_while_nothing_has_been_said(
    upstream: Upstream, provider: OpenAIProvider, question: ChatRequest, stream: bool, where: str
) -> None:
    gate = Gate()
    upstream.will(Reply("Hi", before_headers=gate) if where == "before the headers" else Reply(gate, "Hi"))
    waiting = asyncio.ensure_future(answer(provider, question, stream=stream))
    call = await upstream.arrived()
    await gate.reached.wait()

    waiting.cancel()

    await asyncio.wait_for(call.left.wait(), 1)
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_lists_the_models(upstream: Upstream, provider: OpenAIProvider) -> None:
    upstream.models = ["large", "small"]

    assert await provider.models() == ["large", "small"]


async def test_does_not_take_anything_for_a_list_of_models(upstream: Upstream) -> None:
    provider = OpenAIProvider("acme", upstream.origin + "/_seen?", KEY)

    with pytest.raises(ProviderFailed, match="not a list of models"):
        await provider.models()
    await provider.close()


@pytest.mark.parametrize("address", ["", "acme", "ftp://acme", "http://", "file:///etc/passwd"])
def test_wants_a_web_address(address: str) -> None:
    with pytest.raises(NotConfigured, match="is not a web address"):
        OpenAIProvider("acme", address)


async def test_forgives_the_end_of_line_of_a_pasted_key(upstream: Upstream, question: ChatRequest) -> None:
    provider = OpenAIProvider("acme", upstream.base_url, f"{KEY}\n")

    await answer(provider, question)

    assert (await upstream.arrived()).headers["Authorization"] == f"Bearer {KEY}"
    await provider.close()


def test_refuses_a_key_that_would_break_a_header() -> None:
    with pytest.raises(NotConfigured, match="no header can carry"):
        OpenAIProvider("acme", "http://127.0.0.1:9", "sk-one\r\nx-evil: 1")


async def test_does_not_read_for_ever(
    upstream: Upstream, provider: OpenAIProvider, question: ChatRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.providers.openai.LONGEST_BODY_BYTES", 1000)
    upstream.will(Reply(body=b" " * 1001))

    with pytest.raises(ProviderFailed, match="sent more than 1000 bytes"):
        await answer(provider, question, stream=False)


async def test_names_the_token_limit_as_openai_wants_it(question: ChatRequest) -> None:
    provider = OpenAIProvider("openai", "https://api.openai.com/v1", KEY)

    body = orjson.loads(provider._body(ChatRequest(model="m", messages=(), max_tokens=5), stream=False))

    assert body == {"model": "m", "messages": [], "max_completion_tokens": 5, "stream": False}


async def blocks(provider: OpenAIProvider, question: ChatRequest, *, stream: bool = True) -> list[Json]:
    async with aclosing(provider.listen(question, stream=stream)) as packets:
        return [orjson.loads(heard.block) async for packet in packets for heard in packet if heard.block]


@pytest.mark.parametrize(
    ("pieces", "told"),
    [
        pytest.param(
            [ToolPiece(None, "a", "one", "{}"), ToolPiece(None, "b", "two", '{"x":1}')],
            [(0, "a"), (1, "b")],
            id="index",
        ),
        pytest.param([ToolPiece(0, "a", "one", "{"), ToolPiece(0, "a", "one", "}")], [(0, "a")], id="said again"),
        pytest.param([ToolPiece(0, None, "one", "{"), ToolPiece(0, "a", None, "}")], [(0, None)], id="id"),
    ],
)
async def test_tells_pieces_so_that_clients_can_put_them_together(
    upstream: Upstream,
    provider: OpenAIProvider,
    question: ChatRequest,
    pieces: list[Step],
    told: list[tuple[int, str | None]],
) -> None:
    upstream.will(Reply(*pieces, finish="tool_calls"))

    calls: dict[int, Json] = {}
    for block in await blocks(provider, question):
        for piece in [piece for choice in block["choices"] for piece in choice["delta"].get("tool_calls") or ()]:
            call = calls.setdefault(piece["index"], {"id": "", "name": "", "arguments": ""})
            call["id"] += piece.get("id") or ""
            call["name"] += piece["function"].get("name") or ""
            call["arguments"] += piece["function"].get("arguments") or ""

    assert list(calls) == [index for index, _ in told]
    for index, id in told:
        assert calls[index]["id"] == id if id else calls[index]["id"].startswith("call_")
        assert calls[index]["name"] in ("one", "two")
        orjson.loads(calls[index]["arguments"])


@either_way
@pytest.mark.parametrize(
    "odd", [b'{"prompt_tokens":1,"prompt_tokens_details":"x","completion_tokens":1}', b"[1, 2]", b'"many"', b"NaN"]
)
async def test_nonsense_about_usage_does_not_cost_the_answer(
    upstream: Upstream, provider: OpenAIProvider, question: ChatRequest, stream: bool, odd: bytes
) -> None:
    choice = b'{"index":0,"%s":{"content":"Hello"},"finish_reason":"stop"}' % (b"delta" if stream else b"message")
    body = b'{"choices":[' + choice + b'],"usage":' + odd + b"}"
    kind = "text/event-stream" if stream else "application/json"
    upstream.will(Reply(b"data: " + body + b"\n\n" if stream else body, headers={"content-type": kind}))

    events = await answer(provider, question, stream=stream)

    assert events[0] == Text("Hello")
    assert events[-1] == End(EndReason.STOP)


async def test_half_a_character_does_not_cost_the_answer(
    upstream: Upstream, provider: OpenAIProvider, question: ChatRequest
) -> None:
    start, end = b'data: {"choices":[{"index":0,"delta":{"content":"', b'"}}]}\n\n'
    upstream.will(Reply(start + rb"a\ud83c" + end, start + b"b\xff" + end))

    assert await answer(provider, question) == [Text("a\ufffdb\ufffd"), Usage(10, 0), End(EndReason.STOP)]


async def test_what_is_nested_too_deeply_is_the_callers_mistake(
    provider: OpenAIProvider, question: ChatRequest
) -> None:
    deep = orjson.loads(b'{"a":' * 500 + b"1" + b"}" * 500)

    with pytest.raises(Invalid, match="nested too deeply"):
        await answer(provider, replace(question, extra={"x": deep}))


async def test_an_answer_without_any_choice_is_none(
    upstream: Upstream, provider: OpenAIProvider, question: ChatRequest
) -> None:
    upstream.will(Reply(body={"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 0}}))

    with pytest.raises(ProviderFailed, match="not a chat completion"):
        await answer(provider, question, stream=False)


async def test_an_answer_that_is_complete_needs_no_goodbye(
    upstream: Upstream, provider: OpenAIProvider, question: ChatRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.providers.openai.LAST_WORDS_SECONDS", 0.01)
    upstream.will(Reply("Hello", chunk({}, finish_reason="stop"), Gate()))

    assert await answer(provider, question) == [Text("Hello"), End(EndReason.STOP)]


async def test_waits_for_the_other_answers_when_the_first_is_complete(
    upstream: Upstream, provider: OpenAIProvider, question: ChatRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.providers.openai.LAST_WORDS_SECONDS", 0.0)
    other = {"choices": [{"index": 1, "delta": {"content": "B"}}]}
    gate = Gate()
    upstream.will(Reply("A", other, chunk({}, finish_reason="stop"), gate, other, finish=None))
    seen: list[Json] = []

    async with aclosing(provider.listen(question, stream=True)) as packets:
        async for packet in packets:
            seen += [orjson.loads(heard.block) for heard in packet if heard.block]
            if any(heard.finishes for heard in packet):
                gate.open()

    assert seen.count(other) == 2


async def test_a_flood_leaves_others_their_turn(upstream: Upstream, provider: OpenAIProvider) -> None:
    """However much comes at once, whoever waits beside it is served after a millisecond's worth of it."""
    upstream.will(Reply(*["word "] * 20_000, burst=20_000))
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.create_task(count())
    packets = [packet async for packet in provider.listen(ChatRequest(model="m", messages=()), stream=True)]
    counting.cancel()

    words = [event for heard in packets for piece in heard for event in piece.events if isinstance(event, Text)]
    assert len(words) == 20_000
    assert max(len(heard) for heard in packets) < 500
    assert turns > 100
