"""Response names that one selection can use without conflict, and selections that read well when printed."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from graphql import (
    FieldNode,
    GraphQLOutputType,
    InlineFragmentNode,
    SelectionNode,
    SelectionSetNode,
    get_named_type,
    is_leaf_type,
    print_ast,
)

__all__ = ["Claim", "Claims", "tidied"]


@dataclass(frozen=True, slots=True)
class Claim:
    """A field, without its alias, that wants a name in objects of these types."""

    field: FieldNode
    types: frozenset[str]
    type: GraphQLOutputType

    def agrees(self, other: "Claim") -> bool:
        """Both may have the same response name: the same field, or the same kind of value in different objects."""
        if str(self.type) != str(other.type):
            return False
        if self.types.isdisjoint(other.types) and is_leaf_type(get_named_type(self.type)):
            return True
        return print_ast(self.field) == print_ast(other.field)


@dataclass(slots=True)
class Claims:
    """The names given out in one selection."""

    _by_name: dict[str, list[Claim]] = field(default_factory=dict)

    @property
    def names(self) -> set[str]:
        return set(self._by_name)

    def name_for(self, wanted: str, claim: Claim) -> str:
        name, number = wanted, 1
        while not all(claim.agrees(other) for other in self._by_name.get(name, ())):
            number += 1
            name = f"{wanted}_{number}"
        self._by_name.setdefault(name, []).append(claim)
        return name


def tidied(selections: Sequence[SelectionNode]) -> tuple[SelectionNode, ...]:
    """Fragments on one type are joined and nothing is asked for twice: the document is there to be read, too."""
    names = {(node.alias or node.name).value for node in selections if isinstance(node, FieldNode)}
    if len(names) == len(selections):
        return tuple(selections)
    tidy: dict[str, SelectionNode] = {}
    for node in selections:
        if not isinstance(node, InlineFragmentNode):
            tidy.setdefault(print_ast(node), node)
            continue
        head = InlineFragmentNode(
            type_condition=node.type_condition,
            directives=node.directives,
            selection_set=SelectionSetNode(selections=()),
        )
        known = tidy.get(print_ast(head), head)
        assert isinstance(known, InlineFragmentNode)
        inner = (*known.selection_set.selections, *node.selection_set.selections)
        tidy[print_ast(head)] = InlineFragmentNode(
            type_condition=node.type_condition,
            directives=node.directives,
            selection_set=SelectionSetNode(selections=tidied(inner)),
        )
    return tuple(tidy.values())
