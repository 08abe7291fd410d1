import strawberry

import models
from domain.identity import Scope
from models import BudgetPeriod
from resolvers import budgets as resolve
from schema.access import root_field
from schema.nodes import Connection, Node
from schema.scalars import DateTime


@strawberry.type(
    description="How much a workspace or one of its keys may spend. Each call is let in only when what it may cost can"
    " be put aside in all budgets it is paid from, in whichever process it comes; else it is refused with the code"
    " `budget_exceeded`."
)
class Budget(Node):
    api_key_id: strawberry.ID | None = strawberry.field(description="The key it is of; null for the whole workspace.")
    period: BudgetPeriod = strawberry.field(description="Over which time it counts.")
    amount = strawberry.field(resolver=resolve.amount, description="US dollars that may be spent in the period.")
    spent = strawberry.field(resolver=resolve.spent, description="US dollars spent in this period.")
    held = strawberry.field(
        resolver=resolve.held, description="US dollars put aside for calls that run, or may come any moment."
    )
    remaining = strawberry.field(
        resolver=resolve.remaining, description="US dollars left in this period, with those put aside."
    )
    started_at = strawberry.field(resolver=resolve.started_at, description="When this period began.")
    ends_at = strawberry.field(
        resolver=resolve.ends_at, description="When the next period begins, with nothing spent; null for all time."
    )
    created_at: DateTime = strawberry.field(description="When it was made.")

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return isinstance(value, models.Budget)


@strawberry.type(description="The budget as it is now.")
class BudgetPayload:
    budget: Budget = strawberry.field(description="The budget.")


@strawberry.type(description="What is no longer there.")
class DeleteBudgetPayload:
    deleted_id: strawberry.ID = strawberry.field(description="Its id.")


@strawberry.type
class BudgetQueries:
    budgets = root_field(
        resolve.budget_list,
        Connection[Budget],
        needs=Scope.WORKSPACE_READ,
        description="The budgets of the workspace and of its keys, newest first.",
    )


@strawberry.type
class BudgetMutations:
    create_budget = root_field(
        resolve.create_budget,
        BudgetPayload,
        needs=Scope.BUDGETS_WRITE,
        description="Set a budget: one of each period for the workspace, and one of each for every key. What was spent"
        " before does not count.",
    )
    update_budget = root_field(
        resolve.update_budget, BudgetPayload, needs=Scope.BUDGETS_WRITE, description="Change a budget, at once."
    )
    delete_budget = root_field(
        resolve.delete_budget,
        DeleteBudgetPayload,
        needs=Scope.BUDGETS_WRITE,
        description="Delete a budget: from now on it limits nobody.",
    )
