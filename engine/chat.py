"""What we ask a model, whoever the vendor is, and what every vendor's provider looks like."""

from base64 import b64encode
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, Self

from engine.events import ToolCall
from engine.packets import Heard

__all__ = [
    "AnswerShape",
    "Audio",
    "ChatProvider",
    "ChatRequest",
    "FilePart",
    "Image",
    "Message",
    "Part",
    "Raw",
    "Role",
    "Spelling",
    "Tool",
    "Video",
]


class Role(StrEnum):
    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


# Below, `wire` is how a caller wrote something in OpenAI's JSON, where that says more than our fields do. It is sent on
# as it is to providers that speak this wire, so whoever changes such a value makes a new one without it.


@dataclass(frozen=True, slots=True)
class Image:
    """A picture by address, which may be a `data:` URL."""

    url: str
    wire: Mapping[str, object] | None = None

    @classmethod
    def of(cls, content: bytes, media_type: str) -> Self:
        return cls(f"data:{media_type};base64,{b64encode(content).decode()}")


@dataclass(frozen=True, slots=True)
class Audio:
    """A sound: its base64, or its address."""

    data: str
    format: str
    wire: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Video:
    """A film by address, which may be a `data:` URL."""

    url: str
    wire: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class FilePart:
    """A document, as a `data:` URL or by address."""

    data: str
    name: str | None = None
    wire: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Raw:
    """A part that we have no word for, or a text with more to it than the text."""

    wire: Mapping[str, object]

    @property
    def text(self) -> str:
        text = self.wire.get("text")
        return text if isinstance(text, str) else ""


Part = str | Image | Audio | Video | FilePart | Raw


class Spelling(StrEnum):
    """How the content of a message is written, where there are several ways."""

    # One string wherever possible: not every server takes a list.
    PLAIN = "plain"
    LISTED = "listed"
    # Not at all, which is not the same as null everywhere.
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Message:
    role: Role
    parts: tuple[Part, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    # The call that this message of role TOOL answers.
    answers_call: str | None = None
    # Whatever else belongs to it, in OpenAI's words; the fields here win over it.
    extra: Mapping[str, object] = field(default_factory=dict)
    spelling: Spelling = Spelling.PLAIN

    @classmethod
    def system(cls, text: str) -> Self:
        return cls(Role.SYSTEM, (text,))

    @classmethod
    def user(cls, *parts: Part) -> Self:
        return cls(Role.USER, parts)

    @classmethod
    def assistant(cls, text: str = "", *, tool_calls: tuple[ToolCall, ...] = ()) -> Self:
        return cls(Role.ASSISTANT, (text,) if text else (), tool_calls)

    @classmethod
    def tool_result(cls, call_id: str, text: str) -> Self:
        return cls(Role.TOOL, (text,), answers_call=call_id)

    @property
    def text(self) -> str:
        return "".join(
            part if isinstance(part, str) else part.text for part in self.parts if isinstance(part, str | Raw)
        )


@dataclass(frozen=True, slots=True)
class Tool:
    """Something the model may call; `parameters` is a JSON schema.

    Of a tool that is no function, only the wire says more than its name.
    """

    name: str
    description: str = ""
    parameters: Mapping[str, object] = field(default_factory=lambda: {"type": "object", "properties": {}})
    strict: bool | None = None
    kind: str = "function"
    wire: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class AnswerShape:
    """The JSON schema that the whole answer must follow.

    Strict is a vendor's guarantee that costs freedom: OpenAI then refuses optional fields and open objects.
    """

    schema: Mapping[str, object]
    name: str = "answer"
    strict: bool = False
    wire: Mapping[str, object] | None = None


# No vendor gives more to one question.
_MOST_ANSWERS = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """What is None is left to the vendor."""

    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    # In OpenAI's words: "auto", "none", "required", or an object.
    tool_choice: str | Mapping[str, object] | None = None
    # A schema, or another `response_format` in OpenAI's words, such as `{"type": "json_object"}`.
    answer_shape: AnswerShape | Mapping[str, object] | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    # What its author called that limit, where it matters: "max_tokens" or "max_completion_tokens".
    max_tokens_name: str | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    # Whatever else the vendor understands, in the vendor's words; the fields above win over it.
    extra: Mapping[str, object] = field(default_factory=dict)

    @property
    def answers(self) -> int:
        """How many answers are asked for, each of which is paid."""
        several = self.extra.get("n")
        return min(several, _MOST_ANSWERS) if isinstance(several, int) and several > 1 else 1


class ChatProvider(Protocol):
    def listen(self, request: ChatRequest, *, stream: bool) -> AsyncGenerator[list[Heard], None]:
        """The answer, as much at a time as came in one read from the network; `End` is its last event.

        Closing the generator, or cancelling whoever waits for it, closes the connection to the vendor at once.
        Failures are `ProviderFailed` or a child of it; patience and second attempts are the engine's business.
        """
        ...

    async def models(self) -> list[str]:
        """The names of the models on offer; the cheapest question that needs a working address and key."""
        ...

    async def close(self) -> None: ...
