from datetime import date

import strawberry

import models
from domain.identity import Scope
from domain.providers import ProviderWire
from resolvers import catalog as resolve
from resolvers import catalog_entries as resolve_entry
from schema.access import root_field
from schema.nodes import Connection, Node
from schema.scalars import DateTime


@strawberry.type(description="Who runs models, and how it is spoken to.")
class Provider(Node):
    name: str = strawberry.field(description="The name it is configured under.")
    wire = strawberry.field(resolver=resolve.wire, graphql_type=ProviderWire, description="The protocol it speaks.")
    base_url: str = strawberry.field(description="Its address.")
    from_environment: bool = strawberry.field(
        description="Whether the operator set it up, in the environment of the server. It is changed there alone."
    )
    has_credential = strawberry.field(
        resolver=resolve.has_credential,
        graphql_type=bool,
        description="Whether a credential is kept for it here. It is sent to this address alone, and never shown.",
    )
    calls_at_once: int | None = strawberry.field(
        description="How many calls each process of the server sends it at once; null is without a limit."
    )
    created_at: DateTime = strawberry.field(description="When it was first configured.")

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return isinstance(value, models.Provider)


@strawberry.type(description="Where a fact of the catalog is from.")
class CatalogSource:
    name: str = strawberry.field(description="The package, and its version.")
    as_of: date = strawberry.field(description="The day on which that version was published.")


@strawberry.type(description="A model as one vendor offers it.")
class CatalogEntry:
    name: str = strawberry.field(description="What the vendor calls it.")
    title: str = strawberry.field(description="Its name for people.")
    vendor: str = strawberry.field(description="Who offers it.")
    context_window: int = strawberry.field(
        description="How many tokens question, history and answer may have together; 0 where none are counted."
    )
    input_modalities: list[str] = strawberry.field(description="What it reads: `text`, `image`, `pdf`, …")
    output_modalities: list[str] = strawberry.field(description="What it writes.")
    modalities: list[str] = strawberry.field(description="What it reads or writes.")
    released_on: date | None = strawberry.field(description="When it came out.")
    is_disabled: bool = strawberry.field(description="Whether its vendor has given it up.")
    input_price: float | None = strawberry.field(
        description="US dollars for a million tokens read; null when not known."
    )
    output_price: float | None = strawberry.field(
        description="US dollars for a million tokens written; null when not known."
    )
    cached_price: float | None = strawberry.field(
        description="US dollars for a million tokens that the provider remembers from an earlier call; null for the"
        " price of any other input."
    )
    source: CatalogSource = strawberry.field(description="Who says so.")
    price_source: CatalogSource | None = strawberry.field(description="Who says what it costs.")


@strawberry.type(description="A model that can answer.")
class Model(Node):
    name: str = strawberry.field(description="What the provider calls it.")
    tag = strawberry.field(
        resolver=resolve.tag, graphql_type=str, description="What to ask for it by: `@openai/gpt-5-mini`."
    )
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
    cached_price: float | None = strawberry.field(
        description="US dollars for a million tokens that the provider remembers from an earlier call; null for the"
        " price of any other input."
    )
    is_default: bool = strawberry.field(description="Whether it answers when nobody chose.")
    provider = strawberry.field(resolver=resolve.provider, graphql_type=Provider | None, description="Who runs it.")
    entry = strawberry.field(
        resolver=resolve_entry.entry,
        graphql_type=CatalogEntry | None,
        description="What the catalog knows of it; null when that is nothing.",
    )

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
    providers = root_field(
        resolve.providers_,
        Connection[Provider],
        needs=Scope.MODELS_READ,
        description="The providers of this workspace, newest first.",
    )
