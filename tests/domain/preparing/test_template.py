from hypothesis import given
from hypothesis import strategies as st

from domain.preparing.template import applied
from engine.chat import Message, Raw, Role
from tests.domain.preparing.saying import PICTURE, conversations, request


def test_each_question_is_put_into_the_words_of_the_gateway() -> None:
    said = request(
        Message.system("{prompt}"), Message.user("One"), Message.assistant("1"), Message.user("Two", PICTURE)
    )

    written = applied(said, "Translate «{prompt}» into Greek, and nothing but «{prompt}».")

    assert [message.text for message in written.messages] == [
        "{prompt}",
        "Translate «One» into Greek, and nothing but «One».",
        "1",
        "Translate «Two» into Greek, and nothing but «Two».",
    ]
    assert written.messages[-1].parts[-1] is PICTURE
    assert applied(request(Message.user(PICTURE, "One")), "<{prompt}>").messages[0].parts == (PICTURE, "<One>")


def test_a_text_with_a_mark_for_the_vendor_is_text() -> None:
    marked = Raw({"type": "text", "text": "One", "cache_control": {"type": "ephemeral"}})

    assert applied(request(Message.user(marked)), "«{prompt}»").messages == (Message.user("«One»"),)


def test_a_question_may_speak_of_templates() -> None:
    assert applied(request(Message.user("{prompt} {0}")), "<{prompt}>").messages[0].text == "<{prompt} {0}>"


@given(conversations(), st.text(max_size=20), st.text(max_size=20))
def test_nobody_else_is_put_into_words(said: tuple[Message, ...], before: str, after: str) -> None:
    written = applied(request(*said), f"{before}{{prompt}}{after}").messages

    assert [(m.role, m) for m in written if m.role is not Role.USER] == [
        (m.role, m) for m in said if m.role is not Role.USER
    ]
    assert len(written) == len(said)
