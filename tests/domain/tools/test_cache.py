import asyncio

import pytest

from domain.tools.cache import ENTRY_BYTES, Cache
from errors import SourceFailed


class Source:
    """Says what it is told to say, as soon as it is let."""

    def __init__(self) -> None:
        self.asked = 0
        self.open = asyncio.Event()
        self.open.set()
        self.says: str | SourceFailed = "hello"

    async def fetch(self) -> str:
        self.asked += 1
        await self.open.wait()
        if isinstance(self.says, SourceFailed):
            raise self.says
        return self.says


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def cache_of(clock: Clock, most_bytes: int = 10_000) -> Cache[str]:
    return Cache(len, most_bytes=most_bytes, clock=clock)


async def test_asks_again_when_the_time_is_over() -> None:
    clock, source = Clock(), Source()
    cache = cache_of(clock)

    await cache.get("key", 10, source.fetch)
    clock.now = 9.9
    await cache.get("key", 10, source.fetch)
    assert source.asked == 1

    clock.now = 10
    await cache.get("key", 10, source.fetch)
    assert source.asked == 2


async def test_many_ask_once() -> None:
    source = Source()
    cache = cache_of(Clock())

    found = await asyncio.gather(*[cache.get("key", 10, source.fetch) for _ in range(50)])

    assert (set(found), source.asked) == ({"hello"}, 1)


async def test_who_leaves_takes_nothing_from_the_others() -> None:
    source = Source()
    cache = cache_of(Clock())
    source.open.clear()
    first, second = (asyncio.ensure_future(cache.get("key", 10, source.fetch)) for _ in range(2))
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    source.open.set()

    assert await second == "hello"


async def test_nobody_waits_and_nothing_is_fetched() -> None:
    """When the last one has left, the call ends; whoever comes then starts a new one."""
    source = Source()
    cache = cache_of(Clock())
    source.open.clear()
    waiting = asyncio.ensure_future(cache.get("key", 10, source.fetch))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)

    source.open.set()
    assert await cache.get("key", 10, source.fetch) == "hello"
    assert source.asked == 2


async def test_forgives_a_source_for_a_while() -> None:
    clock, source = Clock(), Source()
    cache = cache_of(clock)
    await cache.get("key", 10, source.fetch, forgiven_seconds=5)
    source.says = SourceFailed("It", "is down")

    clock.now = 14
    assert await cache.get("key", 10, source.fetch, forgiven_seconds=5) == "hello"
    clock.now = 15
    with pytest.raises(SourceFailed):
        await cache.get("key", 10, source.fetch, forgiven_seconds=5)


async def test_keeps_no_more_than_it_may() -> None:
    source = Source()
    two = 2 * (ENTRY_BYTES + len("hello"))
    cache = cache_of(Clock(), most_bytes=two)

    for key in ("a", "b", "a", "c"):
        await cache.get(key, 10, source.fetch)
    assert cache.bytes == two
    await cache.get("a", 10, source.fetch)
    assert source.asked == 3

    source.says = "x" * two
    assert await cache.get("d", 10, source.fetch) == "x" * two
    assert cache.bytes == two
