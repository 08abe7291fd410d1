from typing import TYPE_CHECKING, Annotated

import strawberry

import models
from domain.identity import Scope
from resolvers import conversations as resolve
from resolvers import messages as resolve_messages
from resolvers import search as resolve_search
from schema.access import root_field
from schema.catalog import Model
from schema.messages import MessagePart, MessageRole
from schema.nodes import Connection, Node
from schema.scalars import JSON, DateTime

if TYPE_CHECKING:
    from schema.search import Retrieval
    from schema.turns import Turn

# Messages, conversations and turns lead to each other, so the way back is told by name.
AMessage = Annotated["Message", strawberry.lazy("schema.conversations")]
AConversation = Annotated["Conversation", strawberry.lazy("schema.conversations")]
ARetrieval = Annotated["Retrieval", strawberry.lazy("schema.search")]
ATurn = Annotated["Turn", strawberry.lazy("schema.turns")]


@strawberry.type(
    description="One utterance. Messages form a tree: asking again makes a sibling, nothing is overwritten."
)
class Message(Node):
    role: MessageRole = strawberry.field(description="Who said it.")
    text: str = strawberry.field(description="Its text parts, joined.")
    parts = strawberry.field(
        resolver=resolve_messages.parts, graphql_type=list[MessagePart], description="All of it, in the order it came."
    )
    created_at: DateTime = strawberry.field(description="When it was said; for an answer, when it was complete.")
    conversation = strawberry.field(
        resolver=resolve.message_conversation, graphql_type=AConversation | None, description="Where it was said."
    )
    parent = strawberry.field(
        resolver=resolve.message_parent, graphql_type=AMessage | None, description="What it follows."
    )
    siblings = strawberry.field(
        resolver=resolve.message_siblings,
        graphql_type=list[AMessage],
        description="What else was said in its place.",
    )
    turn = strawberry.field(
        resolver=resolve.message_turn, graphql_type=ATurn | None, description="The turn that asked or made it."
    )
    sources = strawberry.field(
        resolver=resolve_search.message_sources,
        graphql_type=list[ARetrieval],
        description="What the model was given from the workspace's knowledge to make it, the best first.",
    )

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return isinstance(value, models.Message)


@strawberry.type(description="A thread of messages between a person and a model.")
class Conversation(Node):
    title: str | None = strawberry.field(description="Its name: what it was given, or how its first question begins.")
    external_user: str | None = strawberry.field(description="The user of your application it belongs to.")
    metadata: JSON = strawberry.field(description="What your application keeps with it.")
    message_count: int = strawberry.field(description="How many messages the current branch has.")
    created_at: DateTime = strawberry.field(description="When it began.")
    last_activity_at: DateTime = strawberry.field(description="When it was last answered.")
    last_response_ms: float | None = strawberry.field(description="How long the last answer took, in milliseconds.")
    model = strawberry.field(
        resolver=resolve.model, graphql_type=Model | None, description="The model that answers in it."
    )
    messages = strawberry.field(
        resolver=resolve.messages,
        graphql_type=Connection[Message],
        description="The messages of the current branch, or of the one that ends in `leaf`, oldest first.",
    )
    running_turn = strawberry.field(
        resolver=resolve.running_turn,
        graphql_type=ATurn | None,
        description="The answer that is being made in it now.",
    )

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return isinstance(value, models.Conversation)


@strawberry.type(description="The conversation as it is now.")
class ConversationPayload:
    conversation: Conversation = strawberry.field(description="The conversation.")


@strawberry.type(description="What is gone.")
class DeleteConversationPayload:
    deleted_id: strawberry.ID = strawberry.field(description="The id it had.")


@strawberry.type
class ConversationQueries:
    conversation = root_field(
        resolve.conversation,
        Conversation,
        needs=Scope.CONVERSATIONS_READ,
        description="One conversation.",
    )
    conversations = root_field(
        resolve.conversations,
        Connection[Conversation],
        needs=Scope.CONVERSATIONS_READ,
        description="Conversations, the last active first.",
    )


@strawberry.type
class ConversationMutations:
    create_conversation = root_field(
        resolve.create_conversation,
        ConversationPayload,
        needs=Scope.CONVERSATIONS_WRITE,
        description="Begin an empty conversation. `reply` begins one by itself.",
    )
    rename_conversation = root_field(
        resolve.rename_conversation,
        ConversationPayload,
        needs=Scope.CONVERSATIONS_WRITE,
        description="Give a conversation another title.",
    )
    delete_conversation = root_field(
        resolve.delete_conversation,
        DeleteConversationPayload,
        needs=Scope.CONVERSATIONS_WRITE,
        description="Delete a conversation and its messages. What they cost stays in the statistics.",
    )
