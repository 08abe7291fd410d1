"""One GraphQL operation per documented endpoint, compiled and checked before the server listens."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    Node,
    NoUnusedFragmentsRule,
    NoUnusedVariablesRule,
    OperationDefinitionNode,
    OperationType,
    OverlappingFieldsCanBeMergedRule,
    SelectionSetNode,
    Source,
    VariableDefinitionNode,
    Visitor,
    parse,
    print_ast,
    specified_rules,
    validate,
    visit,
)

from rest_compat.bindings import Binding
from rest_compat.conditions import Condition, read_condition
from rest_compat.dialect import Dialect
from rest_compat.inputs import read_bindings
from rest_compat.mistakes import Mistakes
from rest_compat.paging import Paging, read_paging
from rest_compat.routes import check_path, check_routes, parameters
from rest_compat.selections import Selected, Selector
from rest_compat.vocabulary import Form, Route, extended, read_route, theirs

__all__ = ["Endpoint", "compile_dialect", "compile_documents"]

# What two fragments ask for under one name is sorted out by the selector; a fragment may be there for another file.
_LATER = {OverlappingFieldsCanBeMergedRule, NoUnusedFragmentsRule}
Definition = TypeVar("Definition", OperationDefinitionNode, FragmentDefinitionNode)

_RULES = [rule for rule in specified_rules if rule not in _LATER]
# What taking our directives out could have broken.
_LAST_RULES = [OverlappingFieldsCanBeMergedRule, NoUnusedVariablesRule]


@dataclass(frozen=True)
class Endpoint:
    """One documented endpoint and everything that answers it."""

    api: str
    name: str
    kind: str
    method: str
    path: str
    form: Form
    status: int
    errors: tuple[int, ...]
    paging: Paging | None
    condition: Condition | None
    bindings: tuple[Binding, ...]
    document: str
    selected: Selected
    description: str
    place: str

    @property
    def parameters(self) -> tuple[str, ...]:
        return parameters(self.path)


def compile_dialect(dialect: Dialect, schema: GraphQLSchema) -> tuple[Endpoint, ...]:
    """The endpoints of the dialect's folder; raises `CompileError` with every mistake in it."""
    assert dialect.folder is not None
    files = sorted(dialect.folder.rglob("*.graphql"))
    return compile_documents(dialect, schema, {_shown(file): file.read_text("utf-8") for file in files})


def compile_documents(dialect: Dialect, schema: GraphQLSchema, documents: Mapping[str, str]) -> tuple[Endpoint, ...]:
    mistakes = Mistakes()
    parsed = list(_parsed(documents, mistakes))
    fragments = _fragments(parsed, mistakes)
    operations = _operations(parsed, mistakes)
    wide = extended(schema)
    endpoints = []
    for operation in operations.values():
        if not _is_sound(operation, fragments, wide, mistakes):
            continue
        if (route := _route(operation, dialect, mistakes)) is not None:
            endpoints.append(_endpoint(operation, route, fragments, dialect, schema, mistakes))
    _check_unused(operations.values(), fragments, mistakes)
    check_routes(endpoints, operations, mistakes)
    mistakes.raise_if_any()
    return tuple(endpoints)


# -------------------------------------------------------------------- reading and checking


def _parsed(documents: Mapping[str, str], mistakes: Mistakes) -> Iterator[DocumentNode]:
    for name, text in documents.items():
        try:
            yield parse(Source(text, name))
        except GraphQLError as error:
            mistakes.add_graphql(error)


def _fragments(parsed: Sequence[DocumentNode], mistakes: Mistakes) -> dict[str, FragmentDefinitionNode]:
    fragments: dict[str, FragmentDefinitionNode] = {}
    for node in _definitions(parsed, FragmentDefinitionNode):
        if fragments.setdefault(node.name.value, node) is not node:
            mistakes.at(node, f"There is already a fragment {node.name.value} in this dialect.")
    return fragments


def _operations(parsed: Sequence[DocumentNode], mistakes: Mistakes) -> dict[str, OperationDefinitionNode]:
    operations: dict[str, OperationDefinitionNode] = {}
    for node in _definitions(parsed, OperationDefinitionNode):
        if node.name is None:
            mistakes.at(node, "An operation needs a name: a verb and the old API's noun.")
        elif operations.setdefault(node.name.value, node) is not node:
            mistakes.at(node, f"There is already an operation {node.name.value} in this dialect.")
    return operations


def _definitions(parsed: Sequence[DocumentNode], kind: type[Definition]) -> Iterator[Definition]:
    return (node for document in parsed for node in document.definitions if isinstance(node, kind))


def _is_sound(
    operation: OperationDefinitionNode,
    fragments: Mapping[str, FragmentDefinitionNode],
    schema: GraphQLSchema,
    mistakes: Mistakes,
) -> bool:
    reached = [fragments[name] for name in sorted(_spread(operation, fragments))]
    errors = validate(schema, DocumentNode(definitions=(operation, *reached)), _RULES)
    for error in errors:
        mistakes.add_graphql(error)
    return not errors


def _spread(
    node: Node, fragments: Mapping[str, FragmentDefinitionNode], seen: frozenset[str] = frozenset()
) -> set[str]:
    """The names of the fragments a node uses, directly or not."""
    finder = _SpreadFinder()
    visit(node, finder)
    found = finder.names & fragments.keys()
    for name in found - seen:
        found |= _spread(fragments[name], fragments, seen | found)
    return found


class _SpreadFinder(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: object) -> None:
        self.names.add(node.name.value)


def _check_unused(
    operations: Iterable[OperationDefinitionNode],
    fragments: Mapping[str, FragmentDefinitionNode],
    mistakes: Mistakes,
) -> None:
    used = {name for operation in operations for name in _spread(operation, fragments)}
    for name in fragments.keys() - used:
        mistakes.at(fragments[name], f"No operation uses the fragment {name}.")


def _route(operation: OperationDefinitionNode, dialect: Dialect, mistakes: Mistakes) -> Route | None:
    route = read_route(operation)
    if route is None:
        mistakes.at(operation, "This operation answers no endpoint: give it @route(method:, path:).")
        return None
    if problem := check_path(route.path, dialect.prefixes):
        mistakes.at(route.node, problem)
        return None
    streams = operation.operation is OperationType.SUBSCRIPTION
    if streams and route.form not in (Form.SSE, Form.JSONL):
        mistakes.at(route.node, f"A subscription is answered as SSE or JSONL, not as {route.form}.")
    if route.page and dialect.page is None:
        mistakes.at(route.node, f"The dialect {dialect.name} has no page envelope.")
    return route


# -------------------------------------------------------------------- compiling


def _endpoint(
    operation: OperationDefinitionNode,
    route: Route,
    fragments: Mapping[str, FragmentDefinitionNode],
    dialect: Dialect,
    schema: GraphQLSchema,
    mistakes: Mistakes,
) -> Endpoint:
    assert operation.name is not None
    assert operation.loc is not None
    root = schema.get_root_type(operation.operation)
    assert root is not None  # The document was validated.
    selector = Selector(schema, fragments, mistakes)
    streams = operation.operation is OperationType.SUBSCRIPTION or route.form is Form.SSE
    selected = selector.select(operation.selection_set, root, events_in=1 if streams else None)
    stripped = _stripped(operation, selected.selection_set)
    for error in validate(schema, DocumentNode(definitions=(stripped,)), _LAST_RULES):
        mistakes.at(operation, error.message)
    if streams and selected.events and route.form is not Form.SSE:
        mistakes.at(route.node, f"@event gives server-sent events; this is answered as {route.form}.")
    return Endpoint(
        api=dialect.name,
        name=operation.name.value,
        kind=operation.operation.value,
        method=route.method,
        path=route.path,
        form=route.form,
        status=route.status,
        errors=route.errors,
        paging=read_paging(route.page, operation, selected.shape, mistakes) if route.page and dialect.page else None,
        condition=read_condition(route.when, mistakes) if route.when else None,
        bindings=read_bindings(operation, route, parameters(route.path), dialect, schema, mistakes),
        document=print_ast(stripped),
        selected=selected,
        description=operation.description.value if operation.description else "",
        place=f"{operation.loc.source.name}:{operation.loc.start_token.line}",
    )


def _stripped(operation: OperationDefinitionNode, selection_set: SelectionSetNode) -> OperationDefinitionNode:
    return OperationDefinitionNode(
        operation=operation.operation,
        name=operation.name,
        variable_definitions=tuple(
            VariableDefinitionNode(
                variable=variable.variable, type=variable.type, default_value=variable.default_value, directives=()
            )
            for variable in operation.variable_definitions or ()
        ),
        directives=theirs(operation.directives),
        selection_set=selection_set,
    )


def _shown(file: Path) -> str:
    """The path as an author knows it: from the folder that holds the package."""
    root = Path(__file__).parents[1]
    return str(file.relative_to(root)) if file.is_relative_to(root) else str(file)
