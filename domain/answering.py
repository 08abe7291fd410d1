"""The one loop in which an answer is made: ask the model, run the tools it calls, and ask again.

Turns read what is meant, a gateway passes on what was sent: both get each network read as it came.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any  # Tool arguments and results are open JSON.

import orjson

from domain.agents import Tool, ToolResult
from domain.preparing.reading import Reading
from domain.usage import estimate_tokens
from engine import ChatRequest, Engine, Packet, chat
from engine.events import End, EndReason, Reasoning, Text, ToolCall, Usage
from engine.targets import Target
from errors import PlatformError

__all__ = ["Answering", "Returned", "Said", "Step", "content_of"]

_logger = logging.getLogger(__name__)

# More than any model reads or writes in one call; a column holds twice as much.
_MOST_TOKENS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Returned:
    """A tool of ours was called and has answered."""

    call: ToolCall
    result: Any
    failed: bool = False


Step = Packet | ToolCall | Returned
Said = Text | Reasoning | ToolCall | Returned

# From the request as it would be asked to the one that is; told how often the model was asked before.
BeforeRound = Callable[[ChatRequest, int], ChatRequest]


class Answering:
    """One answer. `ours` are the tools that run here; a call of any other is the caller's to answer, and ends it.

    What is known afterwards, however it ended: who answered, what was said, what it used, and why it stopped.
    """

    def __init__(
        self,
        engine: Engine,
        targets: Sequence[Target],
        request: ChatRequest,
        ours: Mapping[str, Tool],
        *,
        stream: bool,
        max_rounds: int = 8,
        before_round: BeforeRound | None = None,
        reading: Callable[[int], Reading] | None = None,
    ) -> None:
        self._engine, self._targets, self._request, self._stream = engine, targets, request, stream
        self._ours, self._max_rounds, self._before_round = ours, max_rounds, before_round
        self._reading = reading
        self.target: Target | None = None
        self.said: list[Said] = []
        self.usage: Usage | None = None
        self.reason: EndReason | None = None
        self.rounds = 0
        # What was asked in each round, and how much had been said before; and in which of them usage was told.
        self._asked: list[tuple[ChatRequest, int]] = []
        self._told: set[int] = set()

    async def steps(self) -> AsyncGenerator[Step, None]:
        """Packets as they come; between two rounds each tool call of ours, and what it returned."""
        request = self._request
        while self.rounds < self._max_rounds:
            asked = request if self._before_round is None else self._before_round(request, self.rounds)
            reading = None if self._reading is None else self._reading(self.rounds)
            begun = len(self.said)
            self._asked.append((asked, begun))
            self.rounds += 1
            # Who has begun to answer goes on: another one would not know what it meant, and has other prices.
            listening = self._engine.listen(self._targets, asked, stream=self._stream, first=self.target)
            async with aclosing(listening) as packets:
                async for packet in packets:
                    self.target = packet.target
                    if reading is not None:
                        packet = Packet(packet.target, reading.read(packet.heard))
                    self._take(packet)
                    yield packet
            spoken = self.said[begun:]
            calls = [each for each in spoken if isinstance(each, ToolCall)]
            if not calls or not self._ours or any(map(self._is_theirs, calls)):
                return
            text = "".join(each.text for each in spoken if isinstance(each, Text))
            answered = chat.Message.assistant(text, tool_calls=tuple(calls))
            request = replace(request, messages=(*request.messages, answered))
            for call in calls:
                yield call
            following: list[chat.Message] = []
            for returned in await asyncio.gather(*map(self._call, calls)):
                self.said.append(returned)
                yield returned
                result = returned.result
                if isinstance(result, ToolResult):
                    following += result.messages
                told = chat.Message.tool_result(returned.call.id, _as_text(result))
                request = replace(request, messages=(*request.messages, told))
            request = replace(request, messages=(*request.messages, *following))

    def _take(self, packet: Packet) -> None:
        for heard in packet.heard:
            for event in heard.events:
                match event:
                    case Text() | Reasoning() | ToolCall():
                        self.said.append(event)
                    case Usage():
                        # Nonsense is as good as no report: then it is estimated.
                        if _is_plausible(event):
                            self._told.add(self.rounds)
                            self.usage = _added(self.usage, event)
                    case End():
                        self.reason = event.reason

    def used(self, *, has_failed: bool) -> Usage:
        """What was told, and of the rounds of which nothing was told an estimate. One that failed before anything was
        said used nothing."""
        usage = self.usage
        ends = [begun for _, begun in self._asked[1:]] + [len(self.said)]
        for place, ((request, begun), end) in enumerate(zip(self._asked, ends, strict=True), start=1):
            said = self.said[begun:end]
            if place not in self._told and (said or not has_failed):
                usage = _added(usage, _estimated(request, said))
        return usage or Usage(0, 0)

    def _is_theirs(self, call: ToolCall) -> bool:
        return call.name not in self._ours and any(tool.name == call.name for tool in self._request.tools)

    async def _call(self, call: ToolCall) -> Returned:
        """The model is told what went wrong, and may do better."""
        tool = self._ours.get(call.name)
        if tool is None:
            return Returned(call, {"error": f"There is no tool {call.name!r}."}, failed=True)
        try:
            arguments = orjson.loads(call.arguments or "{}")
        except orjson.JSONDecodeError:
            return Returned(call, {"error": "The arguments are not valid JSON."}, failed=True)
        if arguments is None:
            arguments = {}
        if not isinstance(arguments, dict):
            return Returned(call, {"error": "The arguments must be a JSON object."}, failed=True)
        try:
            return Returned(call, await tool.run(arguments))
        except PlatformError as exc:
            return Returned(call, {"error": str(exc)}, failed=True)
        except Exception:  # A bug of ours, or of a server we called, must not cost the answer; and it must be seen.
            _logger.exception("tool failed", extra={"tool": call.name})
            return Returned(call, {"error": "The tool failed."}, failed=True)


def content_of(result: Any) -> Any:
    return result.content if isinstance(result, ToolResult) else result


def _as_text(result: Any) -> str:
    content = content_of(result)
    return content if isinstance(content, str) else orjson.dumps(content).decode()


def _estimated(request: ChatRequest, said: Sequence[Said]) -> Usage:
    written = sum(map(_written, said))
    read = sum(estimate_tokens(len(message.text)) for message in request.messages)
    # Of several answers only the first is listened to.
    return Usage(read, estimate_tokens(written) * request.answers if written else 0, estimated=True)


def _written(said: Said) -> int:
    match said:
        case Text() | Reasoning():
            return len(said.text)
        case ToolCall():
            return len(said.arguments)
        case Returned():
            return 0


def _is_plausible(usage: Usage) -> bool:
    counts = (usage.input_tokens, usage.output_tokens, usage.cached_tokens)
    return all(isinstance(count, int) and 0 <= count < _MOST_TOKENS for count in counts)


def _added(one: Usage | None, other: Usage) -> Usage:
    if one is None:
        return other
    return Usage(
        min(one.input_tokens + other.input_tokens, _MOST_TOKENS),
        min(one.output_tokens + other.output_tokens, _MOST_TOKENS),
        min(one.cached_tokens + other.cached_tokens, _MOST_TOKENS),
        one.estimated or other.estimated,
    )
