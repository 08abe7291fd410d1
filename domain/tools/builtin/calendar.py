"""Appointments of the person an agent talks with: memories with a date."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any  # Tool arguments are open JSON.

import orjson

import models
from domain import memories
from domain.agents import Tool
from domain.calling import Caller
from domain.tools.builtin.tooling import schema, tool
from errors import Invalid
from models import MemoryFormat

__all__ = ["calendar_tools"]

_DATE = {"type": "string", "description": "Date and time, as 2026-03-01T09:30 or with a zone; UTC without one."}
_MOST = 200


def calendar_tools(caller: Caller) -> list[Tool]:
    async def add(arguments: Mapping[str, Any]) -> Any:
        date = _date(arguments["date"], "date")
        days = (date - datetime.now(UTC)) // timedelta(days=1) + 2
        if not 2 <= days <= memories.MOST_DAYS:
            raise Invalid("date", "must be to come, and within a year")
        written = {"date": date.isoformat(), "title": arguments["title"], "notes": arguments.get("notes")}
        content = orjson.dumps({name: value for name, value in written.items() if value}).decode()
        return _told(await memories.save(caller, content, format=MemoryFormat.DATE_REMINDER, days=days))

    async def listed(arguments: Mapping[str, Any]) -> Any:
        begin = _date(arguments["after"], "after") if "after" in arguments else datetime.now(UTC)
        end = _date(arguments["before"], "before") if "before" in arguments else datetime.max.replace(tzinfo=UTC)
        found = await memories.told_of(caller, MemoryFormat.DATE_REMINDER).order_by("expires_at", "id").limit(_MOST)
        told = [_told(memory) for memory in found]
        return sorted(
            (each for each in told if begin <= datetime.fromisoformat(each["date"]) <= end),
            key=lambda each: datetime.fromisoformat(each["date"]),
        )

    async def remove(arguments: Mapping[str, Any]) -> Any:
        gone = await memories.forget(caller, arguments["id"], MemoryFormat.DATE_REMINDER)
        return {"removed": str(gone.id)}

    title = {"type": "string", "minLength": 1, "maxLength": 500, "description": "What it is about."}
    notes = {"type": "string", "maxLength": 5_000, "description": "What else is to be known about it."}
    return [
        tool(
            "calendar_add",
            "Writes an appointment of the person you talk with into their calendar.",
            schema(date=_DATE, title=title, notes=notes, required=["date", "title"]),
            add,
        ),
        tool(
            "calendar_list",
            "Reads the appointments of the person you talk with: those to come, or those between two dates.",
            schema(after=_DATE, before=_DATE),
            listed,
        ),
        tool(
            "calendar_remove",
            "Takes an appointment out of the calendar of the person you talk with.",
            schema(id={"type": "string", "description": "The appointment's id."}, required=["id"]),
            remove,
        ),
    ]


def _date(text: str, name: str) -> datetime:
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(name, "must be a date and time, as 2026-03-01T09:30") from None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def _told(memory: models.Memory) -> dict[str, Any]:
    return {"id": str(memory.id), **orjson.loads(memory.content)}
