"""An operation compiled against its schema, so that a run only does what depends on the data.

A plan answers exactly as graphql-core does, errors and their order included; graphql-core itself collects the fields,
coerces variables and arguments, and completes whatever is too unusual to have a plan (asynchronous lists, `@stream`).
"""

from collections import OrderedDict
from collections.abc import AsyncIterable, Coroutine, Iterator, Mapping
from types import CoroutineType
from typing import Any  # Variables, roots and data are open by nature.

from graphql import (
    DirectiveNode,
    ExecutableDefinitionNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionNode,
    VariableNode,
    default_field_resolver,
    located_error,
)
from graphql.execution.collect_fields import GroupedFieldSet, collect_fields, collect_subfields
from graphql.execution.values import VariableValues, get_variable_values
from graphql.pyutils import inspect
from graphql.pyutils.path import Path

from execution.plan.completion import Project, completer
from execution.plan.fields import arguments, executor
from execution.plan.projection import Selected, generate
from execution.plan.running import Field, Run, Surroundings, awaits

__all__ = ["Plan", "Run"]

_CONDITIONAL = frozenset({"skip", "include", "defer"})
_INCREMENTAL = frozenset({"defer", "stream"})
# Each combination of conditions selects its own fields; clients use very few of them.
_MAX_VARIANTS = 16
_NO_VARIABLES = VariableValues({}, {})


class Plan:
    def __init__(
        self,
        schema: GraphQLSchema,
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
        *,
        hide_suggestions: bool,
    ) -> None:
        self.surroundings = Surroundings(schema, operation, fragments, hide_suggestions=hide_suggestions)
        self._conditions = sorted({name for node in (operation, *fragments.values()) for name in _conditions(node)})
        self._variants: OrderedDict[tuple[Any, ...], _Variant] = OrderedDict()
        self.incremental = any(
            directive.name.value in _INCREMENTAL
            for node in (operation, *fragments.values())
            for directive in _directives(node)
        )

    def begin(self, variables: Mapping[str, Any], context: Any) -> Run | list[GraphQLError]:
        """A run with the variables in the types that the operation declares, or what is wrong with them."""
        around = self.surroundings
        values: VariableValues | list[GraphQLError] = _NO_VARIABLES
        if around.operation.variable_definitions:
            values = get_variable_values(
                around.schema,
                around.operation.variable_definitions,
                dict(variables),
                max_errors=20,
                hide_suggestions=around.hide_suggestions,
            )
        return values if isinstance(values, list) else Run(around, values, context)

    def start(self, run: Run) -> Any:
        """The data, or a coroutine of it; errors are left with the run."""
        try:
            data = self._variant(run.variables).root(run, run.root, None, None, None)
        except GraphQLError as error:
            run.add(error, None)
            return None
        return _finish(run, data) if type(data) is CoroutineType else data

    async def subscribe(self, run: Run) -> AsyncIterable[Any]:
        """The events; raises a located error when there are none to be had."""
        field = self._variant(run.variables).first
        assert field
        path = Path(None, field.key, field.parent.name)
        resolve = field.definition.subscribe or default_field_resolver
        try:
            events = resolve(run.root, run.info(field, path), **arguments(run, field))
            if awaits(events):
                events = await events
            if isinstance(events, Exception):
                raise events
            if not hasattr(events, "__aiter__"):
                raise GraphQLError(f"Subscription field must return AsyncIterable. Received: {inspect(events)}.")
        except Exception as error:
            raise located_error(error, field.nodes, path.as_list()) from error
        stream: AsyncIterable[Any] = events
        return stream

    def broken(self, run: Run, error: Exception) -> GraphQLError:
        """The error of a source in the place of its events."""
        field = self._variant(run.variables).first
        assert field
        return located_error(error, field.nodes, [field.key])

    def _variant(self, variables: VariableValues) -> "_Variant":
        key = tuple([variables.coerced.get(name) for name in self._conditions])
        variant = self._variants.get(key)
        if variant is None:
            # A condition that cannot be decided raises here, every time anew.
            variant = self._variants[key] = _Variant(self.surroundings, variables)
            if len(self._variants) > _MAX_VARIANTS:
                self._variants.popitem(last=False)
        return variant


class _Variant:
    """A plan for one combination of conditions."""

    def __init__(self, surroundings: Surroundings, variables: VariableValues) -> None:
        self._surroundings, self._variables = surroundings, variables
        self._projections: dict[tuple[Field, GraphQLObjectType], Project] = {}
        operation = surroundings.operation
        root_type = surroundings.schema.get_root_type(operation.operation)
        assert root_type, "a valid operation has a root type"
        grouped = collect_fields(
            surroundings.schema,
            surroundings.fragments,
            variables,
            root_type,
            operation,
            surroundings.hide_suggestions,
        ).grouped_field_set
        selected = self._select(root_type, grouped)
        # None when conditions leave nothing; the one field of a subscription has no conditions.
        self.first = selected[0].field if selected else None
        self.root: Project = (
            _serially(selected) if operation.operation is OperationType.MUTATION else generate(selected)
        )

    def _project(self, field: Field, object_type: GraphQLObjectType) -> Project:
        project = self._projections.get((field, object_type))
        if project is None:
            around = self._surroundings
            grouped = collect_subfields(
                around.schema,
                around.fragments,
                self._variables,
                around.operation,
                object_type,
                field.details,
                around.hide_suggestions,
            ).grouped_field_set
            project = self._projections[field, object_type] = generate(self._select(object_type, grouped))
        return project

    def _select(self, object_type: GraphQLObjectType, grouped: GroupedFieldSet) -> list[Selected]:
        selected = []
        for key, details in grouped.items():
            definition = self._surroundings.schema.get_field(object_type, details[0].node.name.value)
            assert definition, "a valid operation selects fields that exist"
            field = Field(key, details, definition, object_type)
            selected.append(Selected(field, completer(field, field.type, self._project)))
        return selected


def _serially(selected: list[Selected]) -> Project:
    executes = [(one.field.key, executor(one.field, one.complete)) for one in selected]

    async def project(run: Run, source: Any, path: Any, index: Any, info: Any) -> dict[str, Any]:
        results = {}
        for key, execute in executes:
            done = execute(run, source, None)
            results[key] = await done if type(done) is CoroutineType else done
        return results

    return project


async def _finish(run: Run, data: Coroutine[Any, Any, Any]) -> Any:
    try:
        return await data
    except GraphQLError as error:
        run.add(error, None)
        return None


def _conditions(definition: ExecutableDefinitionNode) -> Iterator[str]:
    """The variables that decide which fields are selected."""
    for directive in _directives(definition):
        if directive.name.value in _CONDITIONAL:
            for argument in directive.arguments or ():
                if isinstance(argument.value, VariableNode):
                    yield argument.value.name.value


def _directives(definition: ExecutableDefinitionNode) -> Iterator[DirectiveNode]:
    waiting: list[SelectionNode] = list(definition.selection_set.selections)
    while waiting:
        node = waiting.pop()
        yield from node.directives or ()
        if isinstance(node, FieldNode | InlineFragmentNode) and node.selection_set:
            waiting += node.selection_set.selections
