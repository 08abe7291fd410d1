from typing import Annotated

import strawberry

import models
from domain import usage
from errors import Invalid
from resolvers.context import Info
from resolvers.scalars import DateTime


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
