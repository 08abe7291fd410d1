"""Answers of models that do not answer as others do, whole and cut into pieces of any size."""

from hypothesis import given
from hypothesis import strategies as st

from domain.preparing.react import ReActReader
from domain.preparing.reading import DiffusedText, Reader, Reading
from domain.preparing.thoughts import ThoughtSplitter
from engine.events import End, EndReason, Event, Reasoning, Text, ToolCall, Usage
from engine.packets import Heard

CUTS = st.lists(st.integers(1, 7), min_size=1, max_size=60)

REACT = """Thought: I have to look
at the sky.
Action: look
Action Input: {"at": "the sky",
 "how": "up"}
Observation: It is green.
Final Answer: green"""


def through(reader: Reader, text: str, cuts: list[int]) -> list[tuple[str, str]]:
    """What is read, joined where pieces follow pieces of their kind."""
    events: list[Event] = []
    place = 0
    while place < len(text):
        length = cuts[place % len(cuts)]
        events += reader.feed(text[place : place + length])
        place += length
    read: list[tuple[str, str]] = []
    for event in [*events, *reader.end()]:
        name = type(event).__name__
        said = event.arguments if isinstance(event, ToolCall) else event.text  # type: ignore[union-attr]  # one of three
        if read and read[-1][0] == name != "ToolCall":
            read[-1] = (name, read[-1][1] + said)
        else:
            read.append((name, said))
    return read


@given(CUTS)
def test_thinking_is_told_from_saying(cuts: list[int]) -> None:
    text = "<think>\nIs 1 < 2?\n</think>\n\nYes: 1 < 2. <think>Sure?</think> Sure </thin"

    assert through(ThoughtSplitter(), text, cuts) == [
        ("Reasoning", "Is 1 < 2?\n"),
        ("Text", "Yes: 1 < 2. "),
        ("Reasoning", "Sure?"),
        ("Text", "Sure </thin"),
    ]


@given(CUTS)
def test_a_thought_that_was_begun_for_the_model_is_one(cuts: list[int]) -> None:
    assert through(ThoughtSplitter(is_thinking=True), "hm</think>Yes.", cuts) == [("Reasoning", "hm"), ("Text", "Yes.")]


@given(st.text(alphabet="<>/think a", max_size=60), CUTS)
def test_cuts_change_nothing_about_thoughts(text: str, cuts: list[int]) -> None:
    whole = through(ThoughtSplitter(), text, [len(text) + 1])

    assert through(ThoughtSplitter(), text, cuts) == whole


def test_words_are_not_held_back() -> None:
    splitter = ThoughtSplitter()

    assert splitter.feed("Yes, <") == [Text("Yes, ")]
    assert splitter.feed("b>") == [Text("<b>")]


@given(CUTS)
def test_an_action_is_a_call_and_nothing_is_believed_after_it(cuts: list[int]) -> None:
    assert through(ReActReader(), REACT, cuts) == [
        ("Reasoning", "I have to look\nat the sky.\n"),
        ("ToolCall", '{"at": "the sky",\n "how": "up"}'),
    ]


@given(CUTS)
def test_a_final_answer_is_the_text(cuts: list[int]) -> None:
    said = "**Thought:** I know.\n**Final Answer:** Blue,\nAction: paint it\nObservation: nothing"

    assert through(ReActReader(), said, cuts) == [
        ("Reasoning", "I know.\n"),
        ("Text", "Blue,\nAction: paint it\nObservation: nothing"),
    ]


@given(CUTS)
def test_words_without_a_label_are_the_text(cuts: list[int]) -> None:
    assert through(ReActReader(), "The sky\nis Action-blue.", cuts) == [("Text", "The sky\nis Action-blue.")]


@given(st.text(alphabet="Action: Input\n{}", max_size=80), CUTS)
def test_cuts_change_nothing_about_actions(text: str, cuts: list[int]) -> None:
    whole = through(ReActReader(), text, [len(text) + 1])

    assert through(ReActReader(), text, cuts) == whole


def test_an_action_may_have_no_arguments_and_be_none() -> None:
    called = ReActReader(lambda: "call_1")

    assert [*called.feed("Action: `now`\n"), *called.end()] == [ToolCall("call_1", "now", "{}")]
    assert through(ReActReader(), "Action: None\nFinal Answer: Hi", [80]) == [("Text", "Hi")]


def test_several_actions_are_several_calls() -> None:
    said = 'Action: a\nAction Input: ```json\n{"x": 1}\n```\nAction: b\nAction Input: {}\n'

    assert through(ReActReader(), said, [200]) == [("ToolCall", '{"x": 1}'), ("ToolCall", "{}")]


# ---------------------------------------------------------------- whole answers


def read(reading: Reading, *events: Event) -> list[Event | None]:
    return [event for heard in reading.read([Heard(b"x", [each]) for each in events]) for event in heard.events]


def test_an_answer_that_ends_with_an_action_ends_to_call() -> None:
    reading = Reading([ThoughtSplitter(), ReActReader(lambda: "call_1")])

    events = read(reading, Text("<think>hm</think>Action: lo"), Text("ok"), Usage(3, 4), End(EndReason.STOP))

    assert events == [Reasoning("hm"), Usage(3, 4), ToolCall("call_1", "look", "{}"), End(EndReason.TOOL_CALLS)]


def test_only_the_last_version_of_a_text_counts() -> None:
    events = read(Reading([DiffusedText()]), Text("bl__"), Text("b_ue"), Text("blue"), End(EndReason.STOP))

    assert events == [Text("blue"), End(EndReason.STOP)]


def test_what_it_was_begun_and_ended_with_is_part_of_the_answer() -> None:
    said: list[Event] = [Text('{"a":'), Text("1}\n"), End(EndReason.STOP)]

    framed = read(Reading([], prefill="```json\n", stop="```"), *said)

    assert framed == [Text('```json\n{"a":'), Text("1}\n"), Text("```"), End(EndReason.STOP)]
    assert said[0] == Text('{"a":')


def test_an_answer_that_was_cut_has_no_end() -> None:
    events = read(Reading([], prefill="A", stop="."), Text("B"), End(EndReason.LENGTH))

    assert events == [Text("AB"), End(EndReason.LENGTH)]


def test_an_end_that_was_written_is_not_written_twice() -> None:
    events = read(Reading([], stop="END"), Text("the E"), Text("ND"), End(EndReason.STOP))

    assert events == [Text("the E"), Text("ND"), End(EndReason.STOP)]


def test_a_call_has_no_frame() -> None:
    call = ToolCall("c", "look", "{}")

    assert read(Reading([], prefill="A", stop="."), call, End(EndReason.TOOL_CALLS)) == [
        call,
        End(EndReason.TOOL_CALLS),
    ]


def test_no_block_is_fit_to_be_passed_on() -> None:
    [heard] = Reading([]).read([Heard(b'{"choices":[]}', [None, Text("x")])])

    assert (heard.block, heard.events) == (b"", [None, Text("x")])
