"""What a turn is told before the model is asked: the knowledge step of every agent, for the answer of this turn."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from domain.agents import Tool
from domain.calling import Caller
from domain.identity import Principal
from domain.preparing import Preparing
from domain.retrieval import Asked, Retrieval
from domain.turns.beginning import Begun
from engine import ChatRequest, Engine
from engine.events import Usage

__all__ = ["Informed", "inform"]


@dataclass(frozen=True, slots=True)
class Informed:
    request: ChatRequest
    tools: Mapping[str, Tool] = field(default_factory=dict)
    # Of the model that was asked how to ask.
    usage: Usage | None = None


async def inform(retrieval: Retrieval, engine: Engine, principal: Principal, begun: Begun) -> Informed:
    known = begun.spec.knowledge
    asked = Asked(known.agent if known else "assistant", begun.conversation.id, begun.turn.answer_id)
    async with AsyncExitStack() as closing:
        prepared = await Preparing(engine, retrieval).prepare(
            Caller(principal), begun.spec, None, begun.request, asked=asked, closing=closing
        )
    read = sum(item.quantity for item in prepared.items if not item.sku.endswith(".out"))
    written = sum(item.quantity for item in prepared.items if item.sku.endswith(".out"))
    return Informed(prepared.request, prepared.tools, Usage(read, written) if prepared.items else None)
