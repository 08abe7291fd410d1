"""Reads the directives of `directives.graphql` off a document into plain values."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any  # Constants in documents are open JSON.

from graphql import (
    DirectiveNode,
    GraphQLSchema,
    OperationDefinitionNode,
    ValueNode,
    VariableDefinitionNode,
    extend_schema,
    parse,
    value_from_ast_untyped,
)

from rest_compat.mistakes import Mistakes

__all__ = [
    "OURS",
    "PAYLOADS",
    "Form",
    "Place",
    "Route",
    "Source",
    "argument",
    "constant",
    "directive",
    "extended",
    "read_route",
]

OURS = frozenset({"route", "from", "body", "always", "event", "under", "optional", "respond"})
_DIRECTIVES = Path(__file__).with_name("directives.graphql")


class Form(StrEnum):
    JSON = "JSON"
    JSONL = "JSONL"
    SSE = "SSE"
    FILE = "FILE"
    EMPTY = "EMPTY"


class Place(StrEnum):
    """Where in a request a value can be."""

    PATH = "path"
    QUERY = "query"
    HEADER = "header"
    BODY = "body"
    PART = "part"
    RAW = "raw"


# A request has one body, which is read in one of these ways.
PAYLOADS = frozenset({Place.BODY, Place.PART, Place.RAW})


@dataclass(frozen=True, slots=True)
class Source:
    place: Place
    name: str
    # What is between the items of a text that stands for a list.
    separator: str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What a value must satisfy beyond its type."""

    required: bool = False
    least: float | None = None
    greatest: float | None = None
    pattern: str | None = None


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    path: str
    form: Form
    status: int
    page: str | None
    errors: tuple[int, ...]
    when: ValueNode | None
    node: DirectiveNode


@lru_cache(maxsize=1)
def extended(schema: GraphQLSchema) -> GraphQLSchema:
    """The schema with our directives in it, against which documents are checked as they are written."""
    return extend_schema(schema, parse(_DIRECTIVES.read_text("utf-8")), assume_valid=True)


def directive(node: Any, name: str) -> DirectiveNode | None:  # Any kind of AST node that may carry directives.
    return next((found for found in node.directives or () if found.name.value == name), None)


def argument(node: DirectiveNode, name: str) -> ValueNode | None:
    return next((found.value for found in node.arguments or () if found.name.value == name), None)


def constant(node: DirectiveNode, name: str, default: Any = None) -> Any:
    value = argument(node, name)
    return default if value is None else value_from_ast_untyped(value)


def theirs(directives: Sequence[DirectiveNode] | None) -> tuple[DirectiveNode, ...]:
    """The directives that are GraphQL's own and stay in the document."""
    return tuple(node for node in directives or () if node.name.value not in OURS)


def read_route(operation: OperationDefinitionNode) -> Route | None:
    node = directive(operation, "route")
    if node is None:
        return None
    form = Form(constant(node, "as", "JSON"))
    return Route(
        method=constant(node, "method"),
        path=constant(node, "path"),
        form=form,
        status=constant(node, "status", 204 if form is Form.EMPTY else 200),
        page=constant(node, "page"),
        errors=tuple(constant(node, "errors", ())),
        when=argument(node, "when"),
        node=node,
    )


def read_sources(variable: VariableDefinitionNode, mistakes: Mistakes) -> tuple[Source, ...]:
    """The places its `@from` name, in order; none when it is unmarked."""
    return tuple(source for node in _froms(variable) for source in _sources(node, mistakes))


def _sources(node: DirectiveNode, mistakes: Mistakes) -> Iterator[Source]:
    separator = constant(node, "separator")
    found = [
        Source(place, str(constant(node, place) or ""), separator)
        for place in Place
        if argument(node, place) is not None
    ]
    if len(found) > 1:
        mistakes.at(node, "One @from names one place; repeat it for the next best one.")
    yield from found


def read_limits(variable: VariableDefinitionNode) -> Limits:
    merged: dict[str, Any] = {}
    for node in _froms(variable):
        merged |= {found.name.value: value_from_ast_untyped(found.value) for found in node.arguments or ()}
    return Limits(bool(merged.get("required")), merged.get("min"), merged.get("max"), merged.get("pattern"))


def _froms(variable: VariableDefinitionNode) -> Sequence[DirectiveNode]:
    return [node for node in variable.directives or () if node.name.value == "from"]
