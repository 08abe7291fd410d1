"""What was said, made up at random and by hand, for tests."""

from hypothesis import strategies as st

from domain.gateways.parameters import INTEGRATED, Parameters
from engine.chat import ChatRequest, Image, Message, Role
from engine.events import ToolCall

__all__ = ["at_home", "conversations", "elsewhere", "request"]

PICTURE = Image("data:image/png;base64,iVBORw0KGgo=")


def request(*messages: Message, **fields: object) -> ChatRequest:
    return ChatRequest(model="scripted-1", messages=messages or (Message.user("Hi"),), **fields)  # type: ignore[arg-type]  # whatever a test wants


def at_home(**fields: object) -> Parameters:
    """A gateway whose model is one of the platform's."""
    return Parameters(INTEGRATED, "scripted-1", **fields)  # type: ignore[arg-type]  # whatever a test wants


def elsewhere(**fields: object) -> Parameters:
    """A gateway with an address of its own."""
    return Parameters("https://models.example/v1", "their-model", **fields)  # type: ignore[arg-type]  # whatever a test wants


_texts = st.text(max_size=40)


@st.composite
def _calls(draw: st.DrawFn) -> list[Message]:
    """A call of one or more tools, with what each answered."""
    ids = [f"call-{draw(st.integers(0, 10**9))}-{number}" for number in range(draw(st.integers(1, 3)))]
    asked = Message.assistant(draw(_texts), tool_calls=tuple(ToolCall(id, "look", draw(_texts)) for id in ids))
    return [asked, *(Message.tool_result(id, draw(_texts)) for id in ids)]


def conversations() -> st.SearchStrategy[tuple[Message, ...]]:
    """Of any order; there is at least one question in it."""
    exchange = st.one_of(
        st.builds(lambda text: [Message.system(text)], _texts),
        st.builds(lambda text: [Message.user(text)], _texts),
        st.builds(lambda text: [Message.user(text, PICTURE)], _texts),
        st.builds(lambda text: [Message.assistant(text)], _texts),
        _calls(),
    )
    many = st.lists(exchange, min_size=1, max_size=12)
    return many.map(lambda lists: tuple(message for each in lists for message in each)).filter(
        lambda messages: any(message.role is Role.USER for message in messages)
    )
