"""The one place that talks to chat models."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager

from engine.attempts import Listener, Patience, attempts
from engine.chat import ChatProvider, ChatRequest
from engine.events import Event
from engine.packets import Packet
from engine.targets import Target
from errors import NotConfigured, ProviderUnavailable

__all__ = ["Engine"]


class Engine:
    """Providers by name, listened to with the same patience. They may be added, replaced and removed while in use."""

    def __init__(
        self,
        providers: Mapping[str, ChatProvider] | None = None,
        *,
        patience: Patience | None = None,
        listener: Listener | None = None,
        uniform: Callable[[float, float], float] = random.uniform,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._providers = dict(providers or {})
        self._called: dict[str, str] = {}
        self._patience = patience or Patience()
        self._listener = listener or Listener()
        self._uniform, self._sleep = uniform, sleep
        self._calls: Counter[ChatProvider] = Counter()
        self._retired: set[ChatProvider] = set()
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def names(self) -> list[str]:
        return list(self._providers)

    def listen(self, targets: Sequence[Target], request: ChatRequest, *, stream: bool) -> AsyncGenerator[Packet, None]:
        """The answer of whichever target gives one, as it comes in.

        Close the generator to hang up: the vendor's connection closes at once.
        """
        target = targets[0]
        self._find(target.provider)  # an unknown name is told here, not at the first packet
        return attempts(
            self._called.get(target.provider, target.provider),
            self._use(target.provider),
            target,
            request,
            stream=stream,
            patience=self._patience,
            listener=self._listener,
            uniform=self._uniform,
            sleep=self._sleep,
        )

    def chat(
        self, provider: str | Sequence[Target], request: ChatRequest, *, stream: bool = True
    ) -> AsyncGenerator[Event, None]:
        """The same as events alone, `End` last."""
        targets = [Target(provider, request.model)] if isinstance(provider, str) else provider
        return _meaning(self.listen(targets, request, stream=stream))

    async def models(self, provider: str) -> list[str]:
        """What the provider offers; also the way to find out whether its address and key are right."""
        with self._use(provider) as found:
            try:
                async with asyncio.timeout(self._patience.listing_seconds):
                    return await found.models()
            except TimeoutError as exc:
                raise ProviderUnavailable(
                    self._called.get(provider, provider), "did not list its models in time"
                ) from exc

    def put(self, name: str, provider: ChatProvider, *, called: str | None = None) -> None:
        """Add a provider or replace one; a call that runs goes on with the provider it began with.

        `called` is its name for people, where the one it is found by says little.
        """
        self.remove(name)
        self._providers[name] = provider
        self._called[name] = called or name

    def remove(self, name: str) -> None:
        self._called.pop(name, None)
        if (provider := self._providers.pop(name, None)) is not None:
            self._retired.add(provider)
            self._close_if_idle(provider)

    async def close(self) -> None:
        providers = {*self._providers.values(), *self._retired}
        self._providers.clear()
        self._retired.clear()
        await asyncio.gather(*self._closing, *(provider.close() for provider in providers))

    def _find(self, name: str) -> ChatProvider:
        try:
            return self._providers[name]
        except KeyError:
            raise NotConfigured(f"No model provider is called {name!r}") from None

    @contextmanager
    def _use(self, name: str) -> Iterator[ChatProvider]:
        provider = self._find(name)
        self._calls[provider] += 1
        try:
            yield provider
        finally:
            self._calls[provider] -= 1
            self._close_if_idle(provider)

    def _close_if_idle(self, provider: ChatProvider) -> None:
        if self._calls[provider]:
            return
        del self._calls[provider]
        if provider in self._retired:
            self._retired.remove(provider)
            task = asyncio.ensure_future(provider.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


async def _meaning(packets: AsyncGenerator[Packet, None]) -> AsyncGenerator[Event, None]:
    async with aclosing(packets):
        async for packet in packets:
            for heard in packet.heard:
                for event in heard.events:
                    if event is not None:
                        yield event
