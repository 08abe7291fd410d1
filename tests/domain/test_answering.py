"""What an answer used is known however it ended."""

from contextlib import aclosing
from dataclasses import replace

import pytest

from domain.agents import Tool
from domain.answering import Answering, Returned
from engine import ChatRequest, Engine, Message, Packet
from engine.events import End, EndReason, Text, ToolCall, Usage
from engine.targets import Target
from engine.testing import ScriptedProvider, Step
from errors import ProviderUnavailable

CALL: list[Step] = [Text("Wait."), ToolCall("call_1", "look", "{}"), Usage(100, 10), End(EndReason.TOOL_CALLS)]
QUESTION = ChatRequest(model="scripted-1", messages=(Message.user("What is it?"),))


async def look(arguments: object) -> str:
    return "It is a long text, " * 100


def answering(*scripts: list[Step], asked: ChatRequest = QUESTION) -> Answering:
    tool = Tool("look", "Looks.", {}, look)
    engine = Engine({"scripted": ScriptedProvider(*scripts)})
    return Answering(engine, [Target("scripted", "scripted-1")], asked, {"look": tool}, stream=True)


async def listened(answer: Answering) -> None:
    async with aclosing(answer.steps()) as steps:
        async for _ in steps:
            pass


async def test_all_that_was_told_is_added_up() -> None:
    answer = answering([*CALL], [Text("A text."), Usage(300, 3), End(EndReason.STOP)])

    await listened(answer)

    assert answer.used(has_failed=False) == Usage(400, 13)


async def test_a_round_that_was_left_is_estimated_beside_the_others() -> None:
    answer = answering([*CALL], [Text("A text."), Usage(300, 3), End(EndReason.STOP)])

    async with aclosing(answer.steps()) as steps:
        async for step in steps:
            if answer.rounds == 2 and isinstance(step, Packet):
                break

    used = answer.used(has_failed=False)
    assert used.estimated
    assert used.input_tokens > 100 + len("It is a long text, " * 100) // 4
    assert 10 < used.output_tokens < 20


async def test_a_round_that_failed_before_it_said_anything_used_nothing() -> None:
    answer = answering([*CALL], [ProviderUnavailable("scripted", "is away")])

    with pytest.raises(ProviderUnavailable):
        await listened(answer)

    assert answer.used(has_failed=True) == Usage(100, 10)


async def test_each_of_several_answers_is_estimated() -> None:
    used: list[Usage] = []
    for extra in ({}, {"n": 5}):
        answer = answering([Text("A text."), End(EndReason.STOP)], asked=replace(QUESTION, extra=extra))
        await listened(answer)
        used.append(answer.used(has_failed=False))

    one, five = used
    assert five.estimated
    assert five.output_tokens == 5 * one.output_tokens > 0


@pytest.mark.parametrize(
    ("arguments", "failed"), [("[1]", True), ("5", True), ("{", True), ("null", False), ("", False)]
)
async def test_a_tool_hears_of_objects_alone(arguments: str, failed: bool) -> None:
    call = ToolCall("call_1", "look", arguments)
    answer = answering([call, Usage(1, 1), End(EndReason.TOOL_CALLS)], [Text("Yes."), End(EndReason.STOP)])

    await listened(answer)

    [returned] = [said for said in answer.said if isinstance(said, Returned)]
    assert returned.failed is failed
