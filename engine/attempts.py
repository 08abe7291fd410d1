"""Listening to whoever answers.

It must cost next to nothing per token, hence one timer per call, moved only when it goes off, instead of a timeout set
and cleared around each token.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace

from engine.chat import ChatRequest
from engine.order import Candidate, Order, Overdue
from engine.packets import Heard, Packet
from engine.patience import Listener, Patience
from engine.standing import LeftAlone
from engine.watchdog import Watchdog
from errors import ProviderFailed, ProviderRejected

__all__ = ["Attempts"]

# A stream that says nothing in so many pieces is passed on as it is.
_MOST_HELD = 1000


@dataclass(frozen=True, slots=True)
class Attempts:
    patience: Patience
    listener: Listener
    uniform: Callable[[float, float], float]
    sleep: Callable[[float], Awaitable[object]]
    clock: Callable[[], float]

    async def answer(
        self, candidates: Sequence[Candidate], request: ChatRequest, *, stream: bool
    ) -> AsyncGenerator[Packet, None]:
        """Of the first candidate that gives one. Others are asked only while nothing at all has been heard."""
        watchdog = Watchdog(asyncio.get_running_loop(), self.patience.whole_seconds)
        order = Order(candidates, self.patience, self.uniform, self.clock)
        failed: Candidate | None = None
        while (candidate := order.next()) is not None:
            if (pause := order.pause(candidate)) > 0:
                await self.sleep(pause)
            if failed is not None and failed is not candidate:
                self.listener.fell_back(failed.standing.provider, candidate.standing.provider)
            model = candidate.target.model
            asked = request if model == request.model else replace(request, model=model)
            heard = False
            try:
                async with aclosing(self._listen(candidate, asked, order, watchdog, stream=stream)) as packets:
                    async for packet in packets:
                        heard = True
                        yield packet
                return
            except ProviderFailed as failure:
                if not isinstance(failure, LeftAlone):
                    self.listener.failed(candidate.standing.provider, failure.code)
                if heard or watchdog.gave_up or isinstance(failure, ProviderRejected):
                    raise
                order.failed(candidate, failure)
                failed = candidate
        raise order.failure

    async def _listen(
        self, candidate: Candidate, request: ChatRequest, order: Order, watchdog: Watchdog, *, stream: bool
    ) -> AsyncGenerator[Packet, None]:
        """One candidate's answer, beginning with something that means something."""
        patience, standing = self.patience, candidate.standing
        async with (
            standing.asking(request.model, wait_seconds=order.turn_seconds()) as asking,
            _source(candidate, request, watchdog, stream=stream) as source,
        ):
            first_seconds = patience.first_seconds(request, stream=stream)
            watchdog.complaint = f"did not begin to answer within {first_seconds:g} seconds"
            watchdog.watch(first_seconds)
            started = self.clock()
            held: list[Heard] = []
            async for several in source:
                held += several
                if any(piece.events for piece in several) or len(held) > _MOST_HELD:
                    break
            watchdog.rest()
            asking.heard()
            if stream:
                self.listener.first_token(standing.provider, self.clock() - started)
            if held:
                yield Packet(candidate.target, held)
            between_seconds = patience.between_tokens_seconds
            watchdog.complaint = f"fell silent for {between_seconds:g} seconds in the middle of the answer"
            watchdog.watch(between_seconds)
            async for several in source:
                watchdog.rest()
                yield Packet(candidate.target, several)
                watchdog.watch(between_seconds)


@asynccontextmanager
async def _source(
    candidate: Candidate, request: ChatRequest, watchdog: Watchdog, *, stream: bool
) -> AsyncIterator[AsyncGenerator[list[Heard], None]]:
    """What the provider says; closed at the end, and told to have failed when the watchdog had enough."""
    with candidate.use() as provider:
        source = provider.listen(request, stream=stream)
        try:
            yield source
        except asyncio.CancelledError:
            if not watchdog.has_cancelled():
                raise
            raise Overdue(candidate.standing.provider, watchdog.complaint) from None
        finally:
            watchdog.stop()
            await source.aclose()
