"""From what a document selects to the shape of the answer, and to the same selection without our directives.

Fragments are written out where they are spread, constants are not asked for, and a response name that two places want
for different fields is given out twice: how an answer names things is the shape's business, not the executor's.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from graphql import (
    DirectiveNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    GraphQLUnionType,
    InlineFragmentNode,
    NamedTypeNode,
    NameNode,
    SelectionNode,
    SelectionSetNode,
    get_named_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)

from rest_compat.arrangement import Entry, Key, arrange, keys
from rest_compat.mistakes import Mistakes
from rest_compat.names import Claim, Claims, tidied
from rest_compat.shapes import TYPENAME, Constant, Fetch, Leaf, Members, OneOf, Shape
from rest_compat.vocabulary import constant, directive, theirs

__all__ = ["Event", "Reading", "Selected", "Selector"]

Composite = GraphQLObjectType | GraphQLInterfaceType | GraphQLUnionType
Types = frozenset[str]


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event, and what it holds for each type of source event that gives it."""

    name: str | None
    fails: bool
    shapes: Mapping[str, Shape]


@dataclass(frozen=True, slots=True)
class Reading:
    """`@respond`: a value taken out of the result, by the path to it, for the status or a header."""

    path: tuple[str, ...]
    status: int | None
    header: str | None


@dataclass(frozen=True, slots=True)
class Selected:
    selection_set: SelectionSetNode
    shape: Shape
    events: tuple[Event, ...]
    readings: tuple[Reading, ...]


@dataclass(frozen=True, slots=True)
class _Where:
    """Where the walk stands within one object: which types it still speaks of, and what surrounds it."""

    type: Composite
    types: Types
    place: tuple[Key, ...] = ()
    event: int | None = None
    conditional: bool = False
    # How many objects further in `@event` belongs: 1 in the root of a stream, 0 in its field, None elsewhere.
    events_in: int | None = None


@dataclass(slots=True)
class _Object:
    """One object of the result while its selection is walked."""

    entries: list[Entry] = field(default_factory=list)
    claims: Claims = field(default_factory=Claims)
    readings: list[Reading] = field(default_factory=list)
    events: list[DirectiveNode] = field(default_factory=list)
    event_types: list[Types] = field(default_factory=list)
    inner_events: tuple[Event, ...] = ()


class Selector:
    def __init__(
        self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode], mistakes: Mistakes
    ) -> None:
        self._schema, self._fragments, self._mistakes = schema, fragments, mistakes

    def select(self, node: SelectionSetNode, type_: Composite, *, events_in: int | None = None) -> Selected:
        found = _Object()
        types = self._possible(type_)
        selections = list(self._walk(node.selections, _Where(type_, types, events_in=events_in), found))
        shape = self._shape(found, types)
        if isinstance(shape, OneOf) or found.events or not selections:
            selections.insert(0, FieldNode(name=NameNode(value=TYPENAME)))
        if isinstance(shape, Members):
            shape = replace(shape, fragment=_only_fragment(node))
        selection_set = SelectionSetNode(selections=tidied(selections))
        return Selected(selection_set, shape, self._events(found) or found.inner_events, tuple(found.readings))

    # ---------------------------------------------------------------- walking one object

    def _walk(self, selections: Sequence[SelectionNode], where: _Where, found: _Object) -> Iterator[SelectionNode]:
        for node in selections:
            if isinstance(node, FieldNode):
                yield from self._field(node, where, found)
            elif isinstance(node, FragmentSpreadNode):
                yield from self._fragment(node, self._fragments[node.name.value], where, found)
            elif isinstance(node, InlineFragmentNode):
                if (event := directive(node, "event")) and where.events_in != 0:
                    self._mistakes.at(
                        event, "@event belongs directly inside the field of a subscription answered as SSE."
                    )
                yield from self._fragment(node, node, where, found)

    def _fragment(
        self,
        spread: FragmentSpreadNode | InlineFragmentNode,
        fragment: FragmentDefinitionNode | InlineFragmentNode,
        where: _Where,
        found: _Object,
    ) -> Iterator[SelectionNode]:
        inner = self._entered(spread, fragment, where, found)
        selections = tuple(self._walk(fragment.selection_set.selections, inner, found))
        conditions = theirs(spread.directives)
        if not selections:
            return
        if inner.types == where.types and not conditions:
            yield from selections
            return
        yield InlineFragmentNode(
            type_condition=fragment.type_condition,
            directives=conditions,
            selection_set=SelectionSetNode(selections=selections),
        )

    def _entered(
        self,
        spread: FragmentSpreadNode | InlineFragmentNode,
        fragment: FragmentDefinitionNode | InlineFragmentNode,
        where: _Where,
        found: _Object,
    ) -> _Where:
        inner = where
        if fragment.type_condition is not None:
            narrowed = self._composite(fragment.type_condition)
            inner = replace(inner, type=narrowed, types=where.types & self._possible(narrowed))
        if event := directive(spread, "event"):
            found.events.append(event)
            found.event_types.append(inner.types)
            inner = replace(inner, event=len(found.events) - 1)
        if under := directive(spread, "under"):
            inner = replace(inner, place=inner.place + keys(constant(under, "key")))
        return replace(inner, conditional=inner.conditional or bool(theirs(spread.directives)))

    def _field(self, node: FieldNode, where: _Where, found: _Object) -> Iterator[SelectionNode]:
        if node.name.value == TYPENAME and node.alias is None:
            return
        always, respond = directive(node, "always"), directive(node, "respond")
        fixed = constant(always, "value") if always else None
        template = fixed if isinstance(fixed, str) and "{}" in fixed and node.name.value != TYPENAME else None
        member = Constant(fixed) if always and template is None else None
        if member and node.name.value == TYPENAME:
            if where.conditional:
                self._mistakes.at(node, "A constant is always there; it cannot stand under @include or @skip.")
            found.entries.append(_entry(node, where, member))
            return
        definition = self._definition(node, where.type)
        type_ = definition.type
        stripped, shape, readings = self._stripped(node, type_, where, found)
        key = found.claims.name_for(_name(node), Claim(stripped, where.types, type_))
        if respond:
            if not is_leaf_type(get_named_type(type_)):
                self._mistakes.at(node, "@respond takes a truth value for a status, or a text for a header.")
            found.readings.append(Reading((key,), constant(respond, "status"), constant(respond, "header")))
        elif not (readings and shape == Members((), exact=False)):
            conditional = where.conditional or bool(stripped.directives)
            optional = directive(node, "optional") is not None
            fetch = Fetch(key, type_, shape, optional, conditional, template, definition.description)
            found.entries.append(_entry(node, where, member or fetch))
        if (readings or respond) and is_list_type(_nullable(type_)):
            self._mistakes.at(node, "@respond cannot stand in a list: one answer has one status.")
        found.readings += [replace(reading, path=(key, *reading.path)) for reading in readings]
        yield FieldNode(
            alias=NameNode(value=key) if key != node.name.value else None,
            name=stripped.name,
            arguments=stripped.arguments,
            directives=stripped.directives,
            selection_set=stripped.selection_set,
            loc=node.loc,
        )

    def _stripped(
        self, node: FieldNode, type_: GraphQLOutputType, where: _Where, found: _Object
    ) -> tuple[FieldNode, Shape, Sequence[Reading]]:
        """The field without alias and our directives, what its value is like, and what `@respond` wants of it."""
        named = get_named_type(type_)
        selected: Selected | None = None
        if node.selection_set is not None and isinstance(named, Composite):
            selected = self.select(node.selection_set, named, events_in=where.events_in and where.events_in - 1)
            found.inner_events = selected.events
        stripped = FieldNode(
            name=node.name,
            arguments=node.arguments,
            directives=theirs(node.directives),
            selection_set=selected.selection_set if selected else None,
        )
        return stripped, selected.shape if selected else Leaf(), selected.readings if selected else ()

    # ---------------------------------------------------------------- what was found

    def _shape(self, found: _Object, types: Types) -> Shape:
        common = [entry for entry in found.entries if entry.event is None]
        asked = found.claims.names
        shapes = {name: self._arranged(common, name, asked) for name in sorted(types)}
        first = next(iter(shapes.values()))
        return first if all(shape == first for shape in shapes.values()) else OneOf(shapes)

    def _events(self, found: _Object) -> tuple[Event, ...]:
        return tuple(
            Event(
                constant(node, "name"),
                bool(constant(node, "fails")),
                {
                    name: self._arranged([each for each in found.entries if each.event in (None, number)], name, None)
                    for name in sorted(types)
                },
            )
            for number, (node, types) in enumerate(zip(found.events, found.event_types, strict=True))
        )

    def _arranged(self, entries: Sequence[Entry], type_name: str, asked: set[str] | None) -> Shape:
        here = [entry for entry in entries if type_name in entry.types]
        fetched = {entry.member.key for entry in here if isinstance(entry.member, Fetch)}
        return arrange(here, exact=asked is not None and fetched == asked, mistakes=self._mistakes)

    # ---------------------------------------------------------------- the schema

    def _possible(self, type_: Composite) -> Types:
        if isinstance(type_, GraphQLObjectType):
            return frozenset({type_.name})
        return frozenset(possible.name for possible in self._schema.get_possible_types(type_))

    def _composite(self, node: NamedTypeNode) -> Composite:
        type_ = self._schema.type_map[node.name.value]
        assert isinstance(type_, Composite)  # The document was validated.
        return type_

    def _definition(self, node: FieldNode, parent: Composite) -> GraphQLField:
        definition = self._schema.get_field(parent, node.name.value)
        assert definition is not None  # The document was validated.
        return definition


def _entry(node: FieldNode, where: _Where, member: Constant | Fetch) -> Entry:
    under = directive(node, "under")
    place = where.place + (keys(constant(under, "key")) if under else ())
    # The one field of a stream is what is streamed.
    if directive(node, "body") is None and where.events_in != 1:
        place += (_name(node),)
    return Entry(node, where.types, place, member, where.event)


def _name(node: FieldNode) -> str:
    return (node.alias or node.name).value


def _nullable(type_: GraphQLOutputType) -> GraphQLOutputType:
    return type_.of_type if is_non_null_type(type_) else type_


def _only_fragment(node: SelectionSetNode) -> str | None:
    only = node.selections[0]
    if len(node.selections) == 1 and isinstance(only, FragmentSpreadNode) and not only.directives:
        return only.name.value
    return None
