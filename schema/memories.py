import strawberry

import models
from domain.identity import Scope
from models import MemoryFormat
from resolvers import memories as resolve
from schema.access import root_field
from schema.nodes import Connection, Node
from schema.scalars import DateTime


@strawberry.type(
    description="A fact about somebody who talks with an agent, kept across conversations until it expires. Models"
    " write them, when their gateway lets them remember."
)
class Memory(Node):
    external_user: str = strawberry.field(description="Who it is about, in your own words.")
    format: MemoryFormat = strawberry.field(description="What it holds.")
    content: str = strawberry.field(description="The fact, up to 10,000 bytes.")
    gateway_id: strawberry.ID | None = strawberry.field(description="The gateway it was told to.")
    created_at: DateTime = strawberry.field(description="When it was saved.")
    expires_at: DateTime = strawberry.field(description="When it is forgotten: a year after it was saved at most.")
    preview = strawberry.field(resolver=resolve.preview, graphql_type=str, description="The beginning of the content.")

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return isinstance(value, models.Memory)


@strawberry.type(description="What is forgotten.")
class DeleteMemoriesPayload:
    deleted_count: int = strawberry.field(description="How many there were.")
    external_user: str = strawberry.field(description="Who they were about.")
    format: MemoryFormat = strawberry.field(description="What they held.")


@strawberry.type
class MemoryQueries:
    memory = root_field(resolve.memory, Memory, needs=Scope.MEMORIES_READ, description="One memory.")
    memories = root_field(
        resolve.memories,
        Connection[Memory],
        needs=Scope.MEMORIES_READ,
        description="The memories that have not expired, newest first.",
    )


@strawberry.type
class MemoryMutations:
    delete_memories = root_field(
        resolve.delete_memories,
        DeleteMemoriesPayload,
        needs=Scope.MEMORIES_WRITE,
        description="Forget a memory, or all of one person in one format.",
    )
