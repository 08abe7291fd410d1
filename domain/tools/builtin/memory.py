"""Remembering people: what a model saves of one is told to it when they come back."""

from collections.abc import Mapping
from typing import Any  # Tool arguments are open JSON.

import models
from domain import memories
from domain.agents import Tool
from domain.calling import Caller
from domain.gateways.parameters import BuiltinOptions
from domain.tools.builtin.tooling import schema, tool
from models import MemoryFormat

__all__ = ["memory_tools"]

_CONTENT = {"type": "string", "description": "The fact, complete in itself, up to 10,000 bytes."}
_DAYS = {
    "type": "integer",
    "minimum": 1,
    "maximum": memories.MOST_DAYS,
    "description": f"For how many days it is kept: {memories.DEFAULT_DAYS} when left out.",
}
_ID = {"type": "string", "description": "The memory's id."}


def memory_tools(caller: Caller, options: BuiltinOptions) -> list[Tool]:
    async def save(arguments: Mapping[str, Any]) -> Any:
        days = arguments.get("days", memories.DEFAULT_DAYS)
        return _told(await memories.save(caller, arguments["content"], days=days))

    async def search(arguments: Mapping[str, Any]) -> Any:
        return [_told(memory) for memory in await memories.search(caller, arguments["query"])]

    async def update(arguments: Mapping[str, Any]) -> Any:
        return _told(await memories.update(caller, arguments["id"], arguments["content"], days=arguments.get("days")))

    async def remove(arguments: Mapping[str, Any]) -> Any:
        return {"removed": str((await memories.forget(caller, arguments["id"])).id)}

    async def clear(arguments: Mapping[str, Any]) -> Any:
        memories.check_person(caller)
        removed = await memories.remove(caller.principal, None, caller.external_user, MemoryFormat.TEXT)
        return {"removed": removed.count}

    tools = [
        tool(
            "memory_save",
            "Remembers a fact about the person you talk with, for later conversations.",
            schema(content=_CONTENT, days=_DAYS, required=["content"]),
            save,
        ),
        tool(
            "memory_update",
            "Changes what you remember of the person you talk with.",
            schema(id=_ID, content=_CONTENT, days=_DAYS, required=["id", "content"]),
            update,
        ),
        tool(
            "memory_remove",
            "Forgets one thing about the person you talk with.",
            schema(id=_ID, required=["id"]),
            remove,
        ),
        tool("memory_clear", "Forgets everything about the person you talk with.", schema(), clear),
    ]
    if options.include_all_memory_context:
        # It is told all of them: there is nothing to look for.
        return tools
    query = {"type": "string", "description": "Words of what is looked for."}
    told = "Looks for what you remember of the person you talk with."
    return [*tools, tool("memory_search", told, schema(query=query, required=["query"]), search)]


def _told(memory: models.Memory) -> dict[str, str]:
    return {"id": str(memory.id), "content": memory.content, "expiresAt": memory.expires_at.isoformat()}
