"""Chat completions, plain and streamed: the same call, told in two ways."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any  # Bodies are open JSON.

import orjson

from domain.completions import asked as asking
from domain.completions.asked import Asked
from domain.completions.call import Call, Means
from domain.completions.names import Offered
from domain.completions.speaking import Relaying, Speaker, Telling
from domain.completions.writing import Told, body, last_chunk
from domain.gateways.parameters import Flag
from domain.identity import Principal
from engine import Packet
from engine.events import ToolCall
from errors import NotConfigured

__all__ = ["Completion", "Completions"]

Json = dict[str, Any]

# What vendors call the thoughts beside an answer.
_THOUGHTS = ("reasoning", "reasoning_content", "reasoning_details")


@dataclass(frozen=True, slots=True)
class Completion:
    """A whole answer; `body` is what OpenAI's clients read."""

    id: str
    model: str
    text: str
    body: Any
    complexity: str | None = None


class Completions:
    def __init__(self, means: Means, *, is_enabled: bool = True) -> None:
        self._means, self._is_enabled = means, is_enabled

    async def offered(self, principal: Principal) -> list[Offered]:
        return await self._means.names.offered(principal)

    async def check(self, principal: Principal, model: str) -> None:
        """Raises when nobody answers to this name."""
        await self._means.names.find(principal, model)

    async def complete(self, principal: Principal, given: Mapping[str, Any]) -> Completion:
        """The whole answer. Whoever stops waiting for it stops it."""
        async with await self._open(principal, asking.read(given)) as call:
            await call.prepare()
            return _completion(call, await _listen(call))

    async def stream(self, principal: Principal, given: Mapping[str, Any]) -> AsyncGenerator[list[Any], None]:
        """Chunks, several at once when they came together. Whoever leaves stops it."""
        async with await self._open(principal, asking.read(given)) as call:
            await call.prepare()
            if call.has_to_be_json:
                # Nobody can take back what has been shown.
                await _listen(call)
                yield _in_one_piece(call)
                return
            speaker = _speaker(call)
            async with aclosing(call.steps(stream=True)) as steps:
                async for step in steps:
                    if chunks := speaker.take(step):
                        yield chunks
            yield speaker.finish(call.outcome())

    async def _open(self, principal: Principal, asked: Asked) -> Call:
        if not self._is_enabled:
            raise NotConfigured("AI service is disabled")
        return await Call.open(self._means, principal, asked)


async def _listen(call: Call) -> Json | None:
    """The provider's own body, when nothing stands between it and the caller."""
    bodies: list[bytes] = []
    async with aclosing(call.steps(stream=False)) as steps:
        async for step in steps:
            if isinstance(step, Packet):
                bodies += [heard.block for heard in step.heard if heard.block]
    await call.heal()
    is_as_sent = _is_relayed(call) and call.healed is None and len(bodies) == 1
    return _parsed(bodies[0]) if is_as_sent else None


def _completion(call: Call, sent: Json | None) -> Completion:
    text, reasoning = call.text, "" if _hides_reasoning(call) else call.reasoning
    if call.asked.textual_blocks and reasoning:
        text, reasoning = f"<think>{reasoning}</think>{text}", ""
    whole = body(call.facts, call.outcome(), text=text, reasoning=reasoning, calls=_theirs(call), sent=sent)
    if sent is not None and _hides_reasoning(call):
        for choice in whole["choices"]:
            for name in _THOUGHTS:
                choice["message"].pop(name, None)
    complexity = call.prepared.complexity if call.prepared else None
    answer = orjson.loads(call.healed) if call.asked.json_only and call.healed is not None else whole
    return Completion(call.facts.id, call.facts.model, call.text, answer, complexity)


def _in_one_piece(call: Call) -> list[Any]:
    if call.asked.json_only and call.healed is not None:
        return [orjson.Fragment(call.healed)]
    told = Told(call.facts)
    said: list[Any] = [told.text(call.text)] if call.text else []
    if calls := _theirs(call):
        said.append(told.calls(calls))
    return [*said, last_chunk(call.facts.chunk, call.outcome())]


def _theirs(call: Call) -> list[ToolCall]:
    """The calls that are the caller's to answer."""
    ours = call.prepared.tools if call.prepared else {}
    return [each for each in call.said if isinstance(each, ToolCall) and each.name not in ours]


def _speaker(call: Call) -> Speaker:
    hides = _hides_reasoning(call)
    if _is_relayed(call):
        return Relaying(call.facts, hides_reasoning=hides)
    ours = frozenset(call.prepared.tools) if call.prepared else frozenset()
    return Telling(
        call.facts,
        ours,
        hides_reasoning=hides,
        explains=_explains(call),
        thinks_aloud=call.asked.textual_blocks and not hides,
    )


def _is_relayed(call: Call) -> bool:
    """Whether what is sent may go on as it is: no tools of ours in between, and nothing to be told otherwise."""
    prepared = call.prepared
    if prepared is None or prepared.tools or prepared.reading:
        return False
    return not call.asked.textual_blocks


def _explains(call: Call) -> bool:
    wanted, parameters = call.asked.overrides.explanations, call.agent.parameters
    return wanted if wanted is not None else bool(parameters and parameters.tool_invocation_explanations)


def _hides_reasoning(call: Call) -> bool:
    """Gateways tell thoughts when they are set to; a model that is asked by its own name is not held back."""
    parameters = call.agent.parameters
    return parameters is not None and not parameters.has(Flag.RETURN_REASONING_TOKENS)


def _parsed(block: bytes) -> Json:
    # It was read once already, and is what it should be.
    found: Json = orjson.loads(block)
    return found
