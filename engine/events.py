"""What a model says while it answers, whoever the vendor is.

Plain slotted classes: one of these is made for every token, and a frozen dataclass costs three times as much to build.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["End", "EndReason", "Event", "Reasoning", "Text", "ToolCall", "Usage"]


class EndReason(StrEnum):
    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"


@dataclass(slots=True)
class Text:
    text: str


@dataclass(slots=True)
class Reasoning:
    text: str


@dataclass(slots=True)
class ToolCall:
    """A whole call: `arguments` is the JSON text as the model wrote it, put together from every piece."""

    id: str
    name: str
    arguments: str
    # The call in OpenAI's JSON, where that says more: some vendors sign their calls and want the signature back.
    wire: Mapping[str, object] | None = None


@dataclass(slots=True)
class Usage:
    """As the provider reports it, zeros included; a provider that reports nothing has none of these."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    estimated: bool = False


@dataclass(slots=True)
class End:
    reason: EndReason


Event = Text | Reasoning | ToolCall | Usage | End
