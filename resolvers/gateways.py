from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import strawberry
from strawberry import UNSET

import models
from domain.gateways import rows as rules
from domain.gateways.parameters import Parameters
from resolvers.context import Info
from resolvers.pages import After, Before, First, Last, Offset, Page, PageArgs, page_of_rows
from resolvers.parameters import ParametersChanges, ParametersInput
from resolvers.records import given


@strawberry.input(description="A gateway to make.")
class CreateGatewayInput:
    name: str = strawberry.field(description="Its name, up to 256 characters; its slug is made of it.")
    parameters: ParametersInput = strawberry.field(description="How it answers.")


@strawberry.input(description="What to change of a gateway. What is left out stays.")
class UpdateGatewayInput:
    id: strawberry.ID = strawberry.field(description="The gateway.")
    name: str | None = strawberry.field(default=UNSET, description="Its name from now on, of which its slug is made.")
    parameters: ParametersChanges | None = strawberry.field(
        default=UNSET,
        description="What to change. A parameter that is given takes the place of the one there was as a whole, lists"
        " and objects too; null puts it back to what it is when nobody says.",
    )


@strawberry.input(description="A gateway to delete.")
class DeleteGatewayInput:
    id: strawberry.ID = strawberry.field(description="The gateway.")


@dataclass(frozen=True, slots=True)
class GatewayPayload:
    gateway: models.Gateway


@dataclass(frozen=True, slots=True)
class DeleteGatewayPayload:
    deleted_id: UUID


async def gateway(
    info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The gateway.")]
) -> models.Gateway:
    return await info.context.services.gateways.find(info.context.principal, id)


async def gateways(
    info: Info,
    first: First = None,
    after: After = None,
    last: Last = None,
    before: Before = None,
    offset: Offset = None,
    filter: Annotated[
        str | None,
        strawberry.argument(
            description="Only those with this text in their name, their model's name or their slug, or of this id."
        ),
    ] = None,
) -> Page[models.Gateway]:
    found = rules.matching(info.context.principal, filter)
    return await page_of_rows(found, PageArgs(first, after, last, before, offset), newest_by="id")


async def create_gateway(
    info: Info, input: Annotated[CreateGatewayInput, strawberry.argument(description="The gateway.")]
) -> GatewayPayload:
    made = await info.context.services.gateways.create(info.context.principal, input.name, given(input.parameters))
    return GatewayPayload(made)


async def update_gateway(
    info: Info, input: Annotated[UpdateGatewayInput, strawberry.argument(description="What to change.")]
) -> GatewayPayload:
    changed = await info.context.services.gateways.update(
        info.context.principal,
        input.id,
        # Null is no name either.
        name=None if input.name is UNSET else input.name or "",
        parameters=given(input.parameters) if input.parameters else None,
    )
    return GatewayPayload(changed)


async def delete_gateway(
    info: Info, input: Annotated[DeleteGatewayInput, strawberry.argument(description="Which one.")]
) -> DeleteGatewayPayload:
    return DeleteGatewayPayload((await info.context.services.gateways.delete(info.context.principal, input.id)).id)


def parameters(root: strawberry.Parent[models.Gateway]) -> Parameters:
    return rules.parameters_of(root)
