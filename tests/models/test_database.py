"""What the one database promises to those who write rules over it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any  # Credentials are an open dictionary.

import pytest

import models
from errors import Invalid
from models.database import connection, transaction


async def test_rules_that_hold_the_connection_call_others_that_need_it(database: dict[str, Any]) -> None:
    async with asyncio.timeout(5), transaction(), connection() as bare:
        created = await models.Workspace.create(name="outer")
        async with transaction(), connection() as inner:
            found = await inner.fetchval("SELECT name FROM workspaces WHERE id = $1", created.id)

    assert (found, inner is bare) == ("outer", True)


async def test_tasks_of_one_transaction_take_turns(database: dict[str, Any]) -> None:
    at_work = most_at_work = 0

    async def work() -> None:
        nonlocal at_work, most_at_work
        async with connection() as bare:
            at_work += 1
            most_at_work = max(most_at_work, at_work)
            await bare.execute("SELECT 1")
            at_work -= 1

    async with asyncio.timeout(5), transaction():
        await asyncio.gather(*(work() for _ in range(5)))

    assert most_at_work == 1


async def _by_hand(name: str) -> object:
    async with connection() as bare:
        return await bare.fetch("SELECT FROM workspaces WHERE name = $1", name)


async def _by_row(name: str) -> object:
    return await models.Workspace.get_or_none(name=name)


@pytest.mark.parametrize("find", [_by_hand, _by_row])
@pytest.mark.parametrize("name", ["\0", "\ud800"])
async def test_says_what_cannot_be_a_text(
    database: dict[str, Any], find: Callable[[str], Awaitable[object]], name: str
) -> None:
    with pytest.raises(Invalid, match=r"Text must not contain the character U\+0000 or half a surrogate pair"):
        await find(name)
