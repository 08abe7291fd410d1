"""Whether what a model wrote fits the schema of the tool it calls."""

import asyncio
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any  # Schemas and arguments are open JSON.

import orjson

from errors import Invalid, ToolFailed

if TYPE_CHECKING:
    from domain.json_schemas import JsonSchema

__all__ = ["NOTHING", "check"]

NOTHING: Mapping[str, Any] = {"type": "object", "properties": {}}


async def check(tool: str, schema: Mapping[str, Any], arguments: Any) -> None:
    """Raises what tells the model how to do better. In a thread: somebody else's schema may compute for a second."""
    if not isinstance(arguments, Mapping):
        raise ToolFailed(tool, "takes a JSON object as its arguments")
    try:
        complaints = await asyncio.to_thread(_complaints, orjson.dumps(schema), arguments)
    except Invalid as exc:
        raise ToolFailed(tool, f"has a schema that cannot be followed: it {exc.problem}") from exc
    if complaints:
        raise ToolFailed(tool, f"was called with wrong arguments: {'; '.join(complaints).rstrip('.')}")


def _complaints(schema: bytes, arguments: Any) -> list[str]:
    return _known(schema).complaints(arguments)


@lru_cache(maxsize=256)
def _known(schema: bytes) -> "JsonSchema":
    # It weighs 8 MB, and most processes never call a tool.
    from domain.json_schemas import JsonSchema

    return JsonSchema(orjson.loads(schema), "parameters")
