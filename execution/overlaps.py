"""Whether fields of the same name can be merged, in time that grows with the document and not with its square.

graphql-core compares every pair of fields. This is Simon Adameit's way, of Sangria and graphql-java: all fields of one
name at one place are held against the first of them, once for their shape and once, by parents that an object can have
at the same time, for what they ask. What is below them is merged and checked together, each set only once.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple  # Visitors are handed nodes with their surroundings.

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValidationContext,
    ValidationRule,
    get_named_type,
    is_leaf_type,
    print_ast,
)
from graphql.utilities.sort_value_node import sort_value_node
from graphql.validation.validate import ValidationAbortedError

__all__ = ["FieldsCanBeMerged"]

# Sets of fields can be chosen so that very many of them differ; no honest document comes near this.
_MAX_FIELDS = 50_000
_ADVICE = "Use different aliases on the fields to fetch both if this was intentional."


@dataclass(frozen=True, slots=True, eq=False)
class _Selected:
    node: FieldNode
    parent: GraphQLNamedType | None
    type: GraphQLOutputType | None
    # The field's name and its arguments: what must be the same.
    asks: tuple[str, str]
    streams: bool


class _Conflict(NamedTuple):
    path: tuple[str, ...]
    reason: str
    nodes: tuple[FieldNode, FieldNode]


class FieldsCanBeMerged(ValidationRule):
    def __init__(self, context: ValidationContext) -> None:
        super().__init__(context)
        self._merging = _Merging(context)

    def enter_operation_definition(self, node: OperationDefinitionNode, *_surroundings: Any) -> None:
        root = self.context.schema.get_root_type(node.operation)
        for conflict in self._merging.conflicts(node.selection_set, root):
            kinds = ["Fields", *["subfields"] * (len(conflict.path) - 1)]
            chain = " ".join(
                f"{kind} '{name}' conflict because" for kind, name in zip(kinds, conflict.path, strict=True)
            )
            words = f"{chain} {conflict.reason}. {_ADVICE}"
            self.report_error(GraphQLError(words, list(conflict.nodes)))


@dataclass(slots=True)
class _Merging:
    context: ValidationContext
    selected: dict[int, _Selected] = field(default_factory=dict)
    checked: set[tuple[bool, frozenset[int]]] = field(default_factory=set)
    visited: int = 0

    def conflicts(self, selection_set: SelectionSetNode, root: GraphQLNamedType | None) -> Iterator[_Conflict]:
        fields = list(self.fields([(selection_set, root)]))
        told = set()
        for conflict in (*self.same_request(fields, ()), *self.same_shape(fields, ())):
            where = tuple(map(id, conflict.nodes))
            if where not in told:
                told.add(where)
                yield conflict

    def same_shape(self, fields: list[_Selected], path: tuple[str, ...]) -> Iterator[_Conflict]:
        for name, alike in self.unchecked(fields, shape=True):
            yield from _first_difference(alike, (*path, name), _shapes_differ)
            yield from self.same_shape(list(self.below(alike)), _onward(path, name, alike))

    def same_request(self, fields: list[_Selected], path: tuple[str, ...]) -> Iterator[_Conflict]:
        for name, alike in self.unchecked(fields, shape=False):
            for together in _by_common_parent(alike):
                yield from _first_difference(together, (*path, name), _requests_differ)
                yield from self.same_request(list(self.below(together)), _onward(path, name, together))

    def unchecked(self, fields: list[_Selected], *, shape: bool) -> Iterable[tuple[str, list[_Selected]]]:
        key = shape, frozenset(map(id, fields))
        if key in self.checked:
            return ()
        self.checked.add(key)
        by_name: dict[str, list[_Selected]] = {}
        for one in fields:
            by_name.setdefault((one.node.alias or one.node.name).value, []).append(one)
        return by_name.items()

    def below(self, fields: list[_Selected]) -> Iterator[_Selected]:
        return self.fields(
            [
                (one.node.selection_set, get_named_type(one.type) if one.type else None)
                for one in fields
                if one.node.selection_set
            ]
        )

    def fields(self, waiting: list[tuple[SelectionSetNode, GraphQLNamedType | None]]) -> Iterator[_Selected]:
        """The fields of some selection sets, with those of the fragments they spread."""
        spread: set[str] = set()
        # What is found on the way is appended, and visited in its turn.
        for selection_set, parent in waiting:
            for node in selection_set.selections:
                self.visited += 1
                if isinstance(node, FieldNode):
                    yield self.entry(node, parent)
                elif isinstance(node, InlineFragmentNode):
                    waiting.append(
                        (node.selection_set, self.named(node.type_condition) if node.type_condition else parent)
                    )
                elif isinstance(node, FragmentSpreadNode) and node.name.value not in spread:
                    spread.add(node.name.value)
                    if fragment := self.context.get_fragment(node.name.value):
                        waiting.append((fragment.selection_set, self.named(fragment.type_condition)))
            if self.visited > _MAX_FIELDS:
                raise ValidationAbortedError("The document's fields overlap in too many ways.")

    def named(self, condition: Any) -> GraphQLNamedType | None:
        return self.context.schema.get_type(condition.name.value)

    def entry(self, node: FieldNode, parent: GraphQLNamedType | None) -> _Selected:
        # A node stands in one place of the document, so its parent is always the same.
        entry = self.selected.get(id(node))
        if entry is None:
            streams = any(directive.name.value == "stream" for directive in node.directives or ())
            kind = _type_of(self.context.schema, node, parent)
            entry = self.selected[id(node)] = _Selected(node, parent, kind, _asks(node), streams)
        return entry


def _onward(path: tuple[str, ...], name: str, fields: list[_Selected]) -> tuple[str, ...]:
    """What is in conflict below a single field is no conflict of that field's."""
    return (*path, name) if len(fields) > 1 else ()


def _type_of(schema: GraphQLSchema, node: FieldNode, parent: GraphQLNamedType | None) -> GraphQLOutputType | None:
    if not isinstance(parent, GraphQLObjectType | GraphQLInterfaceType):
        return None
    definition = schema.get_field(parent, node.name.value)
    return definition.type if definition else None


def _asks(node: FieldNode) -> tuple[str, str]:
    return node.name.value, ",".join(sorted(_written(argument) for argument in node.arguments or ()))


def _written(argument: Any) -> str:
    return f"{argument.name.value}:{print_ast(sort_value_node(argument.value))}"


def _by_common_parent(fields: list[_Selected]) -> Iterable[list[_Selected]]:
    """No object is of two object types; of an interface or union as well, any may be."""
    concrete: dict[str, list[_Selected]] = {}
    anywhere = []
    for one in fields:
        if isinstance(one.parent, GraphQLObjectType):
            concrete.setdefault(one.parent.name, []).append(one)
        else:
            anywhere.append(one)
    if len(concrete) < 2:
        return [fields]
    return [[*group, *anywhere] for group in concrete.values()]


def _first_difference(fields: list[_Selected], path: tuple[str, ...], differ: Any) -> Iterator[_Conflict]:
    first = fields[0]
    for other in fields[1:]:
        if reason := differ(first, other):
            yield _Conflict(path, reason, (first.node, other.node))
            return


def _requests_differ(one: _Selected, other: _Selected) -> str | None:
    if one.asks == other.asks:
        return None
    if one.asks[0] != other.asks[0]:
        return f"'{one.asks[0]}' and '{other.asks[0]}' are different fields"
    return "they have differing arguments"


def _shapes_differ(one: _Selected, other: _Selected) -> str | None:
    if one.streams or other.streams:
        return "they have overlapping stream directives"
    if one.type is None or other.type is None or one.type is other.type or _same_shape(one.type, other.type):
        return None
    return f"they return conflicting types '{one.type}' and '{other.type}'"


def _same_shape(one: GraphQLOutputType, other: GraphQLOutputType) -> bool:
    for wrapper in (GraphQLNonNull, GraphQLList):
        if isinstance(one, wrapper) or isinstance(other, wrapper):
            return isinstance(one, wrapper) and isinstance(other, wrapper) and _same_shape(one.of_type, other.of_type)
    return one is other if is_leaf_type(one) or is_leaf_type(other) else True
