"""What answers. Whatever product an agent comes from, the turn knows it only as an `AgentSpec`."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any  # Tool arguments and results are open JSON.

import models
from engine import chat
from engine.targets import Target

__all__ = ["AgentSpec", "Knowledge", "QueryStrategy", "Sampling", "Tool", "ToolResult"]


@dataclass(frozen=True, slots=True)
class Sampling:
    temperature: float | None = 0.7
    max_tokens: int | None = 1000


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    description: str
    parameters: Mapping[str, Any]
    # A text or JSON for the model, or a `ToolResult` when there is more to it.
    run: Callable[[Mapping[str, Any]], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class ToolResult:
    content: Any
    # Pictures and sounds cannot stand in a tool's answer: they follow it as messages.
    messages: tuple[chat.Message, ...] = ()


class QueryStrategy(StrEnum):
    PLAIN = "PLAIN"
    CONCATENATE = "CONCATENATE"
    USER_REWRITE = "USER_REWRITE"
    FULL_REWRITE = "FULL_REWRITE"
    QUERY_FUNCTION = "QUERY_FUNCTION"


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What an agent may look up, and how its questions are made of what was said."""

    collection_ids: tuple[str, ...]
    strategy: QueryStrategy = QueryStrategy.PLAIN
    top: int = 5
    min_score: float = 0.2
    include_references: bool = False
    # Whether the model reads the metadata of what was found.
    describe_metadata: bool = False
    # How many messages are joined, or given to the model that rewrites them.
    concatenate_messages: int = 3
    rewrite_messages: int = 3
    # What the record says who asked.
    agent: str = "assistant"


_DEFAULT_WINDOW_TOKENS = 8192


@dataclass(frozen=True, slots=True)
class AgentSpec:
    model: models.Model
    provider_name: str
    instructions: str | None = None
    sampling: Sampling = field(default_factory=Sampling)
    tools: Mapping[str, Tool] = field(default_factory=dict)
    knowledge: Knowledge | None = None
    # By which name the engine finds the provider, when that is not the one people know.
    engine_name: str | None = None
    # A model that keeps calling tools is stopped here.
    max_rounds: int = 8
    # Who else may answer, and in which order they are asked; nobody else when empty.
    several: tuple[Target, ...] = ()

    @property
    def asked(self) -> str:
        """The provider, as the engine knows it."""
        return self.engine_name or self.provider_name

    @property
    def targets(self) -> tuple[Target, ...]:
        return self.several or (Target(self.asked, self.model.name, model_id=self.model.id),)

    @property
    def window_tokens(self) -> int:
        return self.model.context_window or _DEFAULT_WINDOW_TOKENS

    @property
    def context_characters(self) -> int:
        """About how much may be said to the model, so that its answer still fits."""
        return 4 * max(self.window_tokens - (self.sampling.max_tokens or 0), self.window_tokens // 2)
