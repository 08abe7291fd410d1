"""What is remembered of people, and their calendar."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any  # Tool arguments are open JSON.

import pytest

import models
from domain.calling import Caller
from domain.gateways.parameters import BuiltinFunction, BuiltinOptions
from domain.identity import Principal
from domain.tools.builtin import Builtins
from engine.guard import Guard
from errors import Invalid, NotFound, ToolFailed

PLAIN = BuiltinOptions()


@pytest.fixture
def known(principal: Principal) -> Caller:
    return Caller(principal, external_user="customer-123")


async def use(
    caller: Caller, function: BuiltinFunction, name: str, options: BuiltinOptions = PLAIN, **arguments: Any
) -> Any:
    tools = {tool.name: tool for tool in Builtins(Guard()).tools(caller, function, options)}
    return await tools[name].run(arguments)


async def remember(caller: Caller, name: str, **arguments: Any) -> Any:
    return await use(caller, BuiltinFunction.REMEMBER, name, **arguments)


async def plan(caller: Caller, name: str, **arguments: Any) -> Any:
    return await use(caller, BuiltinFunction.CALENDAR, name, **arguments)


async def test_remembers_finds_changes_and_forgets(known: Caller) -> None:
    saved = await remember(known, "memory_save", content="Likes coffee.", days=10)
    await remember(known, "memory_save", content="Has a cat.")

    assert [each["content"] for each in await remember(known, "memory_search", query="coffee")] == ["Likes coffee."]
    await remember(known, "memory_update", id=saved["id"], content="Likes tea.")
    assert (await remember(known, "memory_search", query="tea"))[0]["id"] == saved["id"]
    assert await remember(known, "memory_remove", id=saved["id"]) == {"removed": saved["id"]}
    assert await remember(known, "memory_clear") == {"removed": 1}
    assert await models.Memory.all().count() == 0


async def test_remembers_nothing_of_nobody(known: Caller) -> None:
    nobody = replace(known, external_user=None)

    for name, arguments in (("memory_save", {"content": "x"}), ("memory_search", {"query": "x"}), ("memory_clear", {})):
        with pytest.raises(Invalid, match="who talks with the agent"):
            await remember(nobody, name, **arguments)


@pytest.mark.parametrize("arguments", [{}, {"content": "x", "days": 0}, {"content": "x", "days": 366}, {"content": 5}])
async def test_saves_no_nonsense(known: Caller, arguments: dict[str, Any]) -> None:
    with pytest.raises(ToolFailed, match="wrong arguments"):
        await remember(known, "memory_save", **arguments)


async def test_who_is_told_all_has_nothing_to_look_for(known: Caller) -> None:
    options = BuiltinOptions(include_all_memory_context=True)

    names = [tool.name for tool in Builtins(Guard()).tools(known, BuiltinFunction.REMEMBER, options)]

    assert names == ["memory_save", "memory_update", "memory_remove", "memory_clear"]


async def test_keeps_a_calendar(known: Caller) -> None:
    soon, later = (datetime.now(UTC).replace(microsecond=0) + timedelta(days=days) for days in (2, 100))
    await plan(known, "calendar_add", date=later.replace(tzinfo=None).isoformat(), title="Dentist", notes="Upstairs")
    added = await plan(known, "calendar_add", date=soon.isoformat(), title="Lunch")

    lunch, dentist = await plan(known, "calendar_list")
    dentist.pop("id")
    assert (lunch, dentist) == (added, {"date": later.isoformat(), "title": "Dentist", "notes": "Upstairs"})
    assert await plan(known, "calendar_list", before=(soon + timedelta(days=1)).isoformat()) == [added]
    row = await models.Memory.get(id=added["id"])
    assert row.format is models.MemoryFormat.DATE_REMINDER
    assert row.expires_at > soon

    await plan(known, "calendar_remove", id=added["id"])
    with pytest.raises(NotFound):
        await plan(known, "calendar_remove", id=added["id"])


@pytest.mark.parametrize("date", ["tomorrow", "2020-01-01T00:00", "2999-01-01T00:00"])
async def test_plans_neither_the_past_nor_for_ever(known: Caller, date: str) -> None:
    with pytest.raises(Invalid, match="date"):
        await plan(known, "calendar_add", date=date, title="Lunch")


async def test_memories_are_no_appointments(known: Caller) -> None:
    saved = await remember(known, "memory_save", content="Likes coffee.")

    with pytest.raises(NotFound):
        await plan(known, "calendar_remove", id=saved["id"])
    assert await plan(known, "calendar_list") == []
