"""What a document may ask for. Counted in one walk over each definition, however often its fragments are spread."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from graphql import (
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionNode,
    ValueNode,
)

__all__ = ["CycleError", "Limits", "exceeded"]

_INTROSPECTION = frozenset({"__schema", "__type"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Defaults for a server that strangers may reach. Trusted documents are held to none of these but the times."""

    document_bytes: int = 100_000
    tokens: int = 5_000
    definitions: int = 100
    depth: int = 15
    # Introspection nests deeper than data does: tools ask for `ofType` nine times.
    introspection_depth: int = 20
    fields: int = 2_500
    aliases: int = 50
    directives: int = 50
    root_fields: int = 25
    # Members of the lists and objects that a document writes out; variables have no such limit.
    values: int = 1_000
    value_depth: int = 20
    cost: int = 25_000
    page_size: int = 100
    # What a list is taken to hold when nothing in the document says so.
    assumed_page_size: int = 20
    assumed_list_size: int = 10

    introspection: bool = True
    suggestions: bool = False

    check_seconds: float = 0.25
    query_seconds: float = 30
    mutation_seconds: float = 600
    event_seconds: float = 15

    cached_documents: int = 1_000
    # With its tree and its plan, a document weighs a few hundred times its text.
    cached_bytes: int = 500_000


class CycleError(GraphQLError):
    """A fragment that spreads itself: invalid rather than too large, but nothing of it can be counted."""


@dataclass(frozen=True, slots=True)
class _Spread:
    name: str
    depth: int
    introspects: bool


@dataclass(slots=True)
class _Extent:
    """How far a definition reaches: at first by itself, then with the fragments it spreads."""

    depth: int = 0
    introspection_depth: int = 0
    fields: int = 0
    aliases: int = 0
    directives: int = 0
    root_fields: int = 0
    values: int = 0
    value_depth: int = 0
    spreads: list[_Spread] = field(default_factory=list)

    def count_value(self, value: ValueNode) -> None:
        waiting = [(value, 0)]
        while waiting:
            node, depth = waiting.pop()
            self.value_depth = max(self.value_depth, depth)
            if isinstance(node, ObjectValueNode):
                waiting += [(member.value, depth + 1) for member in node.fields]
                self.values += len(node.fields)
            elif isinstance(node, ListValueNode):
                waiting += [(member, depth + 1) for member in node.values]
                self.values += len(node.values)

    def count_directives(self, directives: Sequence[DirectiveNode] | None) -> None:
        for directive in directives or ():
            self.directives += 1
            for argument in directive.arguments or ():
                self.count_value(argument.value)

    def reach(self, depth: int, *, introspects: bool) -> None:
        if introspects:
            self.introspection_depth = max(self.introspection_depth, depth)
        else:
            self.depth = max(self.depth, depth)


def exceeded(document: DocumentNode, limits: Limits) -> list[GraphQLError]:
    """Every limit that an operation of the document breaks. Needs no schema and trusts nothing but the syntax."""
    if len(document.definitions) > limits.definitions:
        return [_over("definitions", len(document.definitions), limits.definitions)]
    fragments = {
        node.name.value: _own(node) for node in document.definitions if isinstance(node, FragmentDefinitionNode)
    }
    for extent in _innermost_first(fragments):
        _add_spreads(extent, fragments)
    errors: list[GraphQLError] = []
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode):
            extent = _own(node)
            _add_spreads(extent, fragments)
            errors += _complaints(node, extent, limits)
    return errors


def _own(definition: OperationDefinitionNode | FragmentDefinitionNode) -> _Extent:
    extent = _Extent()
    extent.count_directives(definition.directives)
    for variable in definition.variable_definitions or ():
        extent.count_directives(variable.directives)
        if variable.default_value:
            extent.count_value(variable.default_value)
    waiting: list[tuple[SelectionNode, int, bool]] = [(node, 0, False) for node in definition.selection_set.selections]
    while waiting:
        node, depth, introspects = waiting.pop()
        extent.count_directives(node.directives)
        if isinstance(node, FragmentSpreadNode):
            extent.spreads.append(_Spread(node.name.value, depth, introspects))
            continue
        if isinstance(node, FieldNode):
            extent.fields += 1
            extent.aliases += node.alias is not None
            for argument in node.arguments or ():
                extent.count_value(argument.value)
            extent.root_fields += depth == 0
            depth += 1
            introspects = introspects or node.name.value in _INTROSPECTION
            extent.reach(depth, introspects=introspects)
        if inner := node.selection_set:  # type: ignore[attr-defined]  # the two kinds left both have one
            waiting += [(child, depth, introspects) for child in inner.selections]
    return extent


def _innermost_first(extents: Mapping[str, _Extent]) -> Iterator[_Extent]:
    """Every fragment after those it spreads; refuses a document in which that cannot be."""
    done: set[str] = set()
    for root in extents:
        path = {} if root in done else {root: iter(extents[root].spreads)}
        while path:
            name, spreads = next(reversed(path.items()))
            inner = next(
                (spread.name for spread in spreads if spread.name in extents and spread.name not in done), None
            )
            if inner is None:
                path.popitem()
                done.add(name)
                yield extents[name]
            elif inner in path:
                raise CycleError(f"Cannot spread fragment '{inner}' within itself.")
            else:
                path[inner] = iter(extents[inner].spreads)


def _add_spreads(extent: _Extent, fragments: Mapping[str, _Extent]) -> None:
    for spread in extent.spreads:
        if inner := fragments.get(spread.name):
            extent.reach(spread.depth + inner.depth, introspects=spread.introspects)
            if inner.introspection_depth:
                extent.reach(spread.depth + inner.introspection_depth, introspects=True)
            extent.fields += inner.fields
            extent.aliases += inner.aliases
            extent.directives += inner.directives
            extent.values += inner.values
            extent.value_depth = max(extent.value_depth, inner.value_depth)
            extent.root_fields += inner.root_fields if spread.depth == 0 else 0


def _complaints(node: OperationDefinitionNode, extent: _Extent, limits: Limits) -> Iterator[GraphQLError]:
    counts = {
        "levels": (extent.depth, limits.depth),
        "levels of introspection": (extent.introspection_depth, limits.introspection_depth),
        "fields": (extent.fields, limits.fields),
        "aliases": (extent.aliases, limits.aliases),
        "directives": (extent.directives, limits.directives),
        "root fields": (extent.root_fields, limits.root_fields),
        "values written out": (extent.values, limits.values),
        "levels of values": (extent.value_depth, limits.value_depth),
    }
    for what, (count, limit) in counts.items():
        if count > limit:
            yield _over(what, count, limit, node)
    if extent.introspection_depth and not limits.introspection:
        yield GraphQLError("Introspection is switched off here.", node, extensions={"code": "limit"})


def _over(what: str, count: int, limit: int, node: OperationDefinitionNode | None = None) -> GraphQLError:
    # A chain of fragments can stand for a number of many thousand digits.
    shown = str(count) if count < 10**9 else "far too many"
    return GraphQLError(f"{shown} {what}: at most {limit} are allowed.", node, extensions={"code": "limit"})
