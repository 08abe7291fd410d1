"""What a provider says, as events alone."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from engine.events import Event
from engine.packets import Heard

__all__ = ["events_of"]


async def events_of(answer: AsyncGenerator[list[Heard], None]) -> AsyncGenerator[Event | None, None]:
    """The meaning alone. Closing it closes the answer."""
    async with aclosing(answer) as pieces:
        async for several in pieces:
            for heard in several:
                for event in heard.events:
                    yield event
