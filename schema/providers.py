import strawberry

from domain.identity import Scope
from resolvers import providers as resolve
from schema.access import root_field
from schema.catalog import Model, Provider


@strawberry.type(description="The provider as it is now.")
class ProviderPayload:
    provider: Provider = strawberry.field(description="The provider.")


@strawberry.type(description="What a provider said when it was tried.")
class TestProviderPayload:
    provider: Provider = strawberry.field(description="The provider.")
    model_names: list[str] = strawberry.field(description="What it says it offers.")


@strawberry.type(description="What is no longer there.")
class DeleteProviderPayload:
    deleted_id: strawberry.ID = strawberry.field(description="Its id.")


@strawberry.type(description="What is no longer there.")
class DeleteModelPayload:
    deleted_id: strawberry.ID = strawberry.field(description="Its id.")


@strawberry.type(description="The model as it is now.")
class ModelPayload:
    model: Model = strawberry.field(description="The model.")


@strawberry.type
class ProviderMutations:
    create_provider = root_field(
        resolve.create_provider, ProviderPayload, needs=Scope.MODELS_WRITE, description="Set up a provider."
    )
    update_provider = root_field(
        resolve.update_provider,
        ProviderPayload,
        needs=Scope.MODELS_WRITE,
        description="Change a provider; in every process, from the next question on.",
    )
    delete_provider = root_field(
        resolve.delete_provider,
        DeleteProviderPayload,
        needs=Scope.MODELS_WRITE,
        description="Delete a provider and its models. What they have answered stays.",
    )
    test_provider = root_field(
        resolve.test_provider,
        TestProviderPayload,
        needs=Scope.MODELS_WRITE,
        description="Ask a provider what it offers, which takes a good address and a good key.",
    )
    create_model = root_field(
        resolve.create_model, ModelPayload, needs=Scope.MODELS_WRITE, description="Offer a model of a provider."
    )
    update_model = root_field(
        resolve.update_model, ModelPayload, needs=Scope.MODELS_WRITE, description="Change a model."
    )
    delete_model = root_field(
        resolve.delete_model,
        DeleteModelPayload,
        needs=Scope.MODELS_WRITE,
        description="Delete a model. What it has answered stays, and what it cost.",
    )
    set_default_model = root_field(
        resolve.set_default_model,
        ModelPayload,
        needs=Scope.MODELS_WRITE,
        description="Let a model answer when nobody chooses. It stays so when the server starts again, unless it is one"
        " of the operator's provider: then the model in the environment takes its place again.",
    )
