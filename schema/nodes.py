"""Relay's common ground: nodes and connections."""

from typing import Generic, TypeVar

import strawberry

from domain.identity import Scope
from resolvers import nodes as resolve
from resolvers.pages import total_count
from schema.access import root_field

T = TypeVar("T")


@strawberry.interface(description="Anything with an id. The same id is good in every API of this server.")
class Node:
    id: strawberry.ID = strawberry.field(description="A UUID that stays the same for ever.")


@strawberry.type(description="Where a page stands in its list.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether more follow.")
    has_previous_page: bool = strawberry.field(description="Whether some come before.")
    start_cursor: str | None = strawberry.field(description="The first entry's cursor.")
    end_cursor: str | None = strawberry.field(description="The last entry's cursor: pass it as `after` to go on.")


@strawberry.type(description="An entry of a list and its place in it.")
class Edge(Generic[T]):
    cursor: str = strawberry.field(description="Its place: pass it as `after` or `before`.")
    node: T = strawberry.field(description="The entry.")


@strawberry.type(description="A page of a list.")
class Connection(Generic[T]):
    edges: list[Edge[T]] = strawberry.field(description="The entries with their cursors.")
    nodes: list[T] = strawberry.field(description="The entries alone.")
    page_info: PageInfo = strawberry.field(description="Where this page stands.")
    total_count = strawberry.field(
        resolver=total_count, description="How many there are in all pages; counted only when asked for."
    )


@strawberry.type
class NodeQueries:
    node = root_field(
        resolve.node,
        Node | None,
        needs=Scope.PUBLIC,
        description="Anything by its id; null when it is not there or not yours.",
    )
    nodes = root_field(
        resolve.nodes,
        list[Node | None],
        needs=Scope.PUBLIC,
        description="Several things by their ids, in the order asked.",
    )
