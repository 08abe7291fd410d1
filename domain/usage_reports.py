"""Sums of usage. Whole days are read from what is added up as calls are billed, and only what is left of days that a
time cuts into is read call by call: so a report over millions of calls takes as long as one over the days they are of.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any  # A group is named by columns of any type.
from uuid import UUID

import asyncpg

from domain.identity import Principal
from errors import Invalid
from models.database import connection

__all__ = ["TimeRange", "UsageGroup", "UsageGrouping", "UsageReport", "report", "sums", "total"]

_MOST_GROUPS = 1_000
_SUMS = ("requests", "successes", "input_tokens", "output_tokens", "cached_tokens", "cost")


@dataclass(frozen=True, slots=True)
class TimeRange:
    """Both ends are included; a missing one is open."""

    start: datetime | None = None
    end: datetime | None = None


class UsageGrouping(StrEnum):
    DAY = "DAY"
    MODEL = "MODEL"
    KEY = "KEY"
    GATEWAY = "GATEWAY"
    USER = "USER"


_COLUMNS = {
    UsageGrouping.DAY: ("day",),
    UsageGrouping.MODEL: ("model_name", "vendor"),
    UsageGrouping.KEY: ("api_key_id",),
    UsageGrouping.GATEWAY: ("gateway_id",),
    UsageGrouping.USER: ("external_user",),
}
_TYPES = dict.fromkeys(_SUMS[:-1], "bigint") | {"cost": "numeric"}
_DAY = timedelta(days=1)
_FIRST_DAY, _LAST_DAY = date(1, 1, 2), date(9999, 12, 30)
_NO_DAYS = _FIRST_DAY, _FIRST_DAY
# As they are found in a single record.
_IN_RECORDS = {"day": "(created_at AT TIME ZONE 'UTC')::date", "external_user": "nullif(external_user, '')"}


@dataclass(frozen=True, slots=True)
class UsageGroup:
    """What it is of is in the members that it was grouped by."""

    requests: int
    successes: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost: Decimal
    day: date | None = None
    model_name: str | None = None
    vendor: str | None = None
    api_key_id: UUID | None = None
    gateway_id: UUID | None = None
    external_user: str | None = None


@dataclass(frozen=True, slots=True)
class UsageReport:
    group_by: UsageGrouping
    groups: list[UsageGroup]
    total: UsageGroup


async def report(principal: Principal, range: TimeRange, group_by: UsageGrouping, first: int) -> UsageReport:
    if not 1 <= first <= _MOST_GROUPS:
        raise Invalid("first", f"must be between 1 and {_MOST_GROUPS:,}")
    columns = _COLUMNS[group_by]
    order = "day" if group_by is UsageGrouping.DAY else f"cost DESC, requests DESC, {', '.join(columns)}"
    rows = await _read(principal, range, columns, f"ORDER BY {order} LIMIT {first}", None)
    groups = [UsageGroup(**_sums_of(row), **{name: row[name] for name in columns}) for row in rows]
    return UsageReport(group_by, groups, await total(principal, range))


async def total(principal: Principal, range: TimeRange) -> UsageGroup:
    [row] = await _read(principal, range, (), "", None)
    return UsageGroup(**_sums_of(row))


async def sums(
    principal: Principal, range: TimeRange, columns: tuple[str, ...], external_user: str | None = None
) -> list[asyncpg.Record]:
    """By these columns, the most used first."""
    return await _read(principal, range, columns, f"ORDER BY requests DESC, {columns[0]}", external_user)


def _sums_of(row: asyncpg.Record) -> dict[str, Any]:
    return {name: row[name] or 0 for name in _SUMS[:-1]} | {"cost": row["cost"] or Decimal(0)}


async def _read(
    principal: Principal, range: TimeRange, columns: tuple[str, ...], ending: str, external_user: str | None
) -> list[asyncpg.Record]:
    # A user's calls are few: they are counted one by one.
    first, beyond = _NO_DAYS if external_user is not None else _whole_days(range)
    names = "".join(f"{name}, " for name in columns)
    in_records = "".join(f"{_IN_RECORDS.get(name, name)} AS {name}, " for name in columns)
    grouped = f"GROUP BY {', '.join(str(place) for place, _ in enumerate(columns, 1))}" if columns else ""
    records = f"""
        SELECT {in_records} count(*), count(*) FILTER (WHERE success), sum(input_tokens), sum(output_tokens),
               sum(cached_tokens), sum(cost)
        FROM usage_records WHERE workspace_id = $1 {"AND external_user = $8" if external_user is not None else ""}
    """
    async with connection() as bare:
        found: list[asyncpg.Record] = await bare.fetch(
            f"""
            SELECT {names} {", ".join(f"sum({sum})::{_TYPES[sum]} AS {sum}" for sum in _SUMS)}
            FROM (
                SELECT {names} {", ".join(_SUMS)}
                FROM {"usage_user_days" if columns == _COLUMNS[UsageGrouping.USER] else "usage_days"}
                WHERE workspace_id = $1 AND day >= $2 AND day < $3
                UNION ALL {records} AND created_at >= $4 AND created_at < $5 {grouped}
                UNION ALL {records} AND created_at >= $6 AND created_at <= $7 {grouped}
            ) AS parts {grouped} {ending}
            """,
            principal.workspace_id,
            first,
            beyond,
            *_rest(range, first, beyond),
            *([external_user] if external_user is not None else []),
        )
    return found


def _whole_days(range: TimeRange) -> tuple[date, date]:
    """From the first day that lies in it as a whole to the first after it that does not. Today is whole so far."""
    first, beyond = _FIRST_DAY, _LAST_DAY
    if range.start is not None:
        start = range.start.astimezone(UTC)
        first = start.date() if start == _midnight(start.date()) else start.date() + _DAY
    if range.end is not None and range.end < datetime.now(UTC):
        beyond = range.end.astimezone(UTC).date()
    return (first, beyond) if first < beyond else _NO_DAYS


def _rest(range: TimeRange, first: date, beyond: date) -> tuple[datetime, datetime, datetime, datetime]:
    """What of it lies before those days, and after them."""
    start, end = range.start or _midnight(_FIRST_DAY), range.end or _midnight(_LAST_DAY)
    if (first, beyond) == _NO_DAYS:
        return start, start, start, end
    return start, _midnight(first), _midnight(beyond), end


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
