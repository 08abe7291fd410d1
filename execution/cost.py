"""What an operation costs before it runs: one for every object it may read, and a page's worth for every list.

After IBM's cost specification: lists multiply what is asked of their items, by the size that the arguments ask for or
by one that is assumed. A fragment is priced once, however often it is spread.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple  # Values of variables are open.

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
)
from graphql.utilities.coerce_input_value import coerce_default_value

from execution.limits import Limits

__all__ = ["Price"]

# Arguments that say how long a list will be; `ids` does so by its own length.
_SIZES = ("first", "last", "limit", "ids")
_ITEMS = frozenset({"edges", "nodes"})
# What a mutation writes costs more than a row that is read.
_MUTATION = 10
_MAX_REMEMBERED = 64


class _Cost(NamedTuple):
    """A fixed part, and a part for each item of the connection around it."""

    fixed: int
    per_item: int


_FREE = _Cost(0, 0)


class Price:
    """The cost of one operation, depending on those of its variables that size a list."""

    def __init__(
        self,
        schema: GraphQLSchema,
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
        limits: Limits,
    ) -> None:
        self._schema, self._operation, self._fragments, self._limits = schema, operation, fragments, limits
        self._sizing: dict[str, None] = {}
        self._known: dict[tuple[Any, ...], tuple[int, Sequence[GraphQLError]]] = {}
        # The walk without values notes which variables matter.
        self._least = _Walk(schema, fragments, limits, {}, self._sizing).price(operation)

    def complaints(self, values: Mapping[str, Any] | None) -> list[GraphQLError]:
        cost, errors = self.of(values)
        if cost > self._limits.cost:
            shown = str(cost) if cost < 10**9 else "far too much"
            problem = f"This operation costs {shown}: at most {self._limits.cost} is allowed."
            return [*errors, GraphQLError(problem, self._operation, extensions={"code": "limit", "cost": shown})]
        return list(errors)

    def of(self, values: Mapping[str, Any] | None = None) -> tuple[int, Sequence[GraphQLError]]:
        """The cost, and every page that is too large. Without values, the least that it can be."""
        if values is None or not self._sizing:
            return self._least
        key = tuple([_size(values.get(name)) for name in self._sizing])
        known = self._known.get(key)
        if known is None:
            sizes = dict(zip(self._sizing, key, strict=True))
            known = _Walk(self._schema, self._fragments, self._limits, sizes, {}).price(self._operation)
            if len(self._known) < _MAX_REMEMBERED:
                self._known[key] = known
        return known


@dataclass(slots=True)
class _Walk:
    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    limits: Limits
    sizes: Mapping[str, int | None]
    sizing: dict[str, None]
    priced: dict[str, _Cost] = field(default_factory=dict)
    errors: list[GraphQLError] = field(default_factory=list)

    def price(self, operation: OperationDefinitionNode) -> tuple[int, Sequence[GraphQLError]]:
        root = self.schema.get_root_type(operation.operation)
        assert root, "a valid operation has a root type"
        cost = self.selection(operation.selection_set, root)
        fixed = cost.fixed + cost.per_item * self.limits.assumed_page_size
        if operation.operation is OperationType.MUTATION:
            fixed += _MUTATION * len(operation.selection_set.selections)
        return fixed, self.errors

    def selection(self, selection_set: SelectionSetNode, parent: GraphQLNamedType) -> _Cost:
        fixed = per_item = 0
        for node in selection_set.selections:
            if isinstance(node, FieldNode):
                cost = self.field(node, parent)
            elif isinstance(node, InlineFragmentNode):
                on = self.schema.get_type(node.type_condition.name.value) if node.type_condition else parent
                cost = self.selection(node.selection_set, on or parent)
            else:
                assert isinstance(node, FragmentSpreadNode)
                cost = self.fragment(node.name.value)
            fixed, per_item = fixed + cost.fixed, per_item + cost.per_item
        return _Cost(fixed, per_item)

    def fragment(self, name: str) -> _Cost:
        cost = self.priced.get(name)
        if cost is None:
            fragment = self.fragments[name]
            on = self.schema.get_type(fragment.type_condition.name.value)
            assert on, "a valid fragment is on a type that exists"
            cost = self.priced[name] = self.selection(fragment.selection_set, on)
        return cost

    def field(self, node: FieldNode, parent: GraphQLNamedType) -> _Cost:
        name = node.name.value
        if node.selection_set is None or name.startswith("__"):
            # Reading an attribute costs next to nothing, and what can be asked of the schema is bounded by its depth.
            return _FREE
        assert isinstance(parent, GraphQLObjectType | GraphQLInterfaceType)
        definition = parent.fields[name]
        kind = get_named_type(definition.type)
        inner = self.selection(node.selection_set, kind)
        is_list = isinstance(get_nullable_type(definition.type), GraphQLList)
        size = self.size(node, definition) if is_list or _is_connection(kind) else None
        if not is_list:
            # A connection's size is that of the lists in it; it is one object itself.
            items = self.limits.assumed_page_size if size is None else size
            return _Cost(1 + inner.fixed + inner.per_item * items, 0)
        item = 1 + inner.fixed + inner.per_item * self.limits.assumed_page_size
        if size is None and name in _ITEMS and _is_connection(parent):
            return _Cost(0, item)
        return _Cost(item * (self.limits.assumed_list_size if size is None else size), 0)

    def size(self, node: FieldNode, definition: GraphQLField) -> int | None:
        """How many items the arguments ask for, when they say so."""
        sizes = []
        given = {argument.name.value: argument.value for argument in node.arguments or ()}
        for name in _SIZES:
            if name in definition.args:
                size = (
                    self.literal(given[name]) if name in given else _size(coerce_default_value(definition.args[name]))
                )
                if size is not None:
                    sizes.append(size)
                    self.hold(node, name, size)
        return max(sizes, default=None)

    def literal(self, value: ValueNode) -> int | None:
        if isinstance(value, IntValueNode):
            return max(int(value.value), 0)
        if isinstance(value, ListValueNode):
            return len(value.values)
        if isinstance(value, VariableNode):
            self.sizing[value.name.value] = None
            return self.sizes.get(value.name.value, 1)
        return None

    def hold(self, node: FieldNode, name: str, size: int) -> None:
        if size > self.limits.page_size:
            problem = f"{name}: {size} is more than one page holds: at most {self.limits.page_size}."
            self.errors.append(GraphQLError(problem, node, extensions={"code": "limit"}))


def _size(value: object) -> int | None:
    if isinstance(value, list | tuple):
        return len(value)
    return max(value, 0) if isinstance(value, int) else None


def _is_connection(kind: GraphQLNamedType) -> bool:
    return isinstance(kind, GraphQLObjectType) and "pageInfo" in kind.fields
