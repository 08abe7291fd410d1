"""What we ask a model, whoever the vendor is, and what every vendor's provider looks like."""

from base64 import b64encode
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, Self

from engine.events import Event, ToolCall

__all__ = ["AnswerShape", "ChatProvider", "ChatRequest", "Image", "Message", "Part", "Role", "Tool"]


class Role(StrEnum):
    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@dataclass(frozen=True, slots=True)
class Image:
    """A picture by address, which may be a `data:` URL."""

    url: str

    @classmethod
    def of(cls, content: bytes, media_type: str) -> Self:
        return cls(f"data:{media_type};base64,{b64encode(content).decode()}")


Part = str | Image


@dataclass(frozen=True, slots=True)
class Message:
    role: Role
    parts: tuple[Part, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    # The call that this message of role TOOL answers.
    answers_call: str | None = None

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
        return "".join(part for part in self.parts if isinstance(part, str))


@dataclass(frozen=True, slots=True)
class Tool:
    """Something the model may call; `parameters` is a JSON schema."""

    name: str
    description: str = ""
    parameters: Mapping[str, object] = field(default_factory=lambda: {"type": "object", "properties": {}})


@dataclass(frozen=True, slots=True)
class AnswerShape:
    """The JSON schema that the whole answer must follow.

    Strict is a vendor's guarantee that costs freedom: OpenAI then refuses optional fields and open objects.
    """

    schema: Mapping[str, object]
    name: str = "answer"
    strict: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """What is None is left to the vendor."""

    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    # "auto", "none", "required" or the name of a tool.
    tool_choice: str | None = None
    answer_shape: AnswerShape | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    # Whatever else the vendor understands, in the vendor's words; the fields above win over it.
    extra: Mapping[str, object] = field(default_factory=dict)


class ChatProvider(Protocol):
    def chat(self, request: ChatRequest, *, stream: bool) -> AsyncGenerator[Event | None, None]:
        """The answer as events, `End` last. None is a sign of life: a piece of something that is not whole yet.

        Closing the generator, or cancelling whoever waits for it, closes the connection to the vendor at once.
        Failures are `ProviderFailed` or a child of it; patience and second attempts are the engine's business.
        """
        ...

    async def models(self) -> list[str]:
        """The names of the models on offer; the cheapest question that needs a working address and key."""
        ...

    async def close(self) -> None: ...
