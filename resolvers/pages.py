"""Pages of a list: keyset cursors that stay right while rows are added, and an offset for the old APIs."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar  # A cursor holds values of any sortable column.
from uuid import UUID

import orjson
import strawberry
from tortoise.expressions import F, Q
from tortoise.fields import DatetimeField
from tortoise.functions import Coalesce
from tortoise.models import Model as Row
from tortoise.queryset import QuerySet

from errors import Invalid

__all__ = [
    "After",
    "Before",
    "First",
    "Last",
    "Offset",
    "Page",
    "PageArgs",
    "page_in_order",
    "page_of_ids",
    "page_of_rows",
    "read_place",
    "total_count",
    "write_place",
]

# What the graph promises its clients, 100 at most, is kept by the executor; the old APIs behind it have larger pages.
_DEFAULT, _MOST = 20, 10_000

First = Annotated[
    int | None, strawberry.argument(description="How many from the beginning: 20 when neither is given, 100 at most.")
]
After = Annotated[str | None, strawberry.argument(description="Only what comes after this cursor.")]
Last = Annotated[int | None, strawberry.argument(description="How many from the end; not together with `first`.")]
Before = Annotated[str | None, strawberry.argument(description="Only what comes before this cursor.")]
Offset = Annotated[
    int | None,
    strawberry.argument(
        description="How many to skip, for clients that count pages. Cursors stay right while a list grows."
    ),
]

RowT = TypeVar("RowT", bound=Row)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PageArgs:
    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None
    offset: int | None = None

    @property
    def size(self) -> int:
        for name, value in (("first", self.first), ("last", self.last), ("offset", self.offset)):
            if value is not None and value < 0:
                raise Invalid(name, "must not be negative")
        if self.first is not None and self.last is not None:
            raise Invalid("last", "cannot be given together with first")
        asked = self.first if self.first is not None else self.last
        return min(_DEFAULT if asked is None else asked, _MOST)

    @property
    def from_the_end(self) -> bool:
        return self.last is not None


@dataclass(frozen=True, slots=True)
class Edge(Generic[T]):
    cursor: str
    node: T


@dataclass(frozen=True, slots=True)
class PageInfo:
    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    nodes: Sequence[T]
    has_next: bool
    has_previous: bool
    cursor_of: Callable[[T], str]
    count: Callable[[], Awaitable[int]]

    @property
    def edges(self) -> list[Edge[T]]:
        return [Edge(self.cursor_of(node), node) for node in self.nodes]

    @property
    def page_info(self) -> PageInfo:
        return PageInfo(
            self.has_next,
            self.has_previous,
            self.cursor_of(self.nodes[0]) if self.nodes else None,
            self.cursor_of(self.nodes[-1]) if self.nodes else None,
        )


async def page_of_rows(rows: QuerySet[RowT], args: PageArgs, *, newest_by: str) -> Page[RowT]:
    """Newest first by a column, ids telling equals apart."""
    size, columns = args.size, (newest_by, "id") if newest_by != "id" else ("id",)
    wanted = rows
    if args.after is not None:
        wanted = wanted.filter(_beyond(columns, _read_cursor("after", args.after, len(columns)), "lt"))
    if args.before is not None:
        wanted = wanted.filter(_beyond(columns, _read_cursor("before", args.before, len(columns)), "gt"))
    sign = "" if args.from_the_end else "-"
    wanted = wanted.order_by(*(sign + column for column in columns))
    if args.offset:
        wanted = wanted.offset(args.offset)
    found = await wanted.limit(size + 1) if size else []
    more, nodes = len(found) > size, found[:size]
    if args.from_the_end:
        nodes.reverse()
    return Page(
        nodes,
        has_next=args.before is not None if args.from_the_end else more,
        has_previous=more if args.from_the_end else args.after is not None or bool(args.offset),
        cursor_of=lambda row: _write_cursor([getattr(row, column) for column in columns]),
        count=rows.count,
    )


async def page_in_order(
    rows: QuerySet[RowT], args: PageArgs, *, by: str, descending: bool, or_else: str | None = None
) -> Page[RowT]:
    """In the order of a column, or of another one where it is null; ids tell equals apart."""
    size = args.size
    is_time = isinstance(rows.model._meta.fields_map[by], DatetimeField)
    key, wanted = (by, rows) if or_else is None else ("_by", rows.annotate(_by=Coalesce(by, F(or_else))))
    for name, cursor, beyond in (("after", args.after, descending), ("before", args.before, not descending)):
        if cursor is not None:
            wanted = wanted.filter(_past(key, _read_cursor(name, cursor, 2), "lt" if beyond else "gt", is_time=is_time))
    sign = "-" if descending != args.from_the_end else ""
    wanted = wanted.order_by(f"{sign}{key}", f"{sign}id")
    if args.offset:
        wanted = wanted.offset(args.offset)
    found = await wanted.limit(size + 1) if size else []
    more, nodes = len(found) > size, found[:size]
    if args.from_the_end:
        nodes.reverse()
    return Page(
        nodes,
        has_next=args.before is not None if args.from_the_end else more,
        has_previous=more if args.from_the_end else args.after is not None or bool(args.offset),
        cursor_of=lambda row: _write_cursor([getattr(row, key), row.pk]),
        count=rows.count,
    )


def _past(key: str, values: list[str], side: str, *, is_time: bool) -> Q:
    value: Any = values[0]
    if is_time:
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise _bad_cursor(value) from None
    return _where({f"{key}__{side}": value}) | _where({key: value, f"id__{side}": _id(values[1])})


# Lists that are joined anew for every page have no column to go on from: their cursors count.
def write_place(place: int) -> str:
    return _write_cursor([str(place), _NOWHERE])


def read_place(cursor: str) -> int:
    place = _read_cursor("after", cursor, 2)[0]
    if not place.isdigit():
        raise _bad_cursor(place)
    return int(place)


_NOWHERE = str(UUID(int=0))


async def page_of_ids(
    ids: Sequence[UUID], args: PageArgs, load: Callable[[list[UUID]], Awaitable[list[Any]]]
) -> Page[Any]:
    """A page of a list whose order only its ids tell."""
    size, start, end = args.size, 0, len(ids)
    places = {id: place for place, id in enumerate(ids)}
    if args.after is not None:
        start = places.get(UUID(_read_cursor("after", args.after, 1)[0]), end - 1) + 1
    if args.before is not None:
        end = places.get(UUID(_read_cursor("before", args.before, 1)[0]), start)
    start = min(start + (args.offset or 0), end)
    first, beyond = (max(start, end - size), end) if args.from_the_end else (start, min(start + size, end))
    found = await load(list(ids[first:beyond]))

    async def count() -> int:
        return len(ids)

    return Page(
        [row for row in found if row is not None],
        has_next=beyond < len(ids),
        has_previous=first > 0,
        cursor_of=lambda row: _write_cursor([row.id]),
        count=count,
    )


def _beyond(columns: Sequence[str], values: list[str], side: str) -> Q:
    if len(columns) == 1:
        return _where({f"{columns[0]}__{side}": _id(values[0])})
    try:
        moment = datetime.fromisoformat(values[0])
    except ValueError:
        raise _bad_cursor(values[0]) from None
    return _where({f"{columns[0]}__{side}": moment}) | _where({columns[0]: moment, f"id__{side}": _id(values[1])})


def _where(conditions: dict[str, Any]) -> Q:
    return Q(**conditions)


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise _bad_cursor(text) from None


def _write_cursor(values: list[Any]) -> str:
    # asyncpg's ids are of a class of its own, which orjson does not know.
    return urlsafe_b64encode(orjson.dumps(values, default=str)).decode().rstrip("=")


def _read_cursor(name: str, cursor: str, length: int) -> list[str]:
    try:
        values = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error):
        values = None
    if not isinstance(values, list) or len(values) != length or not all(isinstance(value, str) for value in values):
        raise Invalid(name, "is not a cursor of this list")
    _id(values[-1])
    return values


def _bad_cursor(text: str) -> Invalid:
    return Invalid("cursor", f"holds {text!r}, which is not of this list")


async def total_count(root: strawberry.Parent[Page[Any]]) -> int:
    return await root.count()
