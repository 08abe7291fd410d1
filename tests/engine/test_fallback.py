"""Several who may answer: each fault caused for real, and who is asked next."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

import orjson
import pytest

from engine import ChatRequest, Circuit, Engine, Listener, Message, Patience, Target, Text, Tolerance
from engine.providers.openai import OpenAIProvider
from engine.targets import in_order
from errors import (
    ContextTooLong,
    NotConfigured,
    ProviderFailed,
    ProviderRateLimited,
    ProviderRefusedKey,
    ProviderRejected,
    ProviderUnavailable,
)
from tests.engine.conftest import KEY
from tests.upstream import Cut, Gate, Reply, Thought, ToolPiece, Upstream

FIRST, SECOND = Target("first", "model-1"), Target("second", "model-2", tier=1)
BOTH = (FIRST, SECOND)
QUESTION = ChatRequest(model="a route", messages=(Message.user("Hi"),))

either_way = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "plain"])


class Time:
    """Stands still unless somebody sleeps, or a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def clock(self) -> float:
        return self.now


@pytest.fixture
async def other() -> AsyncIterator[Upstream]:
    async with Upstream() as running:
        running.always = Reply("Second")
        yield running


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def told() -> list[tuple[str, ...]]:
    return []


MakeEngine = Callable[..., Engine]


@pytest.fixture
async def make(
    upstream: Upstream, other: Upstream, time: Time, told: list[tuple[str, ...]]
) -> AsyncIterator[MakeEngine]:
    made: list[Engine] = []

    def engine(*, calls_at_once: int | None = None, first: str = upstream.base_url, **patience: float) -> Engine:
        listener = Listener(
            failed=lambda provider, code: told.append((provider, code)),
            fell_back=lambda provider, to: told.append((provider, "to", to)),
            circuit=lambda provider, circuit: told.append((provider, circuit)),
        )
        made.append(
            Engine(
                patience=Patience(**patience),  # type: ignore[arg-type]  # one of them is an int
                tolerance=Tolerance(failures_in_a_row=3, rest_seconds=10),
                listener=listener,
                uniform=lambda low, high: high,
                sleep=time.sleep,
                clock=time.clock,
            )
        )
        made[-1].put("first", OpenAIProvider("first", first, KEY), calls_at_once=calls_at_once)
        made[-1].put("second", OpenAIProvider("second", other.base_url, KEY), calls_at_once=calls_at_once)
        return made[-1]

    yield engine
    for engine_made in made:
        await engine_made.close()


async def said(
    engine: Engine, *targets: Target, stream: bool = True, question: ChatRequest = QUESTION
) -> tuple[str, str]:
    """Who answered, and what."""
    who, text = "", ""
    async for packet in engine.listen(targets or BOTH, question, stream=stream):
        who = packet.target.provider
        text += "".join(event.text for piece in packet.heard for event in piece.events if isinstance(event, Text))
    return who, text


# ---------------------------------------------------------------- who is asked next


@either_way
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Reply.error(429, "Slow down"), "provider_rate_limited"),
        (Reply.error(500, "Oops"), "provider_unavailable"),
        (Reply.error(503, "Busy"), "provider_unavailable"),
        (Reply.error(401, "Wrong key"), "provider_refused_key"),
        (Reply.error(402, "Insufficient balance"), "provider_failed"),
        (Reply.error(404, "No such model"), "provider_failed"),
        (Reply.context_too_long(), "context_too_long"),
        (Reply(Cut()), "provider_unavailable"),
        (Reply(body=b"<html>", headers={"content-type": "text/html"}), "provider_failed"),
        (Reply(finish=None, done=False), "provider_unavailable"),
    ],
    ids=["429", "500", "503", "401", "402", "404", "too long", "cut", "garbage", "nothing"],
)
async def test_another_answers_for_who_cannot(
    upstream: Upstream,
    other: Upstream,
    make: MakeEngine,
    time: Time,
    told: list[tuple[str, ...]],
    stream: bool,
    fault: Reply,
    code: str,
) -> None:
    if not stream and fault.finish is None:
        fault = Reply(body={"choices": []})
        code = "provider_failed"
    upstream.always = fault

    assert await said(make(), stream=stream) == ("second", "Second")
    assert told == [("first", code), ("first", "to", "second")]
    assert time.slept == []
    assert [call.json["model"] for call in (*upstream.calls, *other.calls)] == ["model-1", "model-2"]


@either_way
async def test_another_answers_for_who_is_not_there(make: MakeEngine, stream: bool) -> None:
    assert await said(make(first="http://127.0.0.1:9/v1"), stream=stream) == ("second", "Second")


@either_way
async def test_another_answers_for_who_hangs(upstream: Upstream, make: MakeEngine, stream: bool) -> None:
    upstream.will(Reply(Gate(), "First"))
    engine = make(first_token_seconds=0.05, slowest_tokens_per_second=1e6)

    assert await said(engine, stream=stream) == ("second", "Second")
    # Who was given up before the question arrived has nobody to leave.
    await asyncio.gather(*(asyncio.wait_for(call.left.wait(), 5) for call in upstream.calls))


async def test_what_is_no_word_yet_is_not_shown_of_who_fails(upstream: Upstream, make: MakeEngine) -> None:
    """The chunk with the role comes before the first word; two of them would be two answers."""
    role = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}
    upstream.will(Reply(role, Cut()))

    blocks = [
        orjson.loads(piece.block)
        async for packet in make().listen(BOTH, QUESTION, stream=True)
        for piece in packet.heard
        if piece.block
    ]

    assert {block["model"] for block in blocks} == {"model-2"}


@pytest.mark.parametrize("word", ["Hel", Thought("Hm"), ToolPiece(0, "a", "weather", '{"ci')])
async def test_nobody_goes_on_for_who_has_begun(
    upstream: Upstream, other: Upstream, make: MakeEngine, word: str | Thought | ToolPiece
) -> None:
    upstream.will(Reply(word, Cut()))

    with pytest.raises(ProviderUnavailable, match="first: lost the connection"):
        await said(make())

    assert other.calls == []


@either_way
async def test_a_request_that_makes_no_sense_is_not_tried_elsewhere(
    upstream: Upstream, other: Upstream, make: MakeEngine, stream: bool
) -> None:
    upstream.will(Reply.error(400, "temperature must be at most 2"))

    with pytest.raises(ProviderRejected, match="temperature must be at most 2"):
        await said(make(), stream=stream)

    assert other.calls == []


async def test_each_is_asked_once_before_one_is_asked_again(
    upstream: Upstream, other: Upstream, make: MakeEngine, time: Time
) -> None:
    upstream.always = Reply.error(503, "Busy")
    other.will(Reply.error(500, "Oops"))

    assert await said(make()) == ("second", "Second")
    assert (len(upstream.calls), len(other.calls), time.slept) == (2, 2, [0.5])


async def test_a_bad_key_of_the_second_does_not_spoil_the_first(
    upstream: Upstream, other: Upstream, make: MakeEngine
) -> None:
    upstream.will(Reply.error(503, "Busy"), Reply("First"))
    other.always = Reply.error(401, "Wrong key")

    assert await said(make()) == ("first", "First")


async def test_when_all_fail_the_last_is_told(upstream: Upstream, other: Upstream, make: MakeEngine) -> None:
    upstream.always = Reply.error(401, "Wrong key")
    other.always = Reply.error(429, "Come back", headers={"retry-after": "60"})

    with pytest.raises(ProviderRateLimited, match="second: Come back") as caught:
        await said(make())

    assert caught.value.retry_after_seconds == 60


async def test_the_patience_is_for_all_together(upstream: Upstream, other: Upstream, make: MakeEngine) -> None:
    upstream.always = other.always = Reply(Gate(), "Hi")

    with pytest.raises(ProviderUnavailable, match=r"not complete after 0\.05 seconds"):
        await said(make(whole_seconds=0.05))

    assert other.calls == []


async def test_leaving_closes_the_one_that_is_asked(upstream: Upstream, other: Upstream, make: MakeEngine) -> None:
    upstream.will(Reply.error(503, "Busy"))
    other.will(Reply("Sec", Gate()))

    async with aclosing(make().listen(BOTH, QUESTION, stream=True)) as packets:
        await anext(packets)
        call = await other.arrived()

    await asyncio.wait_for(call.left.wait(), 1)


@either_way
async def test_leaving_before_the_first_word_closes_it_too(other: Upstream, make: MakeEngine, stream: bool) -> None:
    gate = Gate()
    other.will(Reply(gate, "Second"))
    asking = asyncio.ensure_future(said(make(first="http://127.0.0.1:9/v1"), stream=stream))
    call = await other.arrived()
    await gate.reached.wait()

    asking.cancel()

    await asyncio.wait_for(call.left.wait(), 1)
    with pytest.raises(asyncio.CancelledError):
        await asking


def test_names_who_is_not_there(make: MakeEngine) -> None:
    with pytest.raises(NotConfigured, match="'third'"):
        make().listen([FIRST, Target("third", "x")], QUESTION, stream=True)
    with pytest.raises(NotConfigured, match="No model"):
        make().listen([], QUESTION, stream=True)


# ---------------------------------------------------------------- in which order


def test_the_lowest_tier_comes_first() -> None:
    targets = [Target("c", "m", tier=2), Target("a", "m"), Target("b", "m", tier=1, weight=1000)]

    assert [target.provider for target in in_order(targets, lambda low, high: high)] == ["a", "b", "c"]


def test_who_answered_so_far_goes_on() -> None:
    targets = [Target("a", "m"), Target("b", "m", tier=1), Target("c", "m", tier=1)]

    ordered = in_order(targets, lambda low, high: high, first=targets[2])

    assert [target.provider for target in ordered] == ["c", "a", "b"]


def test_weights_say_how_often_one_is_first() -> None:
    """Over a whole grid of draws instead of some random ones."""
    heavy, light = Target("heavy", "m", weight=3), Target("light", "m")
    grid = [(step + 0.5) / 100 for step in range(100)]

    def first(one: float, other: float) -> str:
        draws = iter((one, other))
        return in_order([heavy, light], lambda low, high: next(draws))[0].provider

    times = sum(first(one, other) == "heavy" for one in grid for other in grid)

    assert times / len(grid) ** 2 == pytest.approx(0.75, abs=0.01)


# ---------------------------------------------------------------- who asks for a rest


async def test_others_do_not_ask_who_wants_a_rest(
    upstream: Upstream, other: Upstream, make: MakeEngine, time: Time
) -> None:
    upstream.will(Reply.error(429, "x", headers={"retry-after": "30"}))
    upstream.always = Reply("First")
    engine = make()

    answers = [await said(engine), await said(engine)]
    time.now += 29
    answers.append(await said(engine))
    time.now += 1
    answers.append(await said(engine))

    assert [who for who, _ in answers] == ["second", "second", "second", "first"]


async def test_another_model_of_the_same_provider_is_asked(upstream: Upstream, make: MakeEngine) -> None:
    """Vendors limit each model by itself."""
    upstream.will(Reply.error(429, "x", headers={"retry-after": "30"}), Reply("Small"))

    assert await said(make(), FIRST, Target("first", "small", tier=1)) == ("first", "Small")


async def test_who_is_alone_is_asked_all_the_same(upstream: Upstream, make: MakeEngine) -> None:
    upstream.will(Reply.error(429, "x", headers={"retry-after": "30"}), Reply("First"))
    engine = make()

    with pytest.raises(ProviderRateLimited):
        await said(engine, FIRST)

    assert await said(engine, FIRST) == ("first", "First")


async def test_a_short_rest_of_all_is_waited_for(
    upstream: Upstream, other: Upstream, make: MakeEngine, time: Time
) -> None:
    engine = make()
    for one in (upstream, other):
        one.will(*[Reply.error(429, "x", headers={"retry-after": "3600"})])
    with pytest.raises(ProviderRateLimited):
        await said(engine)

    time.now += 3590
    assert await said(engine) == ("first", "Hello there.")
    assert time.slept == [10]


async def test_a_long_rest_of_all_is_told(upstream: Upstream, other: Upstream, make: MakeEngine, time: Time) -> None:
    engine = make()
    upstream.always = Reply.error(429, "x", headers={"retry-after": "90"})
    other.always = Reply.error(429, "x", headers={"retry-after": "60"})
    with pytest.raises(ProviderRateLimited):
        await said(engine)

    with pytest.raises(ProviderRateLimited, match="second: asked to be left alone") as caught:
        await said(engine)

    assert caught.value.retry_after_seconds == 60
    assert (len(upstream.calls), len(other.calls), time.slept) == (1, 1, [])


async def test_a_refused_key_is_not_tried_with_every_call(upstream: Upstream, make: MakeEngine) -> None:
    upstream.always = Reply.error(401, "Wrong key")
    engine = make()

    for _ in range(3):
        await said(engine)

    assert len(upstream.calls) == 1
    with pytest.raises(ProviderRefusedKey):
        await said(engine, FIRST)


# ---------------------------------------------------------------- who fails again and again


async def fail(engine: Engine, upstream: Upstream, times: int = 3) -> None:
    upstream.will(*[Reply.error(503, "Busy") for _ in range(times)])
    for _ in range(times):
        await said(engine)


async def test_an_open_circuit_is_not_waited_for(
    upstream: Upstream, make: MakeEngine, time: Time, told: list[tuple[str, ...]]
) -> None:
    engine = make()
    await fail(engine, upstream)

    assert await said(engine) == ("second", "Second")
    assert (len(upstream.calls), time.slept) == (3, [])
    assert ("first", Circuit.OPEN) in told
    assert told[-1] == ("first", "to", "second")


async def test_a_provider_alone_is_left_alone_too(upstream: Upstream, make: MakeEngine) -> None:
    upstream.always = Reply.error(503, "Busy")
    engine = make()
    with pytest.raises(ProviderUnavailable, match="Busy"):
        await said(engine, FIRST)

    with pytest.raises(ProviderUnavailable, match="first: failed too often and is left alone") as caught:
        await said(engine, FIRST)

    assert caught.value.retry_after_seconds == 10
    assert len(upstream.calls) == 3


async def test_when_all_are_open_the_soonest_is_told(
    upstream: Upstream, other: Upstream, make: MakeEngine, time: Time
) -> None:
    engine = make(tries=1)
    upstream.always = other.always = Reply.error(503, "Busy")
    for targets, seconds in (([FIRST], 4), ([SECOND], 0)):
        for _ in range(3):
            with pytest.raises(ProviderUnavailable):
                await said(engine, *targets)
        time.now += seconds

    with pytest.raises(ProviderUnavailable) as caught:
        await said(engine)

    assert caught.value.retry_after_seconds == 6


async def test_a_single_call_tells_whether_it_works_again(
    upstream: Upstream, make: MakeEngine, time: Time, told: list[tuple[str, ...]]
) -> None:
    engine = make()
    await fail(engine, upstream)
    time.now += 10
    upstream.will(Reply(gate := Gate(), "First"))

    telling = asyncio.ensure_future(said(engine))
    await gate.reached.wait()
    meanwhile = await said(engine)
    gate.open()

    assert (meanwhile, await telling, await said(engine)) == (
        ("second", "Second"),
        ("first", "First"),
        ("first", "Hello there."),
    )
    assert [what for _, *what in told if what[0] in list(Circuit)] == [["open"], ["half_open"], ["closed"]]


async def test_the_first_word_tells_enough(upstream: Upstream, make: MakeEngine, time: Time) -> None:
    engine = make()
    await fail(engine, upstream)
    time.now += 10
    upstream.will(Reply("Fir", Gate()), Reply("First"))

    async with aclosing(engine.listen(BOTH, QUESTION, stream=True)) as packets:
        await anext(packets)
        assert await said(engine) == ("first", "First")


async def test_who_leaves_lets_another_tell(upstream: Upstream, make: MakeEngine, time: Time) -> None:
    engine = make()
    await fail(engine, upstream)
    time.now += 10
    upstream.will(Reply(gate := Gate(), "Fir"), Reply("First"))
    telling = asyncio.ensure_future(said(engine))
    await gate.reached.wait()

    telling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await telling

    assert await said(engine) == ("first", "First")


async def test_cuts_in_the_middle_count_and_wrong_requests_do_not(upstream: Upstream, make: MakeEngine) -> None:
    engine = make()
    for fault, error, times in (
        (Reply.error(400, "No"), ProviderRejected, 9),
        (Reply.context_too_long(), ContextTooLong, 9),
        (Reply.error(404, "No such model"), ProviderFailed, 9),
        (Reply("Hel", Cut()), ProviderUnavailable, 3),
    ):
        upstream.always = fault
        for _ in range(times):
            with pytest.raises(error):
                await said(engine, FIRST)

    with pytest.raises(ProviderUnavailable, match="left alone"):
        await said(engine, FIRST)


async def test_a_provider_that_was_changed_begins_anew(upstream: Upstream, other: Upstream, make: MakeEngine) -> None:
    engine = make()
    await fail(engine, upstream)

    engine.put("first", OpenAIProvider("first", other.base_url, KEY))

    assert await said(engine) == ("first", "Second")


# ---------------------------------------------------------------- so many at once


async def asked(engine: Engine, upstream: Upstream, *targets: Target) -> tuple[Gate, "asyncio.Task[tuple[str, str]]"]:
    """A call that is being answered."""
    upstream.will(Reply(gate := Gate(), "First"))
    asking = asyncio.ensure_future(said(engine, *targets))
    await gate.reached.wait()
    return gate, asking


async def test_more_calls_than_a_provider_takes_wait(upstream: Upstream, make: MakeEngine) -> None:
    engine = make(calls_at_once=1)
    gate, asking = await asked(engine, upstream, FIRST)
    waiting = [asyncio.ensure_future(said(engine, FIRST)) for _ in range(2)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(upstream.calls) == 1

    gate.open()

    assert [who for who, _ in await asyncio.gather(asking, *waiting)] == ["first"] * 3
    assert len(upstream.calls) == 3


async def test_another_is_asked_rather_than_waited(upstream: Upstream, make: MakeEngine) -> None:
    engine = make(calls_at_once=1)
    gate, asking = await asked(engine, upstream)

    assert await said(engine) == ("second", "Second")
    gate.open()
    assert await asking == ("first", "First")


async def test_waiting_has_an_end(upstream: Upstream, make: MakeEngine) -> None:
    engine = make(calls_at_once=1, turn_seconds=0.02)
    gate, asking = await asked(engine, upstream, FIRST)

    with pytest.raises(ProviderRateLimited, match=r"as many calls as it may be sent for 0\.02 seconds"):
        await said(engine, FIRST)

    gate.open()
    await asking
    assert len(upstream.calls) == 1


async def test_not_everybody_may_wait(upstream: Upstream, make: MakeEngine) -> None:
    engine = make(calls_at_once=1)
    gate, asking = await asked(engine, upstream, FIRST)
    waiting = [asyncio.ensure_future(said(engine, FIRST)) for _ in range(4)]
    await asyncio.sleep(0)

    with pytest.raises(ProviderRateLimited, match="enough others wait"):
        await said(engine, FIRST)

    gate.open()
    await asyncio.gather(asking, *waiting)


async def test_who_leaves_while_waiting_takes_no_place(upstream: Upstream, make: MakeEngine) -> None:
    engine = make(calls_at_once=1)
    gate, asking = await asked(engine, upstream, FIRST)
    leaving = asyncio.ensure_future(said(engine, FIRST))
    staying = asyncio.ensure_future(said(engine, FIRST))
    await asyncio.sleep(0)

    leaving.cancel()
    gate.open()

    assert [who for who, _ in await asyncio.gather(asking, staying)] == ["first"] * 2
    assert len(upstream.calls) == 2


async def test_leaving_an_answer_makes_room(upstream: Upstream, make: MakeEngine) -> None:
    engine = make(calls_at_once=1)
    upstream.will(Reply("Fir", Gate()), Reply("First"))

    async with aclosing(engine.listen([FIRST], QUESTION, stream=True)) as packets:
        await anext(packets)

    assert await said(engine, FIRST) == ("first", "First")
