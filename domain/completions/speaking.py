"""How an answer in the making is told as chunks: passed on as it came, or told anew where more is going on."""

from typing import Any, Protocol  # What goes to the caller is open JSON.

import orjson

from domain.answering import Returned, Step
from domain.completions.writing import Facts, Outcome, Told, last_chunk
from engine import Heard, Packet
from engine.events import Reasoning, Text, ToolCall, Usage

__all__ = ["Relaying", "Speaker", "Telling"]

Json = dict[str, Any]


class Speaker(Protocol):
    def take(self, step: Step) -> list[Any]:
        """The chunks that a step of the answer is worth."""
        ...

    def finish(self, outcome: Outcome) -> list[Any]: ...


class Relaying:
    """What the provider sends is passed on, byte for byte. Only its last words are held back, and told with ours."""

    def __init__(self, facts: Facts, *, hides_reasoning: bool = False) -> None:
        self._facts, self._hides_reasoning = facts, hides_reasoning
        self._common: Json | None = None
        self._has_begun = False

    def take(self, step: Step) -> list[Any]:
        if not isinstance(step, Packet):
            return []
        chunks: list[Any] = []
        for heard in step.heard:
            if heard.finishes:
                chunks += self._hold_back(heard.block)
            elif heard.block and self._is_for_the_caller(heard):
                chunks.append(orjson.Fragment(heard.block if self._has_begun else self._first(heard.block)))
        return chunks

    def finish(self, outcome: Outcome) -> list[Any]:
        return [last_chunk(self._common or self._facts.chunk, outcome)]

    def _is_for_the_caller(self, heard: Heard) -> bool:
        """Usage is told at the end, thoughts only to who may hear them, and nothing not at all."""
        if not heard.events:
            return bool(orjson.loads(heard.block).get("choices"))
        if type(heard.events[0]) is Usage:
            return False
        return not (self._hides_reasoning and all(type(event) is Reasoning for event in heard.events))

    def _first(self, block: bytes) -> bytes:
        """Clients want to know whose words these are before they come; not every server tells them."""
        self._has_begun = True
        if b'"role"' in block:
            return block
        chunk = orjson.loads(block)
        for choice in chunk.get("choices") or ():
            choice["delta"] = {"role": "assistant", **(choice.get("delta") or {})}
        return orjson.dumps(chunk)

    def _hold_back(self, block: bytes) -> list[Any]:
        chunk = orjson.loads(block)
        kept = ("id", "object", "created", "model", "system_fingerprint")
        self._common = {**self._facts.chunk, **{key: chunk[key] for key in kept if key in chunk}}
        choice = next(choice for choice in chunk["choices"] if not choice.get("index"))
        if len(chunk["choices"]) == 1 and not any((choice.get("delta") or {}).values()):
            return []
        # Some vendors say why they stop along with their last word.
        choice["finish_reason"] = None
        chunk["usage"] = None
        return [chunk]


class Telling:
    """What is meant, in chunks of our own: between the provider and the caller there is more than a wire."""

    def __init__(
        self,
        facts: Facts,
        ours: frozenset[str],
        *,
        hides_reasoning: bool = False,
        explains: bool = False,
        thinks_aloud: bool = False,
        prefix: str = "",
    ) -> None:
        self._facts, self._told, self._ours = facts, Told(facts), ours
        self._hides_reasoning, self._explains, self._thinks_aloud = hides_reasoning, explains, thinks_aloud
        self._prefix, self._is_thinking = prefix, False
        self._calls: list[ToolCall] = []

    def take(self, step: Step) -> list[Any]:
        if isinstance(step, Packet):
            return self._take_packet(step)
        if isinstance(step, Returned):
            state = "Failed" if step.failed else "Finished"
            return [self._told.server_tool(step.call, state, explained=self._explains)]
        self._calls.clear()
        return [self._told.server_tool(step, state, explained=self._explains) for state in ("Created", "Running")]

    def finish(self, outcome: Outcome) -> list[Any]:
        chunks = self._stop_thinking()
        if calls := [call for call in self._calls if call.name not in self._ours]:
            chunks.append(self._told.calls(calls))
        return [*chunks, last_chunk(self._facts.chunk, outcome)]

    def _take_packet(self, packet: Packet) -> list[Any]:
        chunks: list[Any] = []
        for heard in packet.heard:
            for event in heard.events:
                match event:
                    case Text():
                        chunks += [*self._stop_thinking(), self._told.text(self._prefix + event.text)]
                        self._prefix = ""
                    case Reasoning() if self._thinks_aloud:
                        chunks.append(self._told.text(event.text if self._is_thinking else f"<think>{event.text}"))
                        self._is_thinking = True
                    case Reasoning() if not self._hides_reasoning:
                        chunks.append(self._told.reasoning(event.text))
                    case ToolCall():
                        self._calls.append(event)
        return chunks

    def _stop_thinking(self) -> list[Any]:
        if not self._is_thinking:
            return []
        self._is_thinking = False
        return [self._told.text("</think>")]
