"""Writing down what was used: the record, the sums of its day, and what it takes from budgets, in one statement.

Everything that is paid for goes through here, inside of the transaction of whoever bills. A turn is billed once, and
what was billed before changes nothing: so a batch whose fate is unknown can simply be written again.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

import asyncpg

__all__ = ["PERIOD_STARTED", "SPENT", "Bill", "bill"]


class Bill(NamedTuple):
    """A usage record as it is written, column by column: a thousand of these are made in a second."""

    id: UUID
    workspace_id: UUID
    turn_id: UUID
    api_key_id: UUID | None
    gateway_id: UUID | None
    external_user: str | None
    provider_name: str
    model_name: str
    vendor: str
    action: str
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    estimated: bool
    # With `items`, which are JSON.
    cost: Decimal
    input_price: Decimal | None
    output_price: Decimal | None
    cached_price: Decimal | None
    items: str
    success: bool
    error_code: str | None
    created_at: datetime


_TYPES = {
    UUID: "uuid",
    UUID | None: "uuid",
    str: "text",
    str | None: "text",
    int: "int",
    bool: "bool",
    Decimal: "numeric",
    Decimal | None: "numeric",
    datetime: "timestamptz",
}
_COLUMNS = ", ".join(Bill._fields)
_ARRAYS = ", ".join(f"${place}::{_TYPES[type]}[]" for place, type in enumerate(Bill.__annotations__.values(), 1))

# A period ends by itself: whoever looks at a budget sees it as it is by now. Days and months are those of UTC.
PERIOD_STARTED = """CASE budgets.period WHEN 'TOTAL' THEN budgets.period_started_at
    ELSE greatest(budgets.period_started_at, date_trunc(lower(budgets.period), now(), 'UTC')) END"""
SPENT = f"CASE WHEN budgets.period_started_at < {PERIOD_STARTED} THEN 0 ELSE budgets.spent END"

_SUMS = "requests, successes, input_tokens, output_tokens, cached_tokens, cost"
_SUMMED = (
    "count(*), count(*) FILTER (WHERE success), sum(input_tokens), sum(output_tokens), sum(cached_tokens), sum(cost)"
)
_NOBODY = "'00000000-0000-0000-0000-000000000000'"


def _added(table: str) -> str:
    return ", ".join(f"{sum} = {table}.{sum} + excluded.{sum}" for sum in _SUMS.split(", "))


# Everything in an order that all processes share: they would wait for each other otherwise.
_BILL = f"""
WITH bills AS (
    INSERT INTO usage_records ({_COLUMNS})
    SELECT {_COLUMNS.replace("items,", "items::jsonb,")} FROM unnest({_ARRAYS}) AS new ({_COLUMNS})
    ON CONFLICT (turn_id) DO NOTHING
    RETURNING *, (created_at AT TIME ZONE 'UTC')::date AS day
), days AS (
    INSERT INTO usage_days (workspace_id, day, model_name, vendor, api_key_id, gateway_id, {_SUMS})
    SELECT workspace_id, day, model_name, vendor, api_key_id, gateway_id, {_SUMMED}
    FROM bills GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6
    ON CONFLICT (workspace_id, day, model_name, vendor, coalesce(api_key_id, {_NOBODY}),
                 coalesce(gateway_id, {_NOBODY}))
    DO UPDATE SET {_added("usage_days")}
), users AS (
    INSERT INTO usage_user_days (workspace_id, day, external_user, {_SUMS})
    SELECT workspace_id, day, nullif(external_user, ''), {_SUMMED}
    FROM bills GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    ON CONFLICT (workspace_id, day, coalesce(external_user, '')) DO UPDATE SET {_added("usage_user_days")}
), paid AS (
    SELECT workspace_id, api_key_id, sum(cost) AS cost FROM bills GROUP BY 1, 2
), charges AS (
    -- Apart, because a workspace may have a budget for each of its many keys.
    SELECT id, sum(cost) AS cost FROM (
        SELECT budgets.id, cost FROM paid JOIN budgets USING (workspace_id) WHERE budgets.api_key_id IS NULL
        UNION ALL SELECT budgets.id, cost FROM paid JOIN budgets USING (workspace_id, api_key_id)
    ) AS each GROUP BY id
), ours AS (
    SELECT budgets.id, charges.cost FROM budgets JOIN charges USING (id) ORDER BY budgets.id FOR UPDATE OF budgets
), charged AS (
    UPDATE budgets SET spent = {SPENT} + ours.cost, period_started_at = {PERIOD_STARTED}
    FROM ours WHERE budgets.id = ours.id
)
SELECT turn_id FROM bills
"""


async def bill(bare: asyncpg.Connection, bills: Sequence[Bill]) -> set[UUID]:
    """The turns that were billed now, and not before."""
    rows = await bare.fetch(_BILL, *zip(*bills, strict=True))
    return {row["turn_id"] for row in rows}
