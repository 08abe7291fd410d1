"""A provider that plays back what a test wrote down."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence

from engine.chat import ChatRequest
from engine.chunks import built
from engine.events import End, EndReason, Event, Text, Usage
from engine.packets import Heard

__all__ = ["Hold", "ScriptedProvider", "Step", "saying"]


class Hold:
    """A point where the provider waits until the test releases it."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self._released = asyncio.Event()

    def release(self) -> None:
        self._released.set()

    async def wait(self) -> None:
        self.reached.set()
        await self._released.wait()


Step = Event | Hold | Exception | None


def saying(*words: str) -> list[Step]:
    """A whole small answer."""
    return [*(Text(word) for word in words), Usage(10, len(words)), End(EndReason.STOP)]


class ScriptedProvider:
    """Each call plays the next script: events are yielded, exceptions raised, holds waited for.

    The last script is played again when there are no more. `requests` and `closed` grow with the calls; a call counts
    as closed early when it was left before its script was through.
    """

    def __init__(self, *scripts: Sequence[Step], models: Sequence[str] = ("scripted",)) -> None:
        self.requests: list[ChatRequest] = []
        self.streamed: list[bool] = []
        self.finished = 0
        self.left = 0
        self.arrived = asyncio.Event()
        self.was_left = asyncio.Event()
        self.is_closed = False
        self._scripts = deque(scripts or [saying("Hello", " there", ".")])
        self._models = list(models)

    def listen(self, request: ChatRequest, *, stream: bool) -> AsyncGenerator[list[Heard], None]:
        return built(self._events(request, stream=stream), request.model, stream=stream)

    async def _events(self, request: ChatRequest, *, stream: bool) -> AsyncGenerator[Event | None, None]:
        script = self._scripts.popleft() if len(self._scripts) > 1 else self._scripts[0]
        self.requests.append(request)
        self.streamed.append(stream)
        self.arrived.set()
        try:
            for step in script:
                if isinstance(step, Hold):
                    await step.wait()
                elif isinstance(step, Exception):
                    raise step
                else:
                    yield step
        except (GeneratorExit, asyncio.CancelledError):
            self.left += 1
            self.was_left.set()
            raise
        self.finished += 1

    async def models(self) -> list[str]:
        return self._models

    async def close(self) -> None:
        self.is_closed = True
