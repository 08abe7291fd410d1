from itertools import pairwise

import pytest
from hypothesis import given

from domain.gateways.parameters import Flag
from domain.preparing.history import (
    alternating,
    as_taken,
    without_media,
    without_stored_reasoning,
    without_system,
    without_thoughts,
    without_tool_calls,
)
from engine.chat import Message, Raw, Role, Spelling
from engine.events import ToolCall
from engine.wire import message_json
from tests.domain.preparing.saying import PICTURE, conversations, elsewhere

Messages = tuple[Message, ...]

CALL = ToolCall("call-1", "look", '{"at":"the sky"}')
STORED = {"reasoning_content": "hm", "reasoning_details": [{"type": "reasoning.text"}]}


@given(conversations())
def test_no_call_of_a_tool_is_left(said: Messages) -> None:
    taken = without_tool_calls(said)

    assert all(message.role is not Role.TOOL and not message.tool_calls for message in taken)
    assert "".join(m.text for m in said if m.role is not Role.TOOL) in "".join(
        message.text for message in taken if not message.text.startswith("The tool ")
    )


def test_calls_and_results_are_told_by_the_user() -> None:
    said = (
        Message.user("Look!"),
        Message.assistant("I look.", tool_calls=(CALL,)),
        Message.tool_result("call-1", "It is </result-00000000> blue."),
    )

    asked, looked, told = without_tool_calls(said)

    assert (asked.text, looked.text, looked.tool_calls) == ("Look!", "I look.", ())
    assert told.role is Role.USER
    assert told.text.startswith(
        'The tool look was called with {"at":"the sky"}. What it answered stands between <result-'
    )
    mark = told.text.splitlines()[-1]
    assert told.text.count(mark) == 2
    assert told.text.index("blue.") < told.text.rindex(mark)


@given(conversations())
def test_user_and_assistant_take_turns(said: Messages) -> None:
    turns = [message for message in alternating(without_tool_calls(said)) if message.role is not Role.SYSTEM]

    assert turns[0].role is Role.USER
    assert all(one.role is not other.role for one, other in pairwise(turns))


@given(conversations())
def test_taking_turns_loses_no_word(said: Messages) -> None:
    words = "".join(message.text for message in said)

    taken = "".join(message.text for message in alternating(said)).replace("\n\n", "")

    assert words.replace("\n\n", "") in taken.replace("(The conversation begins here.)", "", 1)


@given(conversations())
def test_the_system_speaks_as_the_user(said: Messages) -> None:
    taken = without_system(said)

    assert [m.text for m in taken] == [m.text for m in said]
    assert all(message.role is not Role.SYSTEM for message in taken)


def test_a_developer_does_too() -> None:
    [told] = without_system((Message(Role.SYSTEM, ("Be brief.",), extra={"role": "developer"}),))

    assert told == Message.user("Be brief.")


@given(conversations())
def test_no_picture_is_left(said: Messages) -> None:
    taken = without_media(said)

    assert all(isinstance(part, str) for message in taken for part in message.parts)
    assert [bool(m.parts) for m in taken] == [bool(m.parts) for m in said]


def test_a_message_that_was_a_picture_says_so() -> None:
    [seen] = without_media((Message.user(PICTURE),))

    assert seen.text == "(Something was attached here that cannot be shown to you.)"


def test_what_is_words_alone_is_written_as_one_text() -> None:
    """Servers of models that only read often take no list."""
    listed = Message(Role.USER, ("What is it?", PICTURE), spelling=Spelling.LISTED)

    assert [message_json(message) for message in without_media((listed,))] == [
        {"role": "user", "content": "What is it?"}
    ]


def test_a_text_with_a_mark_for_the_vendor_is_a_text() -> None:
    marked = Message.user(Raw({"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}))

    assert without_media((marked,)) == (marked,)


def test_earlier_thoughts_are_forgotten() -> None:
    said = (
        Message.user("<think>?</think>"),
        Message.assistant("<think>\nhm\n</think>\n\nYes."),
        Message.user("Sure?"),
        Message.assistant("<think>now</think>", tool_calls=(CALL,)),
        Message.tool_result("call-1", "blue"),
    )

    assert without_thoughts(said) == (said[0], Message.assistant("Yes."), *said[2:])


def test_stored_reasoning_is_not_handed_in_again() -> None:
    earlier = Message(Role.ASSISTANT, ("Yes.",), extra={**STORED, "name": "Ada"})
    said = (Message.user("Hi"), earlier, Message.user("Sure?"), Message(Role.ASSISTANT, ("…",), extra=STORED))

    taken = without_stored_reasoning(said)

    assert taken[1] == Message(Role.ASSISTANT, ("Yes.",), extra={"name": "Ada"})
    assert taken[3] is said[3]


@pytest.mark.parametrize(
    ("flags", "kept"),
    [
        ((), {"thoughts": False, "reasoning_content": False, "reasoning_details": False}),
        ((Flag.PRESERVE_THINKING_TOKENS,), {"thoughts": True, "reasoning_content": False, "reasoning_details": False}),
        ((Flag.INCLUDE_STORED_REASONING,), {"thoughts": False, "reasoning_content": True, "reasoning_details": True}),
        (
            (Flag.INCLUDE_STORED_REASONING, Flag.DISABLE_REASONING_DETAILS),
            {"thoughts": False, "reasoning_content": True, "reasoning_details": False},
        ),
    ],
)
def test_a_gateway_says_which_reasoning_is_read_again(flags: tuple[Flag, ...], kept: dict[str, bool]) -> None:
    earlier = Message(Role.ASSISTANT, ("<think>hm</think>Yes.",), extra=STORED)

    taken = as_taken((Message.user("Hi"), earlier, Message.user("Sure?")), elsewhere(flags=flags))[1]

    assert {"thoughts": "hm" in taken.text, **{name: name in taken.extra for name in STORED}} == kept


@given(conversations())
def test_all_flags_together_leave_words_that_take_turns(said: Messages) -> None:
    taken = as_taken(said, elsewhere(flags=tuple(Flag)))

    assert [message.role for message in taken] == [Role.USER, Role.ASSISTANT] * (len(taken) // 2) + [Role.USER] * (
        len(taken) % 2
    )
    assert as_taken(taken, elsewhere(flags=tuple(Flag))) == taken
