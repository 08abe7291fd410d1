"""OpenAI's JSON built from events, for answers of providers that speak another wire."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any  # JSON in the making.
from uuid import uuid4

import orjson

from engine.events import End, EndReason, Event, Reasoning, Text, ToolCall, Usage
from engine.packets import Heard
from engine.wire import call_json

__all__ = ["Builder", "built"]

Json = dict[str, Any]


async def built(
    events: AsyncGenerator[Event | None, None], model: str, *, stream: bool
) -> AsyncGenerator[list[Heard], None]:
    """The events with the JSON that OpenAI would have sent. Closing it closes them."""
    builder = Builder(model, stream=stream)
    async with aclosing(events):
        async for event in events:
            if heard := builder.take(event):
                yield heard
    if heard := builder.end():
        yield heard


class Builder:
    """Chunks as the events come, or with the last of them the whole body."""

    def __init__(self, model: str, *, stream: bool) -> None:
        kind = "chat.completion.chunk" if stream else "chat.completion"
        self._head = {"id": f"chatcmpl-{uuid4().hex}", "object": kind, "created": int(time.time()), "model": model}
        self._stream = stream
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._calls: list[ToolCall] = []
        self._usage: Usage | None = None
        # A token is written by putting its text between these two.
        before, _, after = self._choice({"content": ""}).partition(b'"content":""')
        self._before, self._after = before + b'"content":', after
        self._has_begun = False

    def take(self, event: Event | None) -> list[Heard]:
        if isinstance(event, Usage):
            # Its place is behind the reason of the end.
            self._usage = event
            return []
        if isinstance(event, End):
            return self._closing(event)
        return self._streamed(event) if self._stream else self._kept(event)

    def rebuilt(self, heard: list[Heard]) -> list[Heard]:
        """The same, said in other blocks."""
        return [made for piece in heard for event in piece.events for made in self.take(event)]

    def end(self) -> list[Heard]:
        """What is still held back when the events stopped before their `End`."""
        return [Heard(b"", [self._usage])] if self._usage else []

    def _streamed(self, event: Text | Reasoning | ToolCall | None) -> list[Heard]:
        match event:
            case None:
                return [Heard(b"", [None])]
            case Text():
                heard = [Heard(self._before + orjson.dumps(event.text) + self._after, [event])]
            case Reasoning():
                heard = [Heard(self._choice({"reasoning_content": event.text}), [event])]
            case ToolCall():
                piece = {"index": len(self._calls), **call_json(event)}
                self._calls.append(event)
                heard = [Heard(self._choice({"tool_calls": [piece]}), [None]), Heard(b"", [event])]
        if self._has_begun:
            return heard
        self._has_begun = True
        return [Heard(self._choice({"role": "assistant", "content": ""}), []), *heard]

    def _kept(self, event: Text | Reasoning | ToolCall | None) -> list[Heard]:
        match event:
            case Text():
                self._texts.append(event.text)
            case Reasoning():
                self._thoughts.append(event.text)
            case ToolCall():
                self._calls.append(event)
        return [Heard(b"", [event])]

    def _closing(self, end: End) -> list[Heard]:
        used, self._usage = self._usage, None
        if not self._stream:
            return [Heard(self._whole(end.reason, used), [used] if used else [], finishes=True), Heard(b"", [end])]
        heard = [Heard(self._choice({}, finish=end.reason), [], finishes=True)]
        if used is not None:
            heard.append(Heard(orjson.dumps({**self._head, "choices": [], "usage": usage_json(used)}), [used]))
        return [*heard, Heard(b"", [end])]

    def _choice(self, delta: Json, *, finish: EndReason | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return orjson.dumps({**self._head, "choices": [choice]})

    def _whole(self, reason: EndReason, used: Usage | None) -> bytes:
        message: Json = {"role": "assistant", "content": "".join(self._texts) or None, "refusal": None}
        if self._thoughts:
            message["reasoning_content"] = "".join(self._thoughts)
        if self._calls:
            message["tool_calls"] = [call_json(call) for call in self._calls]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
        usage = {"usage": usage_json(used)} if used else {}
        return orjson.dumps({**self._head, "choices": [choice], **usage})


def usage_json(usage: Usage) -> Json:
    counts = (usage.input_tokens, usage.output_tokens)
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        # Some vendors report nonsense, which whoever reads this has to tell from a number.
        "total_tokens": sum(counts) if all(isinstance(count, int) for count in counts) else None,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }
