"""What answers. Whatever product an agent comes from, the turn knows it only as an `AgentSpec`."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any  # Tool arguments and results are open JSON.

import models

__all__ = ["AgentSpec", "Sampling", "Tool"]


@dataclass(frozen=True, slots=True)
class Sampling:
    temperature: float | None = 0.7
    max_tokens: int | None = 1000


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    description: str
    parameters: Mapping[str, Any]
    run: Callable[[Mapping[str, Any]], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class AgentSpec:
    model: models.Model
    provider_name: str
    instructions: str | None = None
    sampling: Sampling = field(default_factory=Sampling)
    tools: Mapping[str, Tool] = field(default_factory=dict)
    # A model that keeps calling tools is stopped here.
    max_rounds: int = 8
