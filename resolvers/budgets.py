from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import strawberry
from strawberry import UNSET

import models
from domain import budgets
from errors import NotFound
from models import BudgetPeriod
from resolvers.context import Info
from resolvers.pages import After, Before, First, Last, Page, PageArgs, page_of_rows
from resolvers.scalars import DateTime


@strawberry.input(description="A budget to set.")
class CreateBudgetInput:
    amount: float = strawberry.field(description="How many US dollars may be spent; 0 lets nothing in.")
    period: BudgetPeriod = strawberry.field(default=BudgetPeriod.MONTH, description="Over which time.")
    api_key_id: strawberry.ID | None = strawberry.field(
        default=None, description="Of this key alone; of the whole workspace when left out."
    )


@strawberry.input(description="What to change of a budget. What is left out stays.")
class UpdateBudgetInput:
    id: strawberry.ID = strawberry.field(description="The budget.")
    amount: float = strawberry.field(default=UNSET, description="How many US dollars may be spent.")
    reset: bool = strawberry.field(default=False, description="Begin anew, with nothing spent.")


@strawberry.input(description="A budget to delete.")
class DeleteBudgetInput:
    id: strawberry.ID = strawberry.field(description="The budget.")


@dataclass(frozen=True, slots=True)
class BudgetPayload:
    budget: models.Budget


@dataclass(frozen=True, slots=True)
class DeletePayload:
    deleted_id: UUID


async def budget_list(
    info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
) -> Page[models.Budget]:
    found = budgets.visible_to(info.context.principal)
    return await page_of_rows(found, PageArgs(first, after, last, before), newest_by="id")


async def create_budget(
    info: Info, input: Annotated[CreateBudgetInput, strawberry.argument(description="The budget.")]
) -> BudgetPayload:
    made = await info.context.services.budgets.create(
        info.context.principal, amount=input.amount, period=input.period, key_id=input.api_key_id
    )
    return BudgetPayload(made)


async def update_budget(
    info: Info, input: Annotated[UpdateBudgetInput, strawberry.argument(description="What to change.")]
) -> BudgetPayload:
    changes: dict[str, object] = {} if input.amount is UNSET else {"amount": input.amount}
    changed = await info.context.services.budgets.update(
        info.context.principal, input.id, changes | {"reset": input.reset}
    )
    return BudgetPayload(changed)


async def delete_budget(
    info: Info, input: Annotated[DeleteBudgetInput, strawberry.argument(description="Which one.")]
) -> DeletePayload:
    return DeletePayload((await info.context.services.budgets.delete(info.context.principal, input.id)).id)


def amount(root: strawberry.Parent[models.Budget]) -> float:
    return float(root.amount)


async def spent(root: strawberry.Parent[models.Budget], info: Info) -> float:
    return float((await _state(root, info)).spent)


async def held(root: strawberry.Parent[models.Budget], info: Info) -> float:
    return float((await _state(root, info)).held)


async def remaining(root: strawberry.Parent[models.Budget], info: Info) -> float:
    return float((await _state(root, info)).remaining)


async def started_at(root: strawberry.Parent[models.Budget], info: Info) -> DateTime:
    return (await _state(root, info)).started_at


async def ends_at(root: strawberry.Parent[models.Budget], info: Info) -> DateTime | None:
    return (await _state(root, info)).ends_at


async def _state(row: models.Budget, info: Info) -> budgets.State:
    found = await info.context.loaders.budget_state_by_id.load(row.id)
    if found is None:
        raise NotFound("budget", row.id)
    return found
