import strawberry

from domain.identity import Scope
from resolvers import completions as resolve
from schema.access import root_field, root_subscription
from schema.scalars import ChatCompletion, ChatCompletionChunk, DateTime
from subscriptions import completions as subscribe


@strawberry.type(description="A name that can be asked: a gateway's id, a model route, or a model that is set up.")
class OfferedModel:
    name: str = strawberry.field(description="What to give as `model`.")
    owner: str = strawberry.field(description="Whose it is: your account, or the model's vendor.")
    created_at: DateTime = strawberry.field(description="Since when it can be asked.")
    created_seconds: int = strawberry.field(description="The same in seconds since 1970, as OpenAI's clients read it.")


@strawberry.type(description="A whole answer.")
class CompletionPayload:
    id: strawberry.ID = strawberry.field(description="Names the call in the usage.")
    model: str = strawberry.field(description="The model that answered.")
    text: str = strawberry.field(description="What it said.")
    body: ChatCompletion = strawberry.field(description="The answer as OpenAI's clients read it, with what it cost.")
    complexity: str | None = strawberry.field(
        description="`low`, `medium` or `high`, when the gateway chose the model by it."
    )


@strawberry.type(description="A piece of an answer.")
class CompletionChunks:
    chunks: list[ChatCompletionChunk] = strawberry.field(
        description="As OpenAI's clients read them; several when they came together. The last one has the usage."
    )


@strawberry.type
class CompletionQueries:
    offered_models = root_field(
        resolve.offered_models,
        list[OfferedModel],
        needs=Scope.MODELS_READ,
        description="Everything that can be asked by name: at most 10,000, gateways first, the newest first.",
    )


@strawberry.type
class CompletionMutations:
    complete = root_field(
        resolve.complete,
        CompletionPayload,
        needs=Scope.CONVERSATIONS_WRITE,
        description="Ask with the whole conversation in hand and wait for the answer. Leaving stops it."
        " The conversation is kept when the workspace allows it.",
    )


@strawberry.type
class CompletionSubscriptions:
    complete = root_subscription(
        subscribe.complete,
        CompletionChunks,
        needs=Scope.CONVERSATIONS_WRITE,
        description="Ask with the whole conversation in hand and watch the answer being made. Leaving stops it.",
    )
