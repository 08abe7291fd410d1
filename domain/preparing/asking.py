"""Small questions that a model is asked on the way to an answer, and what they cost."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

import models
from domain.agents import AgentSpec
from domain.identity import Principal
from domain.preparing import thoughts
from domain.usage import UsageItem
from engine import AnswerShape, ChatRequest, Engine, Message
from engine.events import Text, Usage
from engine.targets import Target

__all__ = ["Asking", "Bill", "Choice", "Models", "Purpose", "choice_of"]

_MILLION = Decimal(1_000_000)
# A model that thinks before it writes counts its thoughts as well.
_MOST_TOKENS = 1_000
# More than any model reads or writes in one call.
_MOST_PLAUSIBLE = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Choice:
    """A model that may be asked, and where."""

    model: models.Model
    targets: tuple[Target, ...]


def choice_of(spec: AgentSpec) -> Choice:
    return Choice(spec.model, spec.targets)


class Models(Protocol):
    """The models of a workspace."""

    async def named(self, principal: Principal, name: str) -> Choice:
        """One that is set up here, or that the catalog knows at a provider which is. Raises `Invalid`."""
        ...

    async def default(self, principal: Principal) -> Choice | None:
        """Who answers when nobody chose."""
        ...


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a question is for, as the bill says it: `inference.resolving.<name>.in` and `.out`."""

    name: str
    description: str


class Bill:
    """What has been paid for so far. Whoever passes one in knows it also when preparing fails, or is given up."""

    def __init__(self) -> None:
        self._items: list[UsageItem] = []

    @property
    def items(self) -> tuple[UsageItem, ...]:
        return tuple(self._items)

    def add(self, purpose: Purpose, usage: Usage, model: models.Model) -> None:
        sku, cached = f"inference.resolving.{purpose.name}", min(usage.cached_tokens, usage.input_tokens)
        input_price = model.input_price or Decimal(0)
        lines = (
            (f"{sku}.in", usage.input_tokens - cached, input_price),
            (f"{sku}.out", usage.output_tokens, model.output_price or Decimal(0)),
            (f"{sku}.in.cached", cached, input_price if model.cached_price is None else model.cached_price),
        )
        self._items += [
            UsageItem(line, purpose.description, count, price / _MILLION) for line, count, price in lines if count
        ]


class Asking:
    """The engine, for questions whose answer is read here and shown to nobody."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def ask(
        self,
        choice: Choice,
        messages: Sequence[Message],
        purpose: Purpose,
        bill: Bill,
        *,
        shape: AnswerShape | None = None,
        max_tokens: int = _MOST_TOKENS,
    ) -> str:
        # No temperature: some models refuse to be told one.
        request = ChatRequest(
            model=choice.targets[0].model, messages=tuple(messages), answer_shape=shape, max_tokens=max_tokens
        )
        return await self.send(choice, request, purpose, bill)

    async def send(self, choice: Choice, request: ChatRequest, purpose: Purpose, bill: Bill) -> str:
        """What is said in answer; nothing that was called."""
        pieces: list[str] = []
        usage: Usage | None = None
        is_over = False
        try:
            async with aclosing(self._engine.chat(choice.targets, request, stream=False)) as events:
                async for event in events:
                    if isinstance(event, Text):
                        pieces.append(event.text)
                    elif isinstance(event, Usage) and _is_plausible(event):
                        usage = event
            is_over = True
        except asyncio.CancelledError:
            # Whoever wanted to know has left: what the model has read is paid for all the same.
            is_over = True
            raise
        finally:
            if usage is None and (is_over or pieces):
                usage = _estimate(request.messages, pieces)
            if usage is not None:
                bill.add(purpose, usage, choice.model)
        return thoughts.removed("".join(pieces))


def _is_plausible(usage: Usage) -> bool:
    """A server at somebody's own address may report anything; what makes no sense is estimated."""
    counts = (usage.input_tokens, usage.output_tokens, usage.cached_tokens)
    return all(isinstance(count, int) and 0 <= count < _MOST_PLAUSIBLE for count in counts)


def _estimate(messages: Sequence[Message], pieces: Sequence[str]) -> Usage:
    read, written = sum(len(message.text) for message in messages), sum(map(len, pieces))
    return Usage(read // 4, written // 4, estimated=True)
