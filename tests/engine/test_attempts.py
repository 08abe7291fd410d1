"""Patience with slow and failing providers, against a real server."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace

import pytest

from engine import ChatRequest, End, EndReason, Engine, Event, Listener, Patience, Text, Usage
from engine.providers.openai import OpenAIProvider
from engine.testing import Hold, ScriptedProvider
from engine.watchdog import Watchdog
from errors import ProviderFailed, ProviderRateLimited, ProviderRefusedKey, ProviderUnavailable
from tests.upstream import Cut, Gate, Reply, ToolPiece, Upstream

SHORT = 0.05


async def left_by_all(upstream: Upstream) -> None:
    """Who was given up so early that the question had not arrived has nobody to leave."""
    await asyncio.gather(*(asyncio.wait_for(call.left.wait(), 5) for call in upstream.calls))


class Sleeps:
    """Instead of sleeping: writes down for how long it would, and moves the clock."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.now = 1000.0

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        self.now += seconds

    def clock(self) -> float:
        return self.now


def engine_for(provider: OpenAIProvider | ScriptedProvider, sleeps: Sleeps | None = None, **patience: float) -> Engine:
    sleeps = sleeps or Sleeps()
    return Engine(
        {"acme": provider},
        patience=Patience(**patience),  # type: ignore[arg-type]  # one of them is an int
        uniform=lambda low, high: high,
        sleep=sleeps,
        clock=sleeps.clock,
    )


async def answer(engine: Engine, question: ChatRequest, *, stream: bool = True) -> list[Event]:
    return [event async for event in engine.chat("acme", question, stream=stream)]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("failure", [Reply.error(500, "x"), Reply.error(429, "x"), Reply.error(503, "x"), Reply(Cut())])
async def test_asks_again_when_nothing_was_heard(
    upstream: Upstream, provider: OpenAIProvider, question: ChatRequest, stream: bool, failure: Reply
) -> None:
    upstream.will(failure, failure, Reply("Hi"))
    sleeps = Sleeps()

    events = await answer(engine_for(provider, sleeps), question, stream=stream)

    assert events == [Text("Hi"), Usage(10, 1), End(EndReason.STOP)]
    assert sleeps.seconds == [0.5, 1.0]


async def test_gives_up_after_some_tries(upstream: Upstream, provider: OpenAIProvider, question: ChatRequest) -> None:
    upstream.always = Reply.error(503, "Busy")

    with pytest.raises(ProviderUnavailable, match="Busy"):
        await answer(engine_for(provider), question)

    assert upstream.seen["started"] == 3


async def test_waits_as_long_as_it_is_told(upstream: Upstream, provider: OpenAIProvider, question: ChatRequest) -> None:
    upstream.will(Reply.error(429, "x", headers={"retry-after": "3"}))
    sleeps = Sleeps()

    await answer(engine_for(provider, sleeps), question)

    assert sleeps.seconds == [3.5]


async def test_does_not_wait_for_ever(upstream: Upstream, provider: OpenAIProvider, question: ChatRequest) -> None:
    upstream.will(Reply.error(429, "x", headers={"retry-after": "3600"}))
    sleeps = Sleeps()

    with pytest.raises(ProviderRateLimited) as caught:
        await answer(engine_for(provider, sleeps), question)

    assert caught.value.retry_after_seconds == 3600
    assert sleeps.seconds == []


async def test_does_not_wait_beyond_the_whole(
    upstream: Upstream, provider: OpenAIProvider, question: ChatRequest
) -> None:
    upstream.will(Reply.error(503, "x"))

    with pytest.raises(ProviderUnavailable):
        await answer(engine_for(provider, whole_seconds=0.4), question)


async def test_does_not_repeat_what_cannot_succeed(
    upstream: Upstream, provider: OpenAIProvider, question: ChatRequest
) -> None:
    upstream.will(Reply.error(401, "Wrong key"))

    with pytest.raises(ProviderRefusedKey):
        await answer(engine_for(provider), question)

    assert upstream.seen["started"] == 1


@pytest.mark.parametrize("first", ["Hel", ToolPiece(0, "a", "weather", '{"ci')])
async def test_does_not_repeat_what_was_begun(
    upstream: Upstream, provider: OpenAIProvider, question: ChatRequest, first: str | ToolPiece
) -> None:
    upstream.will(Reply(first, Cut()))

    with pytest.raises(ProviderUnavailable):
        await answer(engine_for(provider), question)

    assert upstream.seen["started"] == 1


async def test_cancelling_ends_the_pause_between_tries(
    upstream: Upstream, provider: OpenAIProvider, question: ChatRequest
) -> None:
    upstream.always = Reply.error(503, "x")
    pausing = asyncio.Event()

    async def sleep(seconds: float) -> None:
        pausing.set()
        await asyncio.Event().wait()

    waiting = asyncio.ensure_future(answer(Engine({"acme": provider}, sleep=sleep), question))
    await pausing.wait()
    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert upstream.seen["started"] == 1


async def test_waits_so_long_for_the_first_token(
    upstream: Upstream, provider: OpenAIProvider, question: ChatRequest
) -> None:
    upstream.will(Reply(Gate(), "Hi"))

    with pytest.raises(ProviderUnavailable, match=r"did not begin to answer within 0\.05 seconds"):
        await answer(engine_for(provider, first_token_seconds=SHORT), question)

    await left_by_all(upstream)
    assert upstream.seen["started"] <= 1


async def test_waits_so_long_between_tokens(
    upstream: Upstream, provider: OpenAIProvider, question: ChatRequest
) -> None:
    upstream.will(Reply("Hel", Gate(), "lo"))
    events = engine_for(provider, between_tokens_seconds=SHORT).chat("acme", question)

    heard = await anext(events)
    with pytest.raises(ProviderUnavailable, match=r"fell silent for 0\.05 seconds"):
        await anext(events)

    assert heard == Text("Hel")
    await left_by_all(upstream)


@pytest.mark.parametrize("stream", [True, False])
async def test_waits_so_long_for_the_whole(
    upstream: Upstream, provider: OpenAIProvider, question: ChatRequest, stream: bool
) -> None:
    upstream.will(Reply("Hel", Gate(), "lo"))

    with pytest.raises(ProviderUnavailable, match=r"not complete after 0\.05 seconds"):
        await answer(engine_for(provider, whole_seconds=SHORT), question, stream=stream)

    await left_by_all(upstream)


async def test_a_plain_answer_needs_no_first_token(
    upstream: Upstream, provider: OpenAIProvider, question: ChatRequest
) -> None:
    upstream.will(Reply(gate := Gate(), "Hi"))
    asking = asyncio.ensure_future(answer(engine_for(provider, first_token_seconds=0.0), question, stream=False))
    await gate.reached.wait()

    gate.open()

    assert (await asking)[0] == Text("Hi")


async def test_a_plain_answer_is_not_waited_for_for_ever(
    upstream: Upstream, provider: OpenAIProvider, question: ChatRequest
) -> None:
    upstream.will(Reply(Gate(), "Hi"))
    engine = engine_for(provider, first_token_seconds=0.04, slowest_tokens_per_second=200)

    with pytest.raises(ProviderUnavailable, match=r"did not begin to answer within 0\.05 seconds"):
        await answer(engine, replace(question, max_tokens=2), stream=False)

    await left_by_all(upstream)
    assert upstream.seen["started"] <= 1


@pytest.mark.parametrize(
    ("stream", "max_tokens", "seconds"), [(True, 1000, 120), (False, 1000, 320), (False, 5, 121), (False, None, 529.6)]
)
def test_a_plain_answer_may_be_written_in_silence(
    question: ChatRequest, stream: bool, max_tokens: int | None, seconds: float
) -> None:
    assert Patience().first_seconds(replace(question, max_tokens=max_tokens), stream=stream) == seconds


async def test_a_slow_reader_is_not_a_slow_provider(
    upstream: Upstream, provider: OpenAIProvider, question: ChatRequest
) -> None:
    """The time a reader takes between two events counts as nobody's silence."""
    loop = asyncio.get_running_loop()
    long_after = asyncio.Event()

    async with aclosing(engine_for(provider, between_tokens_seconds=SHORT).chat("acme", question)) as events:
        first = await anext(events)
        loop.call_later(3 * SHORT, long_after.set)
        await long_after.wait()
        rest = [event async for event in events]

    assert [first, *rest][-1] == End(EndReason.STOP)


class Clock:
    """A loop of which only the time and the timers are used, both by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[asyncio.TimerHandle] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        self.timers.append(asyncio.TimerHandle(when, callback, (), asyncio.get_running_loop()))
        return self.timers[-1]

    def go_off(self) -> None:
        timer = self.timers.pop()
        self.now = timer.when()
        timer._run()


async def test_one_timer_moves_along_with_the_tokens() -> None:
    clock = Clock()
    watchdog = Watchdog(clock, 100)  # type: ignore[arg-type]  # as much of a loop as it needs
    watchdog.watch(1)
    clock.now = 0.6
    watchdog.watch(1)

    clock.go_off()
    assert [timer.when() for timer in clock.timers] == [1.6]
    assert not watchdog.has_cancelled()

    clock.go_off()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.Event().wait()
    assert watchdog.has_cancelled()


async def test_a_cancellation_from_outside_stays_one(question: ChatRequest) -> None:
    provider = ScriptedProvider([Text("Hel"), hold := Hold()])
    waiting = asyncio.ensure_future(answer(engine_for(provider), question))
    await hold.reached.wait()

    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert provider.left == 1


async def test_a_timeout_leaves_no_mark_on_the_task(question: ChatRequest) -> None:
    provider = ScriptedProvider([Hold()])

    with pytest.raises(ProviderUnavailable):
        await answer(engine_for(provider, first_token_seconds=0.01), question)

    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_tells_listeners_of_first_tokens_and_failures(
    upstream: Upstream, provider: OpenAIProvider, question: ChatRequest
) -> None:
    upstream.will(Reply.error(503, "x"), Reply("Hi"))
    firsts: list[str] = []
    failures: list[tuple[str, str]] = []
    listener = Listener(
        first_token=lambda name, seconds: firsts.append(name), failed=lambda name, code: failures.append((name, code))
    )
    engine = Engine({"acme": provider}, listener=listener, sleep=Sleeps())

    await answer(engine, question)

    assert firsts == ["acme"]
    assert failures == [("acme", "provider_unavailable")]


@pytest.mark.parametrize(
    ("failure", "tried", "pause"),
    [
        (ProviderUnavailable("acme", "x"), 1, 0.5),
        (ProviderUnavailable("acme", "x"), 2, 1.0),
        (ProviderUnavailable("acme", "x"), 3, None),
        (ProviderRateLimited("acme", "x", retry_after_seconds=20), 1, 20.5),
        (ProviderRateLimited("acme", "x", retry_after_seconds=21), 1, None),
        (ProviderFailed("acme", "x"), 1, None),
    ],
)
def test_pauses(failure: ProviderFailed, tried: int, pause: float | None) -> None:
    assert Patience().pause_after(failure, tried, lambda low, high: high) == pause
