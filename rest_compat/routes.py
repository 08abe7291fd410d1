"""Paths: their parameters, the tree that matches them, and the complaints about two operations on one of them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Generic, TypeVar

from graphql import OperationDefinitionNode

from rest_compat.mistakes import Mistakes
from rest_compat.vocabulary import PAYLOADS, Place, directive

if TYPE_CHECKING:
    from rest_compat.compiler import Endpoint

__all__ = ["RouteTree", "check_path", "check_routes", "parameters", "route_key"]

_PARAMETER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_-]*)\}")
Leaf = TypeVar("Leaf")


def parameters(path: str) -> tuple[str, ...]:
    return tuple(_PARAMETER.findall(path))


def route_key(path: str) -> tuple[str | None, ...]:
    """The segments, None for a parameter: what two paths have in common when they match the same requests."""
    return tuple(None if _PARAMETER.fullmatch(segment) else segment for segment in path.split("/")[1:])


def check_path(path: str, prefixes: Sequence[str]) -> str | None:
    """What is wrong with a path, if anything."""
    if not path.startswith("/") or path != path.strip():
        return f"A path begins with a slash: /{path.strip().lstrip('/')}"
    if any("{" in (rest := _PARAMETER.sub("", segment)) or (rest and rest != segment) for segment in path.split("/")):
        return f"A parameter is a whole segment in braces, unlike in {path}."
    if not any(path == prefix or path.startswith(prefix.rstrip("/") + "/") for prefix in prefixes):
        return f"{path} is outside the dialect's prefixes: {', '.join(prefixes)}."
    names = parameters(path)
    if len(set(names)) < len(names):
        return f"{path} names two parameters alike."
    return None


@dataclass(slots=True)
class RouteTree(Generic[Leaf]):
    """Finds what stands at a path: a static segment is preferred to a parameter, and the cost is that of the path."""

    leaf: Leaf | None = None
    children: dict[str, "RouteTree[Leaf]"] = field(default_factory=dict)
    parameter: "RouteTree[Leaf] | None" = None

    def place(self, key: Sequence[str | None]) -> "RouteTree[Leaf]":
        """The node for a path, made where missing."""
        node = self
        for segment in key:
            if segment is None:
                node.parameter = node.parameter or RouteTree()
                node = node.parameter
            else:
                node = node.children.setdefault(segment, RouteTree())
        return node

    def find(self, segments: Sequence[str], at: int = 0) -> "tuple[Leaf, tuple[str, ...]] | None":
        """The leaf and the values of its parameters; an empty segment is no value."""
        if at == len(segments):
            return None if self.leaf is None else (self.leaf, ())
        segment = segments[at]
        child = self.children.get(segment)
        found = child.find(segments, at + 1) if child else None
        if found is None and self.parameter is not None and segment:
            found = self.parameter.find(segments, at + 1)
            return found and (found[0], (segment, *found[1]))
        return found


def check_routes(
    endpoints: "Sequence[Endpoint]", operations: Mapping[str, OperationDefinitionNode], mistakes: Mistakes
) -> None:
    """Two operations on one route must be told apart by `when:`."""
    by_route: dict[tuple[str | None, ...], list[Endpoint]] = {}
    for endpoint in endpoints:
        by_route.setdefault(route_key(endpoint.path), []).append(endpoint)
    for sharing in by_route.values():
        for one, other in combinations(sharing, 2):
            if problem := _rivalry(one, other):
                node = directive(operations[other.name], "route")
                assert node is not None
                mistakes.at(node, problem)


def _payloads(endpoint: "Endpoint") -> set[Place]:
    return {source.place for binding in endpoint.bindings for source in binding.sources} & PAYLOADS


def _rivalry(one: "Endpoint", other: "Endpoint") -> str | None:
    if one.path != other.path:
        return f"{other.path} and {one.path} of {one.name} are the same path; name their parameters alike."
    if one.method != other.method:
        return None
    route = f"{other.method} {other.path}"
    if len(payloads := _payloads(one) | _payloads(other)) > 1:
        return f"A request to {route} has one body; {' and '.join(sorted(payloads))} cannot both be read from it."
    if one.condition is None and other.condition is None:
        return f"{one.name} and {other.name} both answer {route}; tell them apart with `when:`."
    if one.condition is None or other.condition is None:
        return None
    first, second = one.condition, other.condition
    if first.excludes(second) or first.narrows(second) or second.narrows(first):
        return None
    return f"One request to {route} can satisfy the `when:` of both {one.name} and {other.name}."
