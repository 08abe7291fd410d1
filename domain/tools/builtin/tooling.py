from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any  # Schemas and arguments are open JSON.

from domain.agents import Tool
from domain.tools.arguments import check

__all__ = ["schema", "tool"]


def schema(*, required: Sequence[str] = (), **properties: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def tool(
    name: str, description: str, parameters: Mapping[str, Any], run: Callable[[Mapping[str, Any]], Awaitable[Any]]
) -> Tool:
    """One that is run only with arguments that fit."""

    async def checked(arguments: Mapping[str, Any]) -> Any:
        await check(name, parameters, arguments)
        return await run(arguments)

    return Tool(name, description, parameters, checked)
