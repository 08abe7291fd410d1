"""An HTTP answer in many pieces: server-sent events and multipart differ only in their framing."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any  # A context is the app's own.

from starlette.types import Message, Send

from errors import Unauthenticated
from execution import Result, Stage
from execution.departure import Departed
from transport.pulse import Pulse
from transport.refusals import as_errors

__all__ = ["BURST", "Framing", "StreamedAnswer", "failure"]

# Pieces in a row before everybody else has a turn. A source that always has something ready never waits, and neither
# does writing to a client that has just gone: without this, nobody would ever hear that it has. The event loop puts a
# fifth write to a lost connection into the log.
BURST = 4


@dataclass(frozen=True, slots=True)
class Framing:
    content_type: str
    opening: bytes
    frame: Callable[[Result], bytes]
    heartbeat: bytes
    closing: bytes


def failure(problem: Exception) -> Result:
    """A last result that says why there will be no other."""
    return Result(None, as_errors(problem), refused=Stage.REQUEST)


class StreamedAnswer:
    """Runs in the request's own task: the next event is not asked for before this one is on its way."""

    def __init__(self, framing: Framing, send: Send, pulse: Pulse, context: Any) -> None:
        self.framing, self.send, self.pulse, self.context = framing, send, pulse, context
        self.quiet = False
        self.pieces = 0
        self.task: asyncio.Task[Any] | None = None
        # How the stream ends when it is we who end it.
        self.ending: bytes | None = None

    async def run(self, results: AsyncGenerator[Result, None]) -> None:
        frame, write = self.framing.frame, self.write
        await self.start()
        ending = self.framing.closing
        try:
            async with aclosing(results):
                async for result in results:
                    await write(frame(result))
        except asyncio.CancelledError:
            # Somebody else may have cancelled us as well, and they expect to see it.
            if self.ending is None or (self.task and self.task.uncancel()):
                raise
            ending = self.ending
        except Departed:
            raise
        except Exception as problem:  # The headers are gone, so the stream itself has to say what happened.
            ending = self.last_words(problem)
        finally:
            self.stop()
        await self.transmit({"type": "http.response.body", "body": ending})

    async def start(self) -> None:
        self.task = asyncio.current_task()
        headers = [
            (b"content-type", self.framing.content_type.encode()),
            (b"cache-control", b"no-cache, no-transform"),
            # nginx would collect the whole stream before passing it on.
            (b"x-accel-buffering", b"no"),
        ]
        await self.transmit({"type": "http.response.start", "status": 200, "headers": headers})
        await self.transmit({"type": "http.response.body", "body": self.framing.opening, "more_body": True})
        self.pulse.add(self)

    async def write(self, piece: bytes) -> None:
        if self.task is None:
            raise Departed
        self.quiet = False
        await self.transmit({"type": "http.response.body", "body": piece, "more_body": True})
        self.pieces += 1
        if self.pieces % BURST == 0:
            await asyncio.sleep(0)

    async def transmit(self, message: Message) -> None:
        try:
            await self.send(message)
        except OSError as exc:
            raise Departed from exc

    def stop(self) -> None:
        self.task = None
        self.pulse.discard(self)

    async def beat(self) -> None:
        with suppress(Departed):
            await self.write(self.framing.heartbeat)

    async def revoke(self) -> None:
        self.end(self.last_words(Unauthenticated("The key of this stream is no longer valid")))

    async def leave(self) -> None:
        # Cut off rather than completed: clients come back after that, and to another process.
        self.end(b"")

    def end(self, ending: bytes) -> None:
        if self.task is not None and self.ending is None:
            self.ending = ending
            self.task.cancel()

    def last_words(self, problem: Exception) -> bytes:
        return self.framing.frame(failure(problem)) + self.framing.closing
