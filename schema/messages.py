from enum import Enum
from typing import Annotated

import strawberry

from resolvers import messages as resolve
from schema.scalars import JSON


@strawberry.enum(description="Who says something.")
class MessageRole(Enum):
    USER = strawberry.enum_value("user", description="A person, or the program that asks.")
    ASSISTANT = strawberry.enum_value("assistant", description="The model.")
    SYSTEM = strawberry.enum_value("system", description="Instructions.")
    TOOL = strawberry.enum_value("tool", description="What a tool returned.")


@strawberry.type(description="Words for the reader.")
class TextPart:
    text: str = strawberry.field(description="The words.")

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return isinstance(value, resolve.Text)


@strawberry.type(description="What the model thought before it spoke.")
class ReasoningPart:
    text: str = strawberry.field(description="The thoughts.")

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return isinstance(value, resolve.Reasoning)


@strawberry.type(description="A tool the model called.")
class ToolCallPart:
    call_id: strawberry.ID = strawberry.field(description="Names the call within its message.")
    tool: str = strawberry.field(description="The tool's name.")
    arguments: JSON = strawberry.field(description="What it was called with.")

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return isinstance(value, resolve.ToolCall)


@strawberry.type(description="What a tool returned.")
class ToolResultPart:
    call_id: strawberry.ID = strawberry.field(description="The call it answers.")
    result: JSON | None = strawberry.field(description="The result.")

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return isinstance(value, resolve.ToolResult)


MessagePart = Annotated[
    TextPart | ReasoningPart | ToolCallPart | ToolResultPart,
    strawberry.union("MessagePart", description="One piece of a message."),
]
