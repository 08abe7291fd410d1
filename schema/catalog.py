import strawberry

import models
from domain.identity import Scope
from resolvers import catalog as resolve
from schema.access import root_field
from schema.nodes import Connection, Node
from schema.scalars import DateTime


@strawberry.type(description="Who runs models, and how it is spoken to.")
class Provider(Node):
    name: str = strawberry.field(description="The name it is configured under.")
    wire: str = strawberry.field(description="The protocol it speaks, for example `openai`.")
    base_url: str = strawberry.field(description="Its address.")
    created_at: DateTime = strawberry.field(description="When it was first configured.")

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return isinstance(value, models.Provider)


@strawberry.type(description="A model that can answer.")
class Model(Node):
    name: str = strawberry.field(description="What the provider calls it.")
    vendor: str = strawberry.field(description="Who made it.")
    context_window: int | None = strawberry.field(
        description="How many tokens question, history and answer may have together."
    )
    input_price: float | None = strawberry.field(
        description="US dollars for a million tokens read; null when not known."
    )
    output_price: float | None = strawberry.field(
        description="US dollars for a million tokens written; null when not known."
    )
    is_default: bool = strawberry.field(description="Whether it answers when nobody chose.")
    provider = strawberry.field(resolver=resolve.provider, graphql_type=Provider | None, description="Who runs it.")

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return isinstance(value, models.Model)


@strawberry.type
class CatalogQueries:
    models = root_field(
        resolve.models_,
        Connection[Model],
        needs=Scope.MODELS_READ,
        description="The models of this workspace, newest first.",
    )
