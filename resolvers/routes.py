from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import strawberry
from strawberry import UNSET

import models
from domain import routes as rules
from domain.routes import NewTarget
from resolvers.context import Info
from resolvers.pages import After, Before, First, Last, Page, PageArgs, page_of_rows


@strawberry.input(description="A model that answers under the route's name.")
class ModelRouteTargetInput:
    model_id: strawberry.ID = strawberry.field(description="The model.")
    tier: int = strawberry.field(
        default=0, description="The lowest tier is asked first, the next when none of it can answer: 0 to 9."
    )
    weight: int = strawberry.field(
        default=1, description="How often it is the first of its tier, in proportion to the others: 1 to 1,000."
    )


@strawberry.input(description="A route to make.")
class CreateModelRouteInput:
    name: str = strawberry.field(
        description="What is asked for, up to 256 characters. It goes before a model of the same name."
    )
    targets: list[ModelRouteTargetInput] = strawberry.field(description="Who answers: 1 to 20 models.")


@strawberry.input(description="What to change of a route. What is left out stays.")
class UpdateModelRouteInput:
    id: strawberry.ID = strawberry.field(description="The route.")
    name: str | None = strawberry.field(default=UNSET, description="What is asked for from now on.")
    targets: list[ModelRouteTargetInput] | None = strawberry.field(
        default=UNSET, description="All who answer from now on."
    )


@strawberry.input(description="A route to delete. Its models stay.")
class DeleteModelRouteInput:
    id: strawberry.ID = strawberry.field(description="The route.")


@dataclass(frozen=True, slots=True)
class ModelRoutePayload:
    model_route: models.ModelRoute


@dataclass(frozen=True, slots=True)
class DeletePayload:
    deleted_id: UUID


async def model_routes(
    info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
) -> Page[models.ModelRoute]:
    found = rules.visible_to(info.context.principal)
    return await page_of_rows(found, PageArgs(first, after, last, before), newest_by="id")


async def targets(root: strawberry.Parent[models.ModelRoute], info: Info) -> list[models.ModelRouteTarget]:
    return await info.context.loaders.targets_by_route_id.load(root.id)


async def model(root: strawberry.Parent[models.ModelRouteTarget], info: Info) -> models.Model | None:
    return await info.context.loaders.model_by_id.load(root.model_id)


async def create_model_route(
    info: Info, input: Annotated[CreateModelRouteInput, strawberry.argument(description="The route.")]
) -> ModelRoutePayload:
    return ModelRoutePayload(await rules.create(info.context.principal, input.name, _read(input.targets)))


async def update_model_route(
    info: Info, input: Annotated[UpdateModelRouteInput, strawberry.argument(description="What to change.")]
) -> ModelRoutePayload:
    row = await rules.update(
        info.context.principal,
        input.id,
        name=None if input.name is UNSET else input.name,
        targets=None if input.targets is UNSET or input.targets is None else _read(input.targets),
    )
    return ModelRoutePayload(row)


async def delete_model_route(
    info: Info, input: Annotated[DeleteModelRouteInput, strawberry.argument(description="Which one.")]
) -> DeletePayload:
    return DeletePayload((await rules.delete(info.context.principal, input.id)).id)


def _read(targets: Sequence[ModelRouteTargetInput]) -> list[NewTarget]:
    return [NewTarget(target.model_id, target.tier, target.weight) for target in targets]
