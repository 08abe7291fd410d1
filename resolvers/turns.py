from dataclasses import dataclass
from typing import Annotated, Any  # Tool arguments are open JSON.

import strawberry

import models
from domain.agents import Knowledge, QueryStrategy
from domain.retrieval import MOST_RESULTS
from domain.turns import Ask
from domain.turns.events import ToolCalled, TurnFailed, TurnFinished, TurnStarted
from errors import Invalid
from resolvers.context import Info
from resolvers.messages import readable


@strawberry.input(description="What to make when no conversation is named.")
class NewConversationInput:
    external_user: str | None = strawberry.field(
        default=None, description="The user of your application it belongs to, unless `externalUser` says so already."
    )


@strawberry.input(description="What the model may look up for its answer.")
class KnowledgeInput:
    collection_ids: list[strawberry.ID] = strawberry.field(description="The collections to search.")
    strategy: QueryStrategy = strawberry.field(default=QueryStrategy.PLAIN, description="What is searched for.")
    top: int = strawberry.field(default=5, description="How many chunks at most, up to 128.")
    min_score: float = strawberry.field(default=0.2, description="The least score of a chunk, between 0 and 1.")
    include_references: bool = strawberry.field(
        default=False, description="Whether documents that share a chunk's reference come with it."
    )
    describe_metadata: bool = strawberry.field(
        default=False, description="Whether the model reads the documents' metadata as well."
    )


@strawberry.input(description="A question, and where it is asked.")
class ReplyInput:
    text: str = strawberry.field(description="The question.")
    conversation_id: strawberry.ID | None = strawberry.field(
        default=None, description="The conversation to go on with; a new one begins when left out."
    )
    after_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="Ask after this message instead of the last one: a new branch grows there, and nothing is lost.",
    )
    external_user: str | None = strawberry.field(
        default=None, description="The user of your application who asks; another user's conversation is refused."
    )
    new_conversation: NewConversationInput | None = strawberry.field(
        default=None, description="What to make when no conversation is named."
    )
    model_id: strawberry.ID | None = strawberry.field(
        default=None, description="The model to ask; the conversation's, or the default one, when left out."
    )
    gateway: strawberry.ID | None = strawberry.field(
        default=None,
        description="A gateway, by its id or slug, to ask instead of a model: with all that it is told and may do.",
    )
    knowledge: KnowledgeInput | None = strawberry.field(
        default=None, description="What to look up first; nothing when left out, or what the gateway has."
    )


@strawberry.input(description="A turn to stop.")
class CancelTurnInput:
    id: strawberry.ID = strawberry.field(description="The turn.")


@dataclass(frozen=True, slots=True)
class ReplyPayload:
    turn: models.Turn
    conversation: models.Conversation
    answer: models.Message | None


@dataclass(frozen=True, slots=True)
class TurnPayload:
    turn: models.Turn


Reply = Annotated[ReplyInput, strawberry.argument(description="The question.")]


async def reply(info: Info, input: Reply) -> ReplyPayload:
    outcome = await info.context.services.turns.reply(info.context.principal, ask_of(input, "chat", stream=False))
    return ReplyPayload(outcome.turn, outcome.conversation, outcome.answer)


async def start_turn(info: Info, input: Reply) -> TurnPayload:
    return TurnPayload(
        await info.context.services.turns.start(info.context.principal, ask_of(input, "chat", stream=True))
    )


async def cancel_turn(
    info: Info, input: Annotated[CancelTurnInput, strawberry.argument(description="Which one.")]
) -> TurnPayload:
    return TurnPayload(await info.context.services.turns.cancel(info.context.principal, input.id))


async def turn(info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The turn.")]) -> models.Turn:
    return await info.context.services.turns.find(info.context.principal, id)


def ask_of(input: ReplyInput, action: str, *, stream: bool) -> Ask:
    return Ask(
        text=input.text,
        conversation_id=input.conversation_id,
        after_id=input.after_id,
        external_user=input.external_user,
        new_conversation_user=input.new_conversation.external_user if input.new_conversation else None,
        model_id=input.model_id,
        gateway=input.gateway,
        action=action,
        knowledge=_knowledge(input.knowledge) if input.knowledge else None,
        stream=stream,
    )


def _knowledge(input: KnowledgeInput) -> Knowledge:
    if not 1 <= input.top <= MOST_RESULTS:
        raise Invalid("knowledge.top", f"must be between 1 and {MOST_RESULTS}")
    if not 0 <= input.min_score <= 1:
        raise Invalid("knowledge.minScore", "must be between 0 and 1")
    return Knowledge(
        tuple(input.collection_ids),
        input.strategy,
        top=input.top,
        min_score=input.min_score,
        include_references=input.include_references,
        describe_metadata=input.describe_metadata,
    )


# ---------------------------------------------------------------- fields


@dataclass(frozen=True, slots=True)
class TurnError:
    code: str
    message: str


async def conversation(root: strawberry.Parent[models.Turn], info: Info) -> models.Conversation | None:
    return await info.context.loaders.conversation_by_id.load(root.conversation_id)


async def question(root: strawberry.Parent[models.Turn], info: Info) -> models.Message | None:
    return await info.context.loaders.message_by_id.load(root.question_id)


async def answer(root: strawberry.Parent[models.Turn], info: Info) -> models.Message | None:
    if root.status is models.TurnStatus.RUNNING:
        return None
    return await info.context.loaders.message_by_id.load(root.answer_id)


async def model(root: strawberry.Parent[models.Turn], info: Info) -> models.Model | None:
    return await info.context.loaders.model_by_id.load(root.model_id) if root.model_id else None


async def usage(root: strawberry.Parent[models.Turn], info: Info) -> models.UsageRecord | None:
    return await info.context.loaders.usage_by_turn_id.load(root.id)


def error(root: strawberry.Parent[models.Turn]) -> TurnError | None:
    if root.error_code is None:
        return None
    return TurnError(root.error_code, root.error_message or "")


# ---------------------------------------------------------------- events


async def event_turn(
    root: strawberry.Parent[TurnStarted | TurnFinished | TurnFailed], info: Info
) -> models.Turn | None:
    outcome = getattr(root, "outcome", None)
    if outcome is not None:
        return outcome.turn  # type: ignore[no-any-return]  # a started turn has no outcome to be typed
    id = models.parse_id(root.turn_id)
    return await info.context.loaders.turn_by_id.load(id) if id else None


async def event_answer(root: strawberry.Parent[TurnFinished | TurnFailed], info: Info) -> models.Message | None:
    """Rows at hand for who reads along, read again for who comes later."""
    if root.outcome is not None:
        return root.outcome.answer
    id = models.parse_id(root.answer_id)
    return await info.context.loaders.message_by_id.load(id) if id else None


def call_arguments(root: strawberry.Parent[ToolCalled]) -> Any:
    return readable(root.arguments)
