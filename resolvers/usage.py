from datetime import UTC, datetime, timedelta
from typing import Annotated

import strawberry

import models
from domain import usage, usage_reports
from domain.identity import Scope
from domain.usage_reports import UsageGrouping
from errors import Invalid
from resolvers.context import Info
from resolvers.scalars import DateTime

_MOST_HOURS = 24 * 366


@strawberry.input(description="From when to when. Both ends are included, and each may be left open.")
class TimeRange:
    start: DateTime | None = strawberry.field(default=None, description="The first moment; all time when left out.")
    end: DateTime | None = strawberry.field(default=None, description="The last moment; now when left out.")


async def statistics(
    info: Info,
    range: Annotated[TimeRange | None, strawberry.argument(description="Which time; all of it when left out.")] = None,
    external_user: Annotated[
        str | None, strawberry.argument(description="Only this user of your application; everybody when left out.")
    ] = None,
) -> usage.UsageStatistics:
    wanted = usage.TimeRange(range.start, range.end) if range else usage.TimeRange()
    return await usage.statistics(info.context.principal, wanted, external_user)


async def report(
    info: Info,
    range: Annotated[TimeRange | None, strawberry.argument(description="Which time; all of it when left out.")] = None,
    group_by: Annotated[UsageGrouping, strawberry.argument(description="What to add up by.")] = UsageGrouping.DAY,
    first: Annotated[int, strawberry.argument(description="How many groups; 1,000 at most.")] = 100,
) -> usage_reports.UsageReport:
    wanted = usage.TimeRange(range.start, range.end) if range else usage.TimeRange()
    return await usage_reports.report(info.context.principal, wanted, group_by, first)


async def spent_lately(
    root: strawberry.Parent[models.Workspace],
    info: Info,
    hours: Annotated[int, strawberry.argument(description="How many hours back.")] = 24,
) -> float:
    """The workspace is that of whoever asks: there is no way to another."""
    info.context.principal.require(Scope.USAGE_READ)
    if not 1 <= hours <= _MOST_HOURS:
        raise Invalid("hours", f"must be between 1 and {_MOST_HOURS:,}")
    since = usage.TimeRange(datetime.now(UTC) - timedelta(hours=hours))
    return float((await usage_reports.total(info.context.principal, since)).cost)


def items(root: strawberry.Parent[models.UsageRecord]) -> list[usage.UsageItem]:
    return usage.items_from(root.items)


async def recent(
    root: strawberry.Parent[usage.UsageStatistics],
    info: Info,
    first: Annotated[int, strawberry.argument(description="How many, newest first; 100 at most.")] = 10,
) -> list[models.UsageRecord]:
    if first < 0:
        raise Invalid("first", "must not be negative")
    return await usage.recent(info.context.principal, root.range, root.external_user, min(first, 100))


def total_tokens(root: strawberry.Parent[models.UsageRecord]) -> int:
    return root.input_tokens + root.output_tokens
