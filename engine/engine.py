"""The one place that talks to chat models."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from functools import partial

from engine.attempts import Attempts
from engine.breaker import Breaker, Tolerance
from engine.chat import ChatProvider, ChatRequest
from engine.events import Event
from engine.order import Candidate
from engine.packets import Packet
from engine.patience import Listener, Patience
from engine.standing import Slots, Standing
from engine.targets import Target, in_order
from errors import NotConfigured, ProviderUnavailable

__all__ = ["Engine"]


@dataclass(slots=True, eq=False)
class _Connection:
    provider: ChatProvider
    standing: Standing
    calls: int = 0


class Engine:
    """Providers by name, listened to with the same patience. They may be added, replaced and removed while in use."""

    def __init__(
        self,
        providers: Mapping[str, ChatProvider] | None = None,
        *,
        patience: Patience | None = None,
        tolerance: Tolerance | None = None,
        listener: Listener | None = None,
        uniform: Callable[[float, float], float] = random.uniform,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._attempts = Attempts(patience or Patience(), listener or Listener(), uniform, sleep, clock)
        self._tolerance = tolerance or Tolerance()
        self._connections: dict[str, _Connection] = {}
        self._retired: set[_Connection] = set()
        self._closing: set[asyncio.Task[None]] = set()
        for name, provider in (providers or {}).items():
            self.put(name, provider)

    @property
    def names(self) -> list[str]:
        return list(self._connections)

    def listen(
        self, targets: Sequence[Target], request: ChatRequest, *, stream: bool, first: Target | None = None
    ) -> AsyncGenerator[Packet, None]:
        """The answer of the first target that gives one, as it comes in.

        The lowest tier is asked first, within a tier by weight. The next one is asked when one fails or is known to
        fail just now, and never after anything was heard: then the failure is told. Whoever goes on with an answer
        says who gave it so far, to be asked `first`. Close the generator to hang up: the vendor's connection closes
        at once.
        """
        if not targets:
            raise NotConfigured("No model is set up to answer this")
        # An unknown name is told here, not at the first packet.
        ordered = in_order(targets, self._attempts.uniform, first=first)
        candidates = [self._candidate(target) for target in ordered]
        return self._attempts.answer(candidates, request, stream=stream)

    def chat(
        self, provider: str | Sequence[Target], request: ChatRequest, *, stream: bool = True
    ) -> AsyncGenerator[Event, None]:
        """The same as events alone, `End` last."""
        targets = [Target(provider, request.model)] if isinstance(provider, str) else provider
        return _meaning(self.listen(targets, request, stream=stream))

    async def models(self, provider: str) -> list[str]:
        """What the provider offers; also the way to find out whether its address and key are right."""
        called = self._find(provider).standing.provider
        with self._use(provider) as found:
            try:
                async with asyncio.timeout(self._attempts.patience.listing_seconds):
                    return await found.models()
            except TimeoutError as exc:
                raise ProviderUnavailable(called, "did not list its models in time") from exc

    def put(
        self, name: str, provider: ChatProvider, *, called: str | None = None, calls_at_once: int | None = None
    ) -> None:
        """Add a provider or replace one; a call that runs goes on with the provider it began with.

        `called` is its name for people, where the one it is found by says little. Of more than `calls_at_once` calls
        some wait for a moment, and the rest are refused.
        """
        self.remove(name)
        called = called or name
        clock, told = self._attempts.clock, partial(self._attempts.listener.circuit, called)
        standing = Standing(
            called,
            Breaker(self._tolerance, clock, told),
            Slots(calls_at_once) if calls_at_once else None,
            clock,
        )
        self._connections[name] = _Connection(provider, standing)

    def remove(self, name: str) -> None:
        if (connection := self._connections.pop(name, None)) is not None:
            connection.standing.breaker.retire()
            self._retired.add(connection)
            self._close_if_idle(connection)

    async def close(self) -> None:
        connections = {*self._connections.values(), *self._retired}
        self._connections.clear()
        self._retired.clear()
        await asyncio.gather(*self._closing, *(connection.provider.close() for connection in connections))

    def _find(self, name: str) -> _Connection:
        try:
            return self._connections[name]
        except KeyError:
            raise NotConfigured(f"No model provider is called {name!r}") from None

    def _candidate(self, target: Target) -> Candidate:
        # Found again when its turn comes: it may have been replaced by then.
        return Candidate(target, self._find(target.provider).standing, partial(self._use, target.provider))

    @contextmanager
    def _use(self, name: str) -> Iterator[ChatProvider]:
        connection = self._find(name)
        connection.calls += 1
        try:
            yield connection.provider
        finally:
            connection.calls -= 1
            self._close_if_idle(connection)

    def _close_if_idle(self, connection: _Connection) -> None:
        if connection in self._retired and not connection.calls:
            self._retired.remove(connection)
            task = asyncio.ensure_future(connection.provider.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


async def _meaning(packets: AsyncGenerator[Packet, None]) -> AsyncGenerator[Event, None]:
    async with aclosing(packets):
        async for packet in packets:
            for heard in packet.heard:
                for event in heard.events:
                    if event is not None:
                        yield event
