"""Budgets: what a workspace, or one of its keys, may spend in all, in a day or in a month.

How calls are let in against them is in `holds`; how their costs get here is in `billing`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any  # Changes are of any column's type.
from uuid import UUID

from tortoise.exceptions import IntegrityError
from tortoise.expressions import Q
from tortoise.queryset import QuerySet

import models
from domain.billing import PERIOD_STARTED, SPENT
from domain.holds import CHANGED, Holds
from domain.identity import Principal
from domain.usage import SMALLEST
from errors import Conflict, Invalid, NotFound
from models.database import connection, transaction

__all__ = ["Budgets", "State", "balance", "find", "states", "visible_to"]

_MOST_DOLLARS = 100_000_000


def visible_to(principal: Principal) -> QuerySet[models.Budget]:
    return models.Budget.filter(workspace_id=principal.workspace_id)


async def find(principal: Principal, budget_id: str) -> models.Budget:
    id = models.parse_id(budget_id)
    row = await visible_to(principal).get_or_none(id=id) if id else None
    if row is None:
        raise NotFound("budget", budget_id)
    return row


class Budgets:
    """`holds` is what this process holds of them: it learns of a change at once, and not when it hears itself."""

    def __init__(self, holds: Holds) -> None:
        self._holds = holds

    async def create(
        self, principal: Principal, *, amount: float, period: models.BudgetPeriod, key_id: str | None = None
    ) -> models.Budget:
        """What was spent before it was made does not count."""
        row = models.Budget(workspace_id=principal.workspace_id, amount=_check_amount(amount), period=period)
        if key_id is not None:
            row.api_key_id = await _find_key(principal, key_id)
        try:
            async with transaction():
                await row.save(force_create=True)
                await _announce(principal)
        except IntegrityError as exc:
            whose = "This workspace" if key_id is None else "This key"
            raise Conflict(f"{whose} has a budget of this period already: change that one") from exc
        self._forget(principal)
        return row

    async def update(self, principal: Principal, budget_id: str, changes: Mapping[str, Any]) -> models.Budget:
        """`changes` may hold an amount, and `reset` to begin anew with nothing spent."""
        async with transaction(), connection() as bare:
            row = await find(principal, budget_id)
            # Not by the row at hand: calls are being paid from it all the time.
            if "amount" in changes:
                amount = _check_amount(changes["amount"])
                await bare.execute("UPDATE budgets SET amount = $2 WHERE id = $1", row.id, amount)
            if changes.get("reset"):
                await bare.execute("UPDATE budgets SET spent = 0, period_started_at = now() WHERE id = $1", row.id)
            await _announce(principal)
            await row.refresh_from_db()
        self._forget(principal)
        return row

    async def delete(self, principal: Principal, budget_id: str) -> models.Budget:
        async with transaction():
            row = await find(principal, budget_id)
            await row.delete()
            await _announce(principal)
        self._forget(principal)
        return row

    def _forget(self, principal: Principal) -> None:
        self._holds.forget(str(principal.workspace_id))


@dataclass(frozen=True, slots=True)
class State:
    """How a budget stands by now: a period that is over is over, whether anybody has noticed or not."""

    spent: Decimal
    held: Decimal
    remaining: Decimal
    started_at: datetime
    ends_at: datetime | None


async def states(ids: Sequence[UUID]) -> list[State | None]:
    async with connection() as bare:
        rows = await bare.fetch(
            f"""
            SELECT id, amount, held, {SPENT} AS spent, {PERIOD_STARTED} AS started,
                   CASE period WHEN 'TOTAL' THEN NULL
                   ELSE date_trunc(lower(period), now(), 'UTC') + ('1 ' || lower(period))::interval END AS ends
            FROM budgets WHERE id = ANY($1::uuid[])
            """,
            list(ids),
        )
    found = {
        row["id"]: State(
            row["spent"], row["held"], max(row["amount"] - row["spent"], Decimal(0)), row["started"], row["ends"]
        )
        for row in rows
    }
    return [found.get(id) for id in ids]


async def balance(principal: Principal) -> Decimal | None:
    """What the next call may cost at most; None when nothing limits it."""
    ids = await visible_to(principal).filter(Q(api_key_id=None) | Q(api_key_id=principal.key_id)).values_list("id")
    return min((state.remaining for state in await states([id for (id,) in ids]) if state is not None), default=None)


async def _find_key(principal: Principal, key_id: str) -> UUID:
    id = models.parse_id(key_id)
    if id is None or not await models.ApiKey.exists(id=id, workspace_id=principal.workspace_id, revoked_at=None):
        raise NotFound("key", key_id)
    return id


async def _announce(principal: Principal) -> None:
    async with connection() as bare:
        await bare.execute("SELECT pg_notify($1, $2)", CHANGED, str(principal.workspace_id))


def _check_amount(amount: float) -> Decimal:
    if not 0 <= amount <= _MOST_DOLLARS:
        raise Invalid("amount", f"must be between 0 and {_MOST_DOLLARS:,} US dollars")
    return Decimal(str(amount)).quantize(SMALLEST)
