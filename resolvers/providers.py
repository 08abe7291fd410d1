from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import strawberry
from strawberry import UNSET

import models
from domain import catalog
from domain.catalog import NewModel
from domain.providers import ProviderWire
from resolvers.context import Info


@strawberry.input(description="A provider to set up.")
class CreateProviderInput:
    name: str = strawberry.field(description="A name of your own for it, up to 64 characters.")
    wire: ProviderWire = strawberry.field(default=ProviderWire.OPENAI, description="The protocol it speaks.")
    base_url: str | None = strawberry.field(
        default=None,
        description="Its address, such as `https://api.openai.com/v1`. Protocols with one vendor know it.",
    )
    credential: str | None = strawberry.field(
        default=None, description="Its key. It is kept sealed, sent to this address alone, and never shown again."
    )
    calls_at_once: int | None = strawberry.field(
        default=None,
        description="How many calls each process of the server sends it at once, 1 to 10,000. Others wait for up to"
        " half a minute, unless another model of a route can answer. Null is without a limit.",
    )


@strawberry.input(description="What to change of a provider. What is left out stays.")
class UpdateProviderInput:
    id: strawberry.ID = strawberry.field(description="The provider.")
    name: str | None = strawberry.field(default=UNSET, description="Its name from now on.")
    base_url: str | None = strawberry.field(
        default=UNSET, description="Its address from now on. At another host the credential has to be given anew."
    )
    credential: str | None = strawberry.field(default=UNSET, description="Its key from now on; null for none.")
    calls_at_once: int | None = strawberry.field(
        default=UNSET, description="How many calls it is sent at once from now on; null for any number."
    )


@strawberry.input(description="A provider to delete, with its models.")
class DeleteProviderInput:
    id: strawberry.ID = strawberry.field(description="The provider.")


@strawberry.input(description="A provider to try.")
class TestProviderInput:
    id: strawberry.ID = strawberry.field(description="The provider.")


@strawberry.input(description="A model to offer. What is left out is taken from the catalog, if it knows the model.")
class CreateModelInput:
    provider_id: strawberry.ID = strawberry.field(description="Who runs it.")
    name: str = strawberry.field(description="What the provider calls it.")
    vendor: str | None = strawberry.field(default=None, description="Who made it.")
    context_window: int | None = strawberry.field(
        default=None, description="How many tokens question, history and answer may have together."
    )
    input_price: float | None = strawberry.field(
        default=None, description="US dollars for a million tokens read. Zero is a price."
    )
    output_price: float | None = strawberry.field(
        default=None, description="US dollars for a million tokens written. Zero is a price."
    )
    cached_price: float | None = strawberry.field(
        default=None,
        description="US dollars for a million tokens that the provider remembers from an earlier call. Zero is a price;"
        " nothing is the price of any other input.",
    )


@strawberry.input(description="What to change of a model. What is left out stays.")
class UpdateModelInput:
    id: strawberry.ID = strawberry.field(description="The model.")
    vendor: str | None = strawberry.field(default=UNSET, description="Who made it.")
    context_window: int | None = strawberry.field(
        default=UNSET, description="How many tokens question, history and answer may have together; null: not known."
    )
    input_price: float | None = strawberry.field(
        default=UNSET, description="US dollars for a million tokens read from now on; null: not known."
    )
    output_price: float | None = strawberry.field(
        default=UNSET, description="US dollars for a million tokens written from now on; null: not known."
    )
    cached_price: float | None = strawberry.field(
        default=UNSET,
        description="US dollars for a million tokens that the provider remembers, from now on; null: as any other"
        " input.",
    )


@strawberry.input(description="A model to delete.")
class DeleteModelInput:
    id: strawberry.ID = strawberry.field(description="The model.")


@strawberry.input(description="A model to answer when nobody chooses.")
class SetDefaultModelInput:
    id: strawberry.ID = strawberry.field(description="The model.")


@dataclass(frozen=True, slots=True)
class ProviderPayload:
    provider: models.Provider


@dataclass(frozen=True, slots=True)
class TestProviderPayload:
    provider: models.Provider
    model_names: list[str]


@dataclass(frozen=True, slots=True)
class ModelPayload:
    model: models.Model


@dataclass(frozen=True, slots=True)
class DeletePayload:
    deleted_id: UUID


async def create_provider(
    info: Info, input: Annotated[CreateProviderInput, strawberry.argument(description="The provider.")]
) -> ProviderPayload:
    made = await info.context.services.providers.create(
        info.context.principal,
        name=input.name,
        wire=input.wire,
        base_url=input.base_url,
        credential=input.credential,
        calls_at_once=input.calls_at_once,
    )
    return ProviderPayload(made)


async def update_provider(
    info: Info, input: Annotated[UpdateProviderInput, strawberry.argument(description="What to change.")]
) -> ProviderPayload:
    changes = _given(input, "name", "base_url", "credential", "calls_at_once")
    return ProviderPayload(await info.context.services.providers.update(info.context.principal, input.id, changes))


async def delete_provider(
    info: Info, input: Annotated[DeleteProviderInput, strawberry.argument(description="Which one.")]
) -> DeletePayload:
    return DeletePayload((await info.context.services.providers.delete(info.context.principal, input.id)).id)


async def test_provider(
    info: Info, input: Annotated[TestProviderInput, strawberry.argument(description="Which one.")]
) -> TestProviderPayload:
    return TestProviderPayload(*await info.context.services.providers.test(info.context.principal, input.id))


async def create_model(
    info: Info, input: Annotated[CreateModelInput, strawberry.argument(description="The model.")]
) -> ModelPayload:
    new = NewModel(
        input.name, input.vendor, input.context_window, input.input_price, input.output_price, input.cached_price
    )
    return ModelPayload(await catalog.add(info.context.principal, input.provider_id, new))


async def update_model(
    info: Info, input: Annotated[UpdateModelInput, strawberry.argument(description="What to change.")]
) -> ModelPayload:
    changes = _given(input, "vendor", "context_window", "input_price", "output_price", "cached_price")
    return ModelPayload(await catalog.update(info.context.principal, input.id, changes))


async def delete_model(
    info: Info, input: Annotated[DeleteModelInput, strawberry.argument(description="Which one.")]
) -> DeletePayload:
    return DeletePayload((await catalog.remove(info.context.principal, input.id)).id)


async def set_default_model(
    info: Info, input: Annotated[SetDefaultModelInput, strawberry.argument(description="Which one.")]
) -> ModelPayload:
    return ModelPayload(await catalog.make_default(info.context.principal, input.id))


def _given(input: object, *names: str) -> dict[str, object]:
    return {name: value for name in names if (value := getattr(input, name)) is not UNSET}
