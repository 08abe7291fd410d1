import strawberry

import models
from domain.identity import Scope
from domain.turns import events
from resolvers import turns as resolve
from schema.access import root_field, root_subscription
from schema.catalog import Model
from schema.conversations import Conversation, Message
from schema.nodes import Node
from schema.scalars import JSON, DateTime
from schema.usage import Usage
from subscriptions import turns as subscribe


@strawberry.type(description="Why a turn failed.")
class TurnError:
    code: str = strawberry.field(description="The kind of failure, from the one list of error codes.")
    message: str = strawberry.field(description="What happened, in a sentence.")


@strawberry.type(description="One answer being made, or made.")
class Turn(Node):
    status: models.TurnStatus = strawberry.field(description="How far it is.")
    answer_id: strawberry.ID = strawberry.field(description="The id that the answer has, or will have, as a message.")
    provider_name: str = strawberry.field(description="Who was asked.")
    model_name: str = strawberry.field(description="Which model was asked.")
    last_sequence: int = strawberry.field(description="The number of its last saved event.")
    started_at: DateTime = strawberry.field(description="When the question came.")
    first_token_at: DateTime | None = strawberry.field(description="When the first piece of the answer came.")
    finished_at: DateTime | None = strawberry.field(description="When it ended, however it ended.")
    response_ms: float | None = strawberry.field(description="How long the model took, in milliseconds.")
    error = strawberry.field(resolver=resolve.error, graphql_type=TurnError | None, description="Why it failed.")
    conversation = strawberry.field(
        resolver=resolve.conversation, graphql_type=Conversation | None, description="Where it was asked."
    )
    question = strawberry.field(resolver=resolve.question, graphql_type=Message | None, description="What was asked.")
    answer = strawberry.field(
        resolver=resolve.answer,
        graphql_type=Message | None,
        description="What was answered, also when it was cut short; null while it runs, or when nothing was said.",
    )
    model = strawberry.field(resolver=resolve.model, graphql_type=Model | None, description="Which model was asked.")
    usage = strawberry.field(resolver=resolve.usage, graphql_type=Usage | None, description="What it used.")

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return isinstance(value, models.Turn)


@strawberry.interface(description="Something that happened in a turn. Numbers begin at 1 and have no gaps.")
class TurnEvent:
    turn_id: strawberry.ID = strawberry.field(description="The turn.")
    conversation_id: strawberry.ID = strawberry.field(description="The conversation it belongs to.")
    answer_id: strawberry.ID = strawberry.field(description="The id that the answer has, or will have, as a message.")
    sequence: int = strawberry.field(description="The event's number: pass it as `after` to go on from here.")
    at: DateTime = strawberry.field(description="When it happened.")

    @classmethod
    def resolve_type(cls, value: object, _info: object, _kind: object) -> str:
        # Events are named alike on both sides; asking each type in turn would cost more than the token.
        return type(value).__name__


@strawberry.type(description="The question is saved and the model is being asked.")
class TurnStarted(TurnEvent):
    turn = strawberry.field(resolver=resolve.event_turn, graphql_type=Turn | None, description="The turn.")

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return isinstance(value, events.TurnStarted)


@strawberry.type(
    description="A piece of the answer. A reader that lags gets several pieces as one, numbered like the last of them."
)
class TextAdded(TurnEvent):
    text: str = strawberry.field(description="The piece, to be appended.")

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return isinstance(value, events.TextAdded)


@strawberry.type(description="A piece of what the model thinks before it speaks.")
class ReasoningAdded(TurnEvent):
    text: str = strawberry.field(description="The piece, to be appended.")

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return isinstance(value, events.ReasoningAdded)


@strawberry.type(description="The model called a tool.")
class ToolCalled(TurnEvent):
    call_id: strawberry.ID = strawberry.field(description="Names the call within its turn.")
    tool: str = strawberry.field(description="The tool's name.")

    arguments = strawberry.field(
        resolver=resolve.call_arguments, graphql_type=JSON, description="What it is called with."
    )

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return isinstance(value, events.ToolCalled)


@strawberry.type(description="A tool returned.")
class ToolReturned(TurnEvent):
    call_id: strawberry.ID = strawberry.field(description="The call it answers.")
    result: JSON | None = strawberry.field(description="The result, as the model is told it.")

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return isinstance(value, events.ToolReturned)


@strawberry.type(description="The last event: the answer is complete, or was cancelled, and is saved.")
class TurnFinished(TurnEvent):
    turn = strawberry.field(resolver=resolve.event_turn, graphql_type=Turn | None, description="The turn as it ended.")
    answer = strawberry.field(
        resolver=resolve.event_answer, graphql_type=Message | None, description="The whole answer."
    )

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return isinstance(value, events.TurnFinished)


@strawberry.type(description="The last event: the answer could not be completed. What was said until then is saved.")
class TurnFailed(TurnEvent):
    turn = strawberry.field(resolver=resolve.event_turn, graphql_type=Turn | None, description="The turn, and why.")
    answer = strawberry.field(
        resolver=resolve.event_answer, graphql_type=Message | None, description="What was said until then."
    )

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return isinstance(value, events.TurnFailed)


# What a subscription may yield; the interface alone would not bring these types into the schema.
TURN_EVENTS = [TurnStarted, TextAdded, ReasoningAdded, ToolCalled, ToolReturned, TurnFinished, TurnFailed]


@strawberry.type(description="The whole answer.")
class ReplyPayload:
    turn: Turn = strawberry.field(description="How it was made.")
    conversation: Conversation = strawberry.field(description="Where it was asked.")
    answer: Message | None = strawberry.field(description="The answer.")


@strawberry.type(description="The turn as it is now.")
class TurnPayload:
    turn: Turn = strawberry.field(description="The turn.")


@strawberry.type
class TurnQueries:
    turn = root_field(resolve.turn, Turn, needs=Scope.CONVERSATIONS_READ, description="One turn.")


@strawberry.type
class TurnMutations:
    reply = root_field(
        resolve.reply,
        ReplyPayload,
        needs=Scope.CONVERSATIONS_WRITE,
        description="Ask and wait for the whole answer. Leaving stops it. To watch it, subscribe to `reply`.",
    )
    start_turn = root_field(
        resolve.start_turn,
        TurnPayload,
        needs=Scope.CONVERSATIONS_WRITE,
        description="Ask and return at once. Follow the answer with the subscription `turn`.",
    )
    cancel_turn = root_field(
        resolve.cancel_turn,
        TurnPayload,
        needs=Scope.CONVERSATIONS_WRITE,
        description="Stop an answer, keep what was said, and return when it has stopped. Twice is as good as once.",
    )


@strawberry.type
class TurnSubscriptions:
    reply = root_subscription(
        subscribe.reply,
        TurnEvent,
        needs=Scope.CONVERSATIONS_WRITE,
        description="Ask and watch the answer being made.",
    )
    turn = root_subscription(
        subscribe.turn,
        TurnEvent,
        needs=Scope.CONVERSATIONS_READ,
        description="Watch an answer from any event on, wherever it is made, and for two days after it has ended.",
    )
