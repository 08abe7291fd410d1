import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar  # What a coroutine yields to its loop is the loop's business.

__all__ = ["together"]

Made = TypeVar("Made")


async def together(wanted: Iterable[Coroutine[Any, Any, Made]]) -> list[Made]:
    """All at once, in the order they were given. The first that fails ends the others, and is what is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in wanted]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]
