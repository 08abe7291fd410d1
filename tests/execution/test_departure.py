import asyncio
import contextlib
from collections.abc import MutableMapping
from typing import Any

import pytest

from execution.departure import Departed, while_present


class Client:
    def __init__(self) -> None:
        self.leaves = asyncio.Event()

    async def receive(self) -> MutableMapping[str, Any]:
        await self.leaves.wait()
        return {"type": "http.disconnect"}


async def test_leaving_stops_the_work() -> None:
    client, stopped = Client(), []

    async def work() -> None:
        client.leaves.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(True)

    with pytest.raises(Departed):
        async with while_present(client.receive):
            await work()
    assert stopped


async def test_staying_changes_nothing() -> None:
    async with while_present(Client().receive):
        done = await asyncio.sleep(0, "done")

    assert done == "done"


async def test_errors_of_the_work_are_its_own() -> None:
    with pytest.raises(ValueError, match="mine"):
        async with while_present(Client().receive):
            raise ValueError("mine")


async def test_being_cancelled_by_somebody_else_is_no_departure() -> None:
    async def work() -> None:
        async with while_present(Client().receive):
            await asyncio.Event().wait()

    working = asyncio.ensure_future(work())
    await asyncio.sleep(0)

    working.cancel()

    with pytest.raises(asyncio.CancelledError):
        await working


async def test_leaving_while_somebody_else_cancels_is_theirs_to_see() -> None:
    client = Client()

    async def work() -> None:
        async with while_present(client.receive):
            client.leaves.set()
            try:
                await asyncio.Event().wait()
            finally:
                working.cancel()

    working = asyncio.ensure_future(work())

    with pytest.raises(asyncio.CancelledError):
        await working


async def test_work_that_will_not_stop_was_done_for_nobody() -> None:
    client = Client()

    async def work() -> None:
        client.leaves.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    with pytest.raises(Departed):
        async with while_present(client.receive):
            await work()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
