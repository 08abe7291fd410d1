"""A model or a gateway as a tool of other models."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any  # Arguments are open JSON.

from domain.completions.completions import Completions
from domain.identity import Principal
from domain.mcp_serving.protocol import OfferedTool, identifier

__all__ = ["ServedModel", "tools"]

_PREFIX, _USUAL_NAME = "invoke_", "ai_model"


@dataclass(frozen=True, slots=True)
class ServedModel:
    """Whom a client wants to ask, and what the tool for it is to be called."""

    model: str
    tool_name: str | None = None
    title: str | None = None
    description: str | None = None
    external_user: str | None = None


async def tools(completions: Completions, principal: Principal, served: ServedModel) -> list[OfferedTool]:
    """Raises at once when nobody answers to the model's name, and not when a model has called."""
    await completions.check(principal, served.model)

    async def run(arguments: Mapping[str, Any]) -> str:
        asked = {"model": served.model, "prompt": arguments["prompt"], "user": served.external_user}
        return (await completions.complete(principal, asked)).text

    return [
        OfferedTool(
            identifier(served.tool_name or _USUAL_NAME, or_else=_USUAL_NAME, prefix=_PREFIX),
            served.description or f"Asks {served.model} and waits for the answer.",
            _PARAMETERS,
            run,
            served.title,
            {"readOnlyHint": False, "destructiveHint": False, "idempotentHint": False, "openWorldHint": True},
        )
    ]


_PARAMETERS = {
    "type": "object",
    "properties": {
        "prompt": {
            "type": "string",
            "minLength": 1,
            "description": "What is asked, complete in itself: nothing of this conversation is known there.",
        }
    },
    "required": ["prompt"],
    "additionalProperties": False,
}
