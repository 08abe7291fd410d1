"""Whether what a model wrote fits the schema of the tool it calls."""

import asyncio
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any  # Schemas and arguments are open JSON.

import orjson

from errors import Invalid, ToolFailed

if TYPE_CHECKING:
    from domain.json_schemas import JsonSchema

__all__ = ["NOTHING", "check", "check_given"]

NOTHING: Mapping[str, Any] = {"type": "object", "properties": {}}


def check(tool: str, schema: Mapping[str, Any], arguments: Any) -> None:
    """For schemas of our own. Raises what tells the model how to do better."""
    if not isinstance(arguments, Mapping):
        raise ToolFailed(tool, "takes a JSON object as its arguments")
    try:
        complaints = _known(orjson.dumps(schema)).complaints(arguments)
    except Invalid as exc:
        raise ToolFailed(tool, f"has a schema that cannot be followed: it {exc.problem}") from exc
    if complaints:
        raise ToolFailed(tool, f"was called with wrong arguments: {'; '.join(complaints)}")


async def check_given(tool: str, schema: Mapping[str, Any], arguments: Any) -> None:
    """For schemas of somebody else's, which may take their second of computing."""
    await asyncio.to_thread(check, tool, schema, arguments)


@lru_cache(maxsize=64)
def _known(schema: bytes) -> "JsonSchema":
    # It weighs 8 MB, and most processes never call a tool.
    from domain.json_schemas import JsonSchema

    return JsonSchema(orjson.loads(schema), "parameters")
