import strawberry

from domain.identity import Scope
from resolvers import catalog_entries as resolve
from schema.access import root_field
from schema.catalog import CatalogEntry, Model
from schema.service import Sampling


@strawberry.type(description="A vendor of the catalog.")
class CatalogVendor:
    name: str = strawberry.field(description="Its name, for example `OpenAI`.")
    model_count: int = strawberry.field(description="How many models it offers.")


@strawberry.type(description="What models read and write.")
class CatalogModality:
    name: str = strawberry.field(description="`text`, `image`, `audio`, `video` or `pdf`.")
    model_count: int = strawberry.field(description="How many entries of the catalog read or write it.")


@strawberry.type(description="How much the catalog knows.")
class CatalogStatus:
    vendor_count: int = strawberry.field(description="How many vendors.")
    model_count: int = strawberry.field(description="How many models, whoever offers them.")
    deployment_count: int = strawberry.field(description="How many entries: models, once for each vendor.")
    price_count: int = strawberry.field(description="How many entries have a price.")
    top_vendors: list[CatalogVendor] = strawberry.field(description="The ten who offer most.")


@strawberry.type(description="What answers when nobody chose.")
class CurrentModel:
    provider: str = strawberry.field(description="The name of its provider.")
    name: str = strawberry.field(description="What the provider calls it.")
    sampling: Sampling = strawberry.field(description="How answers are drawn when nobody says otherwise.")
    model: Model | None = strawberry.field(description="The workspace's model; null when none can be reached.")
    entry = strawberry.field(
        resolver=resolve.entry_of_current,
        graphql_type=CatalogEntry | None,
        description="What the catalog knows of it; null when that is nothing.",
    )


@strawberry.type
class CatalogEntryQueries:
    catalog_status = root_field(
        resolve.catalog_status, CatalogStatus, needs=Scope.MODELS_READ, description="How much the catalog knows."
    )
    catalog_vendors = root_field(
        resolve.catalog_vendors,
        list[CatalogVendor],
        needs=Scope.MODELS_READ,
        description="The vendors of the catalog, by name.",
    )
    catalog_modalities = root_field(
        resolve.catalog_modalities,
        list[CatalogModality],
        needs=Scope.MODELS_READ,
        description="What the models of the catalog read and write, by name.",
    )
    catalog_models = root_field(
        resolve.catalog_models,
        list[CatalogEntry],
        needs=Scope.MODELS_READ,
        description="Models that vendors offer, the newest first; whether they are set up here or not.",
    )
    current_model = root_field(
        resolve.current_model, CurrentModel, needs=Scope.MODELS_READ, description="What answers when nobody chose."
    )
