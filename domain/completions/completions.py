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
from domain.completions.writing import body
from domain.gateways.parameters import Flag
from domain.identity import Principal
from engine import Packet
from engine.events import ToolCall
from errors import NotConfigured, ProviderFailed

__all__ = ["Completion", "Completions"]

Json = dict[str, Any]


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

    async def complete(self, principal: Principal, given: Mapping[str, Any]) -> Completion:
        """The whole answer. Whoever stops waiting for it stops it."""
        async with await self._open(principal, asking.read(given)) as call:
            prepared = await call.prepare()
            sent = await _listen(call)
            return _completion(call, sent, prepared.complexity)

    async def stream(self, principal: Principal, given: Mapping[str, Any]) -> AsyncGenerator[list[Any], None]:
        """Chunks, several at once when they came together. Whoever leaves stops it."""
        async with await self._open(principal, asking.read(given)) as call:
            await call.prepare()
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
    return _parsed(bodies[0]) if _is_relayed(call) and len(bodies) == 1 else None


def _completion(call: Call, sent: Json | None, complexity: str | None) -> Completion:
    ours = call.prepared.tools if call.prepared else {}
    calls = [each for each in call.said if isinstance(each, ToolCall) and each.name not in ours]
    whole = body(
        call.facts,
        call.outcome(),
        text=call.text,
        reasoning="" if _hides_reasoning(call) else call.reasoning,
        calls=calls,
        sent=sent,
    )
    return Completion(call.facts.id, call.facts.model, call.text, whole, complexity)


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
        thinks_aloud=call.asked.textual_blocks,
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
    try:
        found = orjson.loads(block)
    except orjson.JSONDecodeError as exc:
        raise ProviderFailed("provider", "sent something that is not a chat completion") from exc
    return found if isinstance(found, dict) else {}
