"""OpenAI's JSON where the provider speaks another wire."""

from typing import Any  # JSON

import orjson

from engine import ChatRequest, End, EndReason, Engine, Event, Heard, Reasoning, Target, Text, ToolCall, Usage
from engine.testing import ScriptedProvider, saying

TARGET = Target("acme", "test-model")
WEATHER = ToolCall("call_a", "weather", '{"city": "Oslo"}')


async def heard(question: ChatRequest, *script: Event | None, stream: bool = True) -> list[Heard]:
    engine = Engine({"acme": ScriptedProvider(script)})
    return [piece async for packet in engine.listen([TARGET], question, stream=stream) for piece in packet.heard]


def blocks(pieces: list[Heard]) -> list[dict[str, Any]]:
    return [orjson.loads(piece.block) for piece in pieces if piece.block]


async def test_a_stream_looks_like_openais(question: ChatRequest) -> None:
    script = (Reasoning("Hm."), Text('"Hé"\n'), WEATHER, Usage(3, 4, cached_tokens=2), End(EndReason.TOOL_CALLS))

    chunks = blocks(await heard(question, *script))

    assert [chunk["choices"][0]["delta"] for chunk in chunks[:-1]] == [
        {"role": "assistant", "content": ""},
        {"reasoning_content": "Hm."},
        {"content": '"Hé"\n'},
        {
            "tool_calls": [
                {
                    "index": 0,
                    "id": "call_a",
                    "type": "function",
                    "function": {"name": "weather", "arguments": '{"city": "Oslo"}'},
                }
            ]
        },
        {},
    ]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks[:-1]] == [*[None] * 4, "tool_calls"]
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"] == {
        "prompt_tokens": 3,
        "completion_tokens": 4,
        "total_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 2},
    }
    assert len({(chunk["id"], chunk["created"]) for chunk in chunks}) == 1
    assert {(chunk["object"], chunk["model"]) for chunk in chunks} == {("chat.completion.chunk", "test-model")}


async def test_every_block_says_what_it_means(question: ChatRequest) -> None:
    pieces = await heard(question, Text("Hi"), WEATHER, Usage(3, 4), End(EndReason.TOOL_CALLS))

    assert [(bool(piece.block), piece.events, piece.finishes) for piece in pieces] == [
        (True, [], False),  # the role
        (True, [Text("Hi")], False),
        (True, [None], False),
        (False, [WEATHER], False),
        (True, [], True),
        (True, [Usage(3, 4)], False),
        (False, [End(EndReason.TOOL_CALLS)], False),
    ]


async def test_a_plain_answer_is_one_body(question: ChatRequest) -> None:
    script = (Reasoning("Hm."), Text("Hel"), Text("lo"), WEATHER, Usage(3, 0), End(EndReason.TOOL_CALLS))

    [body] = blocks(await heard(question, *script, stream=False))

    assert body["object"] == "chat.completion"
    assert body["choices"] == [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Hello",
                "refusal": None,
                "reasoning_content": "Hm.",
                "tool_calls": [
                    {
                        "id": "call_a",
                        "type": "function",
                        "function": {"name": "weather", "arguments": '{"city": "Oslo"}'},
                    }
                ],
            },
            "logprobs": None,
            "finish_reason": "tool_calls",
        }
    ]
    assert body["usage"]["completion_tokens"] == 0


async def test_what_is_not_reported_is_not_said(question: ChatRequest) -> None:
    for stream in (True, False):
        pieces = await heard(question, Text("Hi"), End(EndReason.STOP), stream=stream)

        assert all("usage" not in block for block in blocks(pieces))


async def test_the_order_of_events_stays(question: ChatRequest) -> None:
    pieces = await heard(question, *[step for step in saying("Hel", "lo") if isinstance(step, Event)])

    assert [event for piece in pieces for event in piece.events] == [
        *(Text("Hel"), Text("lo"), Usage(10, 2), End(EndReason.STOP)),
    ]
