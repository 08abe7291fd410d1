"""What a model is asked, and how: all that the one loop has to know of an agent."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import models
from domain.agents import Tool
from domain.preparing.reading import Reading
from domain.usage import UsageItem
from engine.chat import ChatRequest
from engine.targets import Target

__all__ = ["Prepared"]


@dataclass(frozen=True, slots=True)
class Prepared:
    # As the conversation goes on: what is called and answered is added to it, and not to what `before_round` gives.
    request: ChatRequest
    targets: tuple[Target, ...]
    # Whose prices count.
    model: models.Model
    # Those that run here; `request.tools` has the caller's as well.
    tools: Mapping[str, Tool] = field(default_factory=dict)
    # What was paid for on the way.
    items: tuple[UsageItem, ...] = ()
    # From the request to the one that is sent, before each time the model is asked; told how often it was before.
    before_round: Callable[[ChatRequest, int], ChatRequest] | None = None
    # For a model that does not answer as models do: one for each time it is asked, told likewise. What it reads is the
    # answer then, and what was sent may not be passed on.
    reading: Callable[[int], Reading] | None = None
    # "low", "medium" or "high", when the model was chosen by it.
    complexity: str | None = None
    # Why the conversation was replaced by a refusal.
    refused: str | None = None

    def sent(self, asked_before: int) -> ChatRequest:
        """What the model is asked in that round; without anything that was said since."""
        return self.before_round(self.request, asked_before) if self.before_round else self.request
