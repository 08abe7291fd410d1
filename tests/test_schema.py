"""The graph as customers see it."""

from collections.abc import Iterator
from pathlib import Path

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLUnionType,
    is_introspection_type,
    is_specified_scalar_type,
)
from strawberry.types.base import StrawberryObjectDefinition

from schema import schema
from schema.access import Requires

GRAPH = schema._schema
ROOTS = ("Query", "Mutation", "Subscription")


def own_types() -> Iterator[GraphQLNamedType]:
    for type in GRAPH.type_map.values():
        if not is_introspection_type(type) and not is_specified_scalar_type(type):
            yield type


def test_is_what_is_committed() -> None:
    """`palaver schema > schema/schema.graphql` brings it up to date."""
    committed = (Path(__file__).parent.parent / "schema" / "schema.graphql").read_text("utf-8")

    assert schema.as_str() + "\n" == committed


def test_every_root_field_says_what_it_needs() -> None:
    silent = []
    for root in ROOTS:
        definition = schema.schema_converter.type_map[root].definition
        assert isinstance(definition, StrawberryObjectDefinition)
        silent += [
            f"{root}.{field.python_name}"
            for field in definition.fields
            if not any(isinstance(directive, Requires) for directive in field.directives)
        ]

    assert silent == []


def test_everything_is_described() -> None:
    silent = []
    for type in own_types():
        if not type.description:
            silent.append(type.name)
        if isinstance(type, GraphQLEnumType):
            silent += [f"{type.name}.{name}" for name, value in type.values.items() if not value.description]
        if isinstance(type, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
            for name, field in type.fields.items():
                if not field.description:
                    silent.append(f"{type.name}.{name}")
                silent += [
                    f"{type.name}.{name}({argument}:)"
                    for argument, value in getattr(field, "args", {}).items()
                    if not value.description
                ]

    assert silent == []


def test_names_follow_the_customs() -> None:
    wrong = []
    for type in own_types():
        if not type.name[0].isupper() or "_" in type.name:
            wrong.append(type.name)
        if isinstance(type, GraphQLEnumType):
            wrong += [f"{type.name}.{value}" for value in type.values if value != value.upper()]
        elif not isinstance(type, GraphQLUnionType) and hasattr(type, "fields"):
            wrong += [f"{type.name}.{name}" for name in type.fields if "_" in name or not name[0].islower()]

    assert wrong == []


def test_mutations_take_one_input_and_give_a_payload() -> None:
    assert GRAPH.mutation_type is not None
    for name, field in GRAPH.mutation_type.fields.items():
        assert list(field.args) == ["input"], name
        assert str(field.type).rstrip("!").endswith("Payload"), name


def test_lists_that_grow_are_connections() -> None:
    for type in own_types():
        if type.name.endswith("Connection"):
            assert isinstance(type, GraphQLObjectType)
            assert set(type.fields) == {"edges", "nodes", "pageInfo", "totalCount"}, type.name
