"""Chunks: passed on as they came, or told anew."""

from decimal import Decimal
from typing import Any  # Chunks are open JSON.

import orjson
import pytest

from domain.answering import Returned
from domain.completions.speaking import Relaying, Speaker, Telling
from domain.completions.writing import Facts, Outcome, body
from domain.usage import UsageItem
from engine import Heard, Packet, Target
from engine.events import EndReason, Event, Reasoning, Text, ToolCall, Usage

FACTS = Facts("0198d24c-c9ce-70fe-9cf3-00644ef5f2e2", 1755874904, "@openai/gpt-5-mini")
USED = Usage(84 + 1792, 16, 1792)
ITEM = UsageItem("inference.chat_completions.in", "Inference for AI model '@openai/gpt-5-mini'", 84, Decimal("2.5e-7"))
TARGET = Target("openai", "gpt-5-mini")


def packet(*heard: tuple[dict[str, Any] | None, list[Event | None]], finishes: bool = False) -> Packet:
    return Packet(TARGET, [Heard(orjson.dumps(block) if block else b"", events, finishes) for block, events in heard])


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {"id": "x-1", "object": "chat.completion.chunk", "created": 7, "model": "gpt",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}  # fmt: skip


def said(speaker: Speaker, *steps: Any, outcome: Outcome | None = None) -> list[dict[str, Any]]:
    chunks = [chunk for step in steps for chunk in speaker.take(step)]
    chunks += speaker.finish(outcome or Outcome(USED, [ITEM]))
    return [orjson.loads(orjson.dumps(each)) for each in chunks]


def test_passes_on_what_it_does_not_know() -> None:
    odd = chunk({"role": "assistant", "content": "A", "annotations": [1]}, provider="Azure", obfuscation="xxx")

    first, _ = said(Relaying(FACTS), packet((odd, [Text("A")])))

    assert first == odd


def test_the_last_words_are_one_chunk_with_the_usage() -> None:
    stop = chunk({}, "stop", system_fingerprint="fp_theirs")
    usage = {"id": "x-1", "object": "chat.completion.chunk", "choices": [], "usage": {"prompt_tokens": 1}}

    chunks = said(
        Relaying(FACTS),
        packet((chunk({"content": "A"}), [Text("A")])),
        packet((stop, []), finishes=True),
        packet((usage, [USED])),
    )

    assert [each["choices"][0]["finish_reason"] for each in chunks] == [None, "stop"]
    assert chunks[-1] == {
        "id": "x-1",
        "object": "chat.completion.chunk",
        "created": 7,
        "model": "gpt",
        "system_fingerprint": "fp_theirs",
        "choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "logprobs": None}],
        "usage": {
            "prompt_tokens": 84,
            "completion_tokens": 16,
            "total_tokens": 1892,
            "prompt_tokens_details": {"cached_tokens": 1792},
        },
        "generation_context": {
            "generated_usage": [
                {
                    "sku": "inference.chat_completions.in",
                    "amount": 0.000021,
                    "unit_price": 2.5e-7,
                    "quantity": 84,
                    "description": "Inference for AI model '@openai/gpt-5-mini'",
                }
            ],
            "runned_functions": [],
        },
    }


def test_a_last_word_that_comes_with_the_reason_is_not_lost() -> None:
    both = packet((chunk({"content": "B"}, "length"), [Text("B")]), finishes=True)

    first, last = said(Relaying(FACTS), both, outcome=Outcome(USED, reason=EndReason.LENGTH))

    assert first["choices"][0]["delta"] == {"content": "B"}
    assert first["choices"][0]["finish_reason"] is None
    assert last["choices"][0]["finish_reason"] == "length"


def test_of_two_answers_that_end_together_neither_loses_its_end() -> None:
    choices = [{"index": 1, "delta": {"content": "b"}, "finish_reason": "length"}, {"index": 0, "delta": {},
               "finish_reason": "stop"}]  # fmt: skip

    first, last = said(Relaying(FACTS), packet(({"id": "x-1", "choices": choices}, []), finishes=True))

    assert [choice["finish_reason"] for choice in first["choices"]] == ["length", None]
    assert first["choices"][0]["delta"] == {"content": "b"}
    assert last["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("finish", [None, "eos", 7, ["stop"]])
def test_a_body_has_a_message_and_a_reason_that_clients_know(finish: object) -> None:
    sent = {"choices": [{"index": 0, "message": None, "finish_reason": finish}]}

    told = body(FACTS, Outcome(USED), text="", sent=sent)

    assert told["choices"][0]["finish_reason"] == "stop"
    assert told["choices"][0]["message"]["role"] == "assistant"


def test_thoughts_are_kept_from_who_may_not_hear_them() -> None:
    thought = packet((chunk({"reasoning_content": "Hm."}), [Reasoning("Hm.")]))

    assert len(said(Relaying(FACTS), thought)) == 2
    assert len(said(Relaying(FACTS, hides_reasoning=True), thought)) == 1
    assert len(said(Telling(FACTS, frozenset(), hides_reasoning=True), thought)) == 1


def test_tells_what_our_tools_do() -> None:
    call = ToolCall("call_1", "clock", '{"zone": "UTC", "_tool_reason": "asked", "_tool_goal": "the time"}')

    chunks = said(
        Telling(FACTS, frozenset({"clock"}), explains=True),
        packet((None, [Text("Let me see. ")])),
        packet((None, [None, call])),
        call,
        Returned(call, "12:00"),
        packet((None, [Text("Noon.")])),
    )

    tools = [each["servertool"] for each in chunks if each.get("servertool")]
    assert [tool["state"] for tool in tools] == ["Created", "Running", "Finished"]
    assert tools[0] == {
        "name": "clock",
        "id": "call_1",
        "contents": call.arguments,
        "state": "Created",
        "explanation": {"reason": "asked", "goal": "the time"},
    }
    deltas = [each["choices"][0]["delta"] for each in chunks if each["choices"]]
    assert deltas == [{"role": "assistant", "content": "Let me see. "}, {"content": "Noon."}, {}]


def test_a_call_of_the_callers_tool_is_the_callers() -> None:
    theirs, ours = ToolCall("1", "theirs", "{}"), ToolCall("2", "ours", "{}")

    chunks = said(Telling(FACTS, frozenset({"ours"})), packet((None, [ours, theirs])))

    assert chunks[0]["choices"][0]["delta"]["tool_calls"] == [
        {"index": 0, "id": "1", "type": "function", "function": {"name": "theirs", "arguments": "{}"}}
    ]


def test_thoughts_can_be_told_as_text() -> None:
    chunks = said(
        Telling(FACTS, frozenset(), thinks_aloud=True),
        packet((None, [Reasoning("Hm"), Reasoning(".")]), (None, [Text("Yes.")])),
    )

    text = "".join(each["choices"][0]["delta"].get("content", "") for each in chunks)
    assert text == "<think>Hm.</think>Yes."


def test_a_whole_answer_is_as_documented() -> None:
    sent = {
        "id": "chatcmpl-theirs",
        "model": "gpt-5-mini-2025",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Paris."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1876},
        "odd": True,
    }

    whole = body(FACTS, Outcome(USED, [ITEM]), text="Paris.", sent=sent)

    assert whole | {"generation_context": None} == {
        "id": FACTS.id,
        "object": "chat.completion",
        "created": FACTS.created,
        "model": "@openai/gpt-5-mini",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "Paris.",
                    "refusal": None,
                    "annotations": [],
                    "tool_calls": [],
                },
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 84,
            "completion_tokens": 16,
            "total_tokens": 1892,
            "prompt_tokens_details": {"cached_tokens": 1792},
        },
        "service_tier": "default",
        "generation_context": None,
        "odd": True,
    }
