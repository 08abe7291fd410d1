"""A client that goes away stops the work done for it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any  # ASGI messages are open dictionaries.

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

__all__ = ["Departed", "while_present"]


class Departed(Exception):
    """The client left before its answer was ready; there is nobody to tell."""


@asynccontextmanager
async def while_present(receive: Receive) -> AsyncIterator[None]:
    """Cancels the block when the client of an HTTP request disconnects, and raises `Departed` in its place.

    Enter it once the body has been read, and leave it before the last byte of the answer is sent: a finished answer
    looks like a departure to ASGI.
    """
    working = asyncio.current_task()
    assert working is not None
    gone = False

    async def watch() -> None:
        nonlocal gone
        while (await receive())["type"] != "http.disconnect":
            pass
        gone = True
        working.cancel()

    watcher = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        # Somebody else may have cancelled us as well, and they expect to see it.
        if gone and working.uncancel() == 0:
            raise Departed from None
        raise
    else:
        if gone:
            # The work would not be cancelled, but it was still done for nobody.
            working.uncancel()
            raise Departed
    finally:
        watcher.cancel()
