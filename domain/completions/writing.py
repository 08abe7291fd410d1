"""An answer on OpenAI's wire: chunks while it is made, or one body when it is whole."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any  # What goes to the caller is open JSON.

import orjson

from domain.agents import ToolResult
from domain.answering import Returned
from domain.usage import UsageItem
from engine.events import EndReason, ToolCall, Usage

__all__ = ["Facts", "Outcome", "Told", "body", "explanation_of", "last_chunk"]

Json = dict[str, Any]

# The last is what OpenAI's models said before there were tools.
_REASONS = (*(reason.value for reason in EndReason), "function_call")


@dataclass(frozen=True, slots=True)
class Facts:
    """What stands in every chunk."""

    id: str
    created: int
    model: str

    @property
    def fingerprint(self) -> str:
        return "fp_" + hashlib.sha256(self.model.encode()).hexdigest()[:10]

    @property
    def chunk(self) -> Json:
        return {
            "id": f"chatcmpl-{self.id}",
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "system_fingerprint": self.fingerprint,
        }


@dataclass(slots=True)
class Outcome:
    """What is known when the last word is said. Prices are in `items`, which list all that was paid for."""

    usage: Usage
    items: Sequence[UsageItem] = ()
    reason: EndReason = EndReason.STOP
    run: list[Returned] = field(default_factory=list)

    def usage_json(self) -> Json:
        """What was remembered from an earlier call is not counted as read once more, only in the total."""
        read, cached = self.usage.input_tokens, self.usage.cached_tokens
        return {
            "prompt_tokens": max(read - cached, 0),
            "completion_tokens": self.usage.output_tokens,
            "total_tokens": max(read, cached) + self.usage.output_tokens,
            "prompt_tokens_details": {"cached_tokens": cached},
        }

    def context_json(self) -> Json:
        return {
            "generated_usage": [
                {
                    "sku": item.sku,
                    "amount": float(item.amount),
                    "unit_price": float(item.unit_price),
                    "quantity": item.quantity,
                    "description": item.description,
                }
                for item in self.items
            ],
            "runned_functions": [
                {
                    "name": returned.call.name,
                    "arguments": _parsed(returned.call.arguments),
                    "result": returned.result.content if isinstance(returned.result, ToolResult) else returned.result,
                }
                for returned in self.run
            ],
        }


class Told:
    """Chunks made of what is meant, for answers that are not passed on as they came. What is always the same is made
    once."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        whole = orjson.dumps(facts.chunk)
        self._start = whole[:-1] + b',"choices":[{"index":0,"delta":'
        self._end = b',"finish_reason":null,"logprobs":null}],"usage":null}'
        self._said_role = False

    def text(self, text: str) -> orjson.Fragment:
        return self._chunk(b"content", text)

    def reasoning(self, text: str) -> orjson.Fragment:
        return self._chunk(b"reasoning", text)

    def calls(self, calls: Sequence[ToolCall]) -> orjson.Fragment:
        return self._chunk(b"tool_calls", [{"index": place, **_call(call)} for place, call in enumerate(calls)])

    def server_tool(self, call: ToolCall, state: str, *, explained: bool) -> Json:
        about: Json = {"name": call.name, "id": call.id, "contents": call.arguments, "state": state}
        if explained and (explanation := explanation_of(call)):
            about["explanation"] = explanation
        return {**self._facts.chunk, "choices": [], "servertool": about, "usage": None}

    def _chunk(self, name: bytes, value: object) -> orjson.Fragment:
        role = b"" if self._said_role else b'"role":"assistant",'
        self._said_role = True
        delta = b"{" + role + b'"' + name + b'":' + orjson.dumps(value) + b"}"
        return orjson.Fragment(self._start + delta + self._end)


def last_chunk(common: Json, outcome: Outcome) -> Json:
    return {
        **common,
        "choices": [{"index": 0, "delta": {}, "finish_reason": outcome.reason.value, "logprobs": None}],
        "usage": outcome.usage_json(),
        "generation_context": outcome.context_json(),
    }


def body(
    facts: Facts, outcome: Outcome, *, text: str, reasoning: str = "", calls: Sequence[ToolCall] = (), sent: Json | None
) -> Json:
    """The whole answer. What the provider `sent` beside what everybody knows stays in it, when it is passed on."""
    if sent is None:
        message: Json = {"role": "assistant", "content": text if text or not calls else None}
        if reasoning:
            message["reasoning"] = reasoning
        sent = {"choices": [{"message": {**message, "tool_calls": [_call(call) for call in calls]}}]}
    choices = [_choice(choice, place, outcome) for place, choice in enumerate(sent.get("choices") or [])]
    whole = {
        "id": facts.id,
        "object": "chat.completion",
        "created": facts.created,
        "model": facts.model,
        "choices": choices,
        "usage": outcome.usage_json(),
        "service_tier": sent.get("service_tier") or "default",
        "generation_context": outcome.context_json(),
    }
    return {**whole, **{name: value for name, value in sent.items() if name not in whole}}


def _choice(choice: Json, place: int, outcome: Outcome) -> Json:
    said, reason = choice.get("message") or {}, choice.get("finish_reason")
    message = {"role": "assistant", "content": None, "refusal": None, "annotations": [], **said}
    message["tool_calls"] = message.get("tool_calls") or []
    return {
        "index": place,
        "logprobs": None,
        **choice,
        "message": message,
        "finish_reason": reason if reason in _REASONS else outcome.reason.value,
    }


def explanation_of(call: ToolCall) -> Json | None:
    """Why the model called, and what for, when it was asked to say so."""
    arguments = _parsed(call.arguments)
    if not isinstance(arguments, dict) or not {"_tool_reason", "_tool_goal"} & arguments.keys():
        return None
    return {"reason": arguments.get("_tool_reason"), "goal": arguments.get("_tool_goal")}


def _call(call: ToolCall) -> Json:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _parsed(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
