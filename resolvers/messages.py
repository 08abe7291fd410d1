from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any  # Tool results are open JSON.

import orjson
import strawberry

import models


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Reasoning:
    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    call_id: str
    tool: str
    arguments: Any


@dataclass(frozen=True, slots=True)
class ToolResult:
    call_id: str
    result: Any


Part = Text | Reasoning | ToolCall | ToolResult

_READ: Mapping[str, Callable[[models.Part], Part]] = {
    "text": lambda part: Text(part["text"]),
    "reasoning": lambda part: Reasoning(part["text"]),
    "tool_call": lambda part: ToolCall(part["call_id"], part["tool"], readable(part["arguments"])),
    "tool_result": lambda part: ToolResult(part["call_id"], part["result"]),
}


def parts(root: strawberry.Parent[models.Message]) -> list[Part]:
    return [_READ[part["type"]](part) for part in root.parts]


def readable(arguments: str) -> Any:
    """Tool arguments as JSON, or as the text the model wrote when that is no JSON."""
    try:
        return orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return arguments
