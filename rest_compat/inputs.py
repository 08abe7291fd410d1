"""From an operation's variables to the bindings that fill them."""

from collections.abc import Sequence
from dataclasses import replace

from graphql import (
    ArgumentNode,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLSchema,
    ObjectFieldNode,
    OperationDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    get_named_type,
    is_input_type,
    is_non_null_type,
    type_from_ast,
    value_from_ast_untyped,
    visit,
)

from rest_compat.bindings import Binding
from rest_compat.dialect import Dialect
from rest_compat.mistakes import Mistakes, did_you_mean
from rest_compat.values import json_reader, text_reader
from rest_compat.vocabulary import PAYLOADS, Place, Route, Source, read_limits, read_sources

__all__ = ["read_bindings"]

_BODYLESS = frozenset({"GET", "DELETE"})


def read_bindings(
    operation: OperationDefinitionNode,
    route: Route,
    parameters: Sequence[str],
    dialect: Dialect,
    schema: GraphQLSchema,
    mistakes: Mistakes,
) -> tuple[Binding, ...]:
    bindings = []
    uses = _Uses(operation, schema)
    for variable in operation.variable_definitions or ():
        binding = _binding(variable, route, parameters, dialect, schema, mistakes)
        binding = replace(
            binding,
            description=binding.description or uses.descriptions.get(binding.variable),
            targets=tuple(uses.targets.get(binding.variable, ())),
        )
        _check_sources(variable, binding, route, parameters, mistakes)
        bindings.append(binding)
    _check_parameters(bindings, route, parameters, dialect, mistakes)
    _check_payload(bindings, route, mistakes)
    # The cheapest places first, so that a request is refused for its path before its body is looked into.
    return tuple(sorted(bindings, key=lambda binding: list(Place).index(binding.sources[0].place)))


def _binding(
    variable: VariableDefinitionNode,
    route: Route,
    parameters: Sequence[str],
    dialect: Dialect,
    schema: GraphQLSchema,
    mistakes: Mistakes,
) -> Binding:
    name = variable.variable.name.value
    type_ = type_from_ast(schema, variable.type)
    assert is_input_type(type_)  # The document was validated.
    input_type: GraphQLInputType = type_
    limits = read_limits(variable)
    default = variable.default_value
    return Binding(
        variable=name,
        sources=read_sources(variable, mistakes) or (_usual_source(name, route, parameters),),
        type=input_type,
        required=limits.required or (is_non_null_type(input_type) and default is None),
        limits=limits,
        read_json=json_reader(input_type, dialect.spell),
        read_text=text_reader(input_type, dialect.spell),
        default=None if default is None else value_from_ast_untyped(default),
        description=variable.description.value if variable.description else None,
    )


def _usual_source(name: str, route: Route, parameters: Sequence[str]) -> Source:
    if name in parameters:
        return Source(Place.PATH, name)
    return Source(Place.QUERY if route.method in _BODYLESS else Place.BODY, name)


def _check_sources(
    variable: VariableDefinitionNode, binding: Binding, route: Route, parameters: Sequence[str], mistakes: Mistakes
) -> None:
    for source in binding.sources:
        if source.place is Place.PATH and source.name not in parameters:
            hint = did_you_mean(source.name, parameters)
            mistakes.at(variable, f"The path {route.path} has no parameter {source.name!r}.{hint}")
        if source.place in PAYLOADS and route.method == "GET":
            mistakes.at(variable, f"${binding.variable} wants the body, and a GET has none.")
        if source.separator is not None and not (source.place is Place.BODY and binding.is_list):
            mistakes.at(variable, f"A separator is for a list in the JSON body, which ${binding.variable} is not.")


def _check_parameters(
    bindings: Sequence[Binding], route: Route, parameters: Sequence[str], dialect: Dialect, mistakes: Mistakes
) -> None:
    bound = {source.name for binding in bindings for source in binding.sources if source.place is Place.PATH}
    for parameter in parameters:
        if parameter not in bound | dialect.key_parameters:
            hint = did_you_mean(parameter, [binding.variable for binding in bindings])
            mistakes.at(route.node, f"No variable takes the path parameter {parameter!r}.{hint}")


def _check_payload(bindings: Sequence[Binding], route: Route, mistakes: Mistakes) -> None:
    places = {source.place for binding in bindings for source in binding.sources} & PAYLOADS
    if len(places) > 1:
        words = " and ".join(sorted(places))
        mistakes.at(route.node, f"A request has one body; {words} cannot both be read from it.")


class _Uses(Visitor):
    """Where the variables go, and what the graph says of the arguments and input fields that take them."""

    def __init__(self, operation: OperationDefinitionNode, schema: GraphQLSchema) -> None:
        super().__init__()
        self.descriptions: dict[str, str] = {}
        self.targets: dict[str, list[str]] = {}
        self._path: list[str] = []
        self._type_info = TypeInfo(schema)
        visit(operation, TypeInfoVisitor(self._type_info, self))

    def enter_argument(self, node: ArgumentNode, *_: object) -> None:
        self._path = [node.name.value]
        argument = self._type_info.get_argument()
        self._note(node, argument.description if argument else None)

    def enter_object_field(self, node: ObjectFieldNode, *_: object) -> None:
        self._path.append(node.name.value)
        parent = self._type_info.get_parent_input_type()
        holder = get_named_type(parent) if parent else None
        field = holder.fields.get(node.name.value) if isinstance(holder, GraphQLInputObjectType) else None
        self._note(node, field.description if field else None)

    def leave_object_field(self, *_: object) -> None:
        self._path.pop()

    def _note(self, node: ArgumentNode | ObjectFieldNode, description: str | None) -> None:
        if isinstance(node.value, VariableNode):
            name = node.value.name.value
            self.targets.setdefault(name, []).append(".".join(self._path))
            if description:
                self.descriptions.setdefault(name, description)
