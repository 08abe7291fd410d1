"""`page:`, a connection written in the dialect's own page envelope."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any  # Variables and answers are open JSON.
from urllib.parse import parse_qsl

from graphql import FieldNode, IntValueNode, OperationDefinitionNode, ValueNode, VariableNode, value_from_ast_untyped

from rest_compat.dialect import Page
from rest_compat.mistakes import Mistakes
from rest_compat.shapes import Fetch, Members, Shape

__all__ = ["Paging", "page_of", "read_paging"]

_ITEMS, _TOTAL = "nodes", "totalCount"


@dataclass(frozen=True, slots=True)
class Amount:
    """A number of the document's own, or that of a variable with its default."""

    variable: str | None
    default: int | None

    def among(self, variables: Mapping[str, Any]) -> int | None:
        value = self.default if self.variable is None else variables.get(self.variable, self.default)
        return value if isinstance(value, int) else None


@dataclass(frozen=True, slots=True)
class Paging:
    name: str
    offset: Amount
    limit: Amount


def read_paging(name: str, operation: OperationDefinitionNode, shape: Shape, mistakes: Mistakes) -> Paging:
    root = operation.selection_set.selections[0]
    members = shape.shape if isinstance(shape, Fetch) else None
    names = {key for key, _ in members.items} if isinstance(members, Members) else set()
    if not isinstance(root, FieldNode) or not {_ITEMS, _TOTAL} <= names:
        mistakes.at(operation, f"A page is made of a connection marked @body with `{_ITEMS}` and `{_TOTAL}`.")
        return Paging(name, Amount(None, 0), Amount(None, None))
    arguments = {argument.name.value: argument.value for argument in root.arguments or ()}
    return Paging(
        name, _amount(arguments.get("offset"), operation, 0), _amount(arguments.get("first"), operation, None)
    )


def _amount(node: ValueNode | None, operation: OperationDefinitionNode, default: int | None) -> Amount:
    if isinstance(node, IntValueNode):
        return Amount(None, int(node.value))
    if not isinstance(node, VariableNode):
        return Amount(None, default)
    for variable in operation.variable_definitions or ():
        if variable.variable.name.value == node.name.value and variable.default_value is not None:
            default = value_from_ast_untyped(variable.default_value)
    return Amount(node.name.value, default)


def page_of(
    paging: Paging, connection: Mapping[str, Any], variables: Mapping[str, Any], path: str, query: bytes
) -> Page:
    extra = {key: value for key, value in connection.items() if key not in (_ITEMS, _TOTAL)}
    return Page(
        name=paging.name,
        items=connection[_ITEMS],
        total=connection[_TOTAL],
        offset=paging.offset.among(variables) or 0,
        limit=paging.limit.among(variables),
        extra=extra,
        path=path,
        query=tuple(parse_qsl(query.decode("latin-1"), keep_blank_values=True)),
    )
