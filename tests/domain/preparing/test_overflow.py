import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.gateways.parameters import ContextOverflow
from domain.preparing.overflow import fit, size, truncated
from engine.chat import Message, Raw, Role
from engine.events import ToolCall
from errors import ContextFull
from tests.domain.preparing.saying import PICTURE, conversations

rooms = st.integers(0, 400)


@given(conversations(), rooms)
def test_calls_and_their_results_go_together(said: tuple[Message, ...], room: int) -> None:
    kept = truncated(said, room)

    called = {call.id for message in kept for call in message.tool_calls}
    answered = {message.answers_call for message in kept if message.role is Role.TOOL}
    assert called == answered


@given(conversations(), rooms)
def test_the_newest_question_and_the_last_word_stay(said: tuple[Message, ...], room: int) -> None:
    kept = truncated(said, room)

    assert kept[-1] is said[-1]
    newest = [message for message in said if message.role is Role.USER][-1]
    assert any(message is newest for message in kept)


@given(conversations(), rooms)
def test_system_texts_stay_and_the_order_with_them(said: tuple[Message, ...], room: int) -> None:
    kept = truncated(said, room)

    assert [m for m in kept if m.role is Role.SYSTEM] == [m for m in said if m.role is Role.SYSTEM]
    places = [next(place for place, each in enumerate(said) if each is message) for message in kept]
    assert places == sorted(places)


@given(conversations(), rooms)
def test_it_fits_or_is_refused(said: tuple[Message, ...], room: int) -> None:
    try:
        kept = fit(said, room, ContextOverflow.TRUNCATE)
    except ContextFull:
        least = truncated(said, 0)
        assert sum(map(size, least)) > room
    else:
        assert sum(map(size, kept)) <= room


@given(conversations(), rooms)
def test_nothing_goes_without_need(said: tuple[Message, ...], room: int) -> None:
    kept = truncated(said, room)

    assert (kept == said) == (sum(map(size, said)) <= room or truncated(said, 0) == said)


def test_the_oldest_goes_first() -> None:
    said = [Message.system("Be brief."), *(Message.user(f"question {n}") for n in range(5))]

    kept = truncated(said, 9 + 3 * 10)

    assert [message.text for message in kept] == ["Be brief.", "question 2", "question 3", "question 4"]


def test_an_answer_does_not_begin_what_is_left() -> None:
    said = [Message.user("one"), Message.assistant("1"), Message.user("two"), Message.assistant("2")]

    assert truncated(said, 5) == (said[2], said[3])


def test_a_running_exchange_loses_its_oldest_calls_first() -> None:
    def call(id: str) -> list[Message]:
        return [Message.assistant(tool_calls=(ToolCall(id, "look", "{}"),)), Message.tool_result(id, "x" * 20)]

    said = [Message.user("Look!"), *call("a"), *call("b")]

    assert truncated(said, 40) == (said[0], said[3], said[4])


def test_a_picture_counts_for_something_and_a_marked_text_for_its_length() -> None:
    assert size(Message.user("Look", PICTURE)) == 3_004
    assert size(Message.user(Raw({"type": "text", "text": "Look", "cache_control": {}}))) == 4
    assert size(Message.assistant("Hm", tool_calls=(ToolCall("a", "look", "{}"),))) == 8


def test_throwing_tells_how_much_there_is() -> None:
    with pytest.raises(ContextFull, match="have about 11 tokens, and this gateway takes 10"):
        fit([Message.user("x" * 41)], 40, ContextOverflow.THROW)


def test_what_fits_exactly_passes() -> None:
    said = (Message.user("x" * 40),)

    assert fit(said, 40, ContextOverflow.THROW) == said
