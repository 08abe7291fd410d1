"""The state of one run of a plan, and what every part of a plan needs to know about values."""

from asyncio import Future, gather
from collections.abc import Awaitable, Coroutine, Mapping, Sequence
from types import FunctionType, GeneratorType, NoneType
from typing import Any, TypeVar  # Values, contexts and roots are whatever resolvers make of them.

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLField,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    OperationDefinitionNode,
    Undefined,
    default_field_resolver,
    default_type_resolver,
    located_error,
)
from graphql.execution import Executor as CoreExecutor
from graphql.execution.collect_fields import FieldDetails, FragmentDetails
from graphql.execution.executor import CollectedErrors
from graphql.execution.values import VariableValues
from graphql.pyutils import gather_with_cancel, is_awaitable
from graphql.pyutils.path import Path
from graphql.type import GraphQLResolveInfo, GraphQLResolveInfoHelpers

__all__ = ["ORDINARY", "Field", "Info", "Run", "Surroundings", "at", "awaits", "finish_all", "settle"]

_new = tuple.__new__
Info = GraphQLResolveInfo[Any]
_Core = TypeVar("_Core", bound="CoreExecutor[Any]")
_unfinished: set[Future[Any]] = set()


class _Ordinary(dict[type, bool]):
    """Types whose values are what they look like: neither awaitable, nor raised, nor absent, nor made up on the fly."""

    def __missing__(self, kind: type) -> bool:
        ordinary = not (
            issubclass(kind, Exception | NoneType | GeneratorType | type(Undefined))
            or hasattr(kind, "__await__")
            or hasattr(kind, "__getattr__")
            or isinstance(kind.__getattribute__, FunctionType)
        )
        # Classes that are made anew for each request must not pile up here.
        if len(self) < 10_000:
            self[kind] = ordinary
        return ordinary


ORDINARY = _Ordinary()


def awaits(value: object) -> bool:
    return not ORDINARY[type(value)] and is_awaitable(value)


class Field:
    """One response key of one object type: what all the selected field nodes have in common."""

    __slots__ = ("definition", "details", "key", "nodes", "parent", "prefix", "type")

    def __init__(
        self, key: str, details: list[FieldDetails], definition: GraphQLField, parent: GraphQLObjectType
    ) -> None:
        self.key, self.details, self.definition, self.parent = key, details, definition, parent
        self.nodes: list[FieldNode] = [detail.node for detail in details]
        self.type: GraphQLOutputType = definition.type
        self.prefix = (self.nodes[0].name.value, self.nodes, self.type, parent)


class Surroundings:
    """What all runs of an operation share."""

    __slots__ = ("fragment_definitions", "fragments", "hide_suggestions", "operation", "schema")

    def __init__(
        self,
        schema: GraphQLSchema,
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
        *,
        hide_suggestions: bool,
    ) -> None:
        self.schema, self.operation, self.hide_suggestions = schema, operation, hide_suggestions
        self.fragment_definitions = dict(fragments)
        self.fragments = {name: FragmentDetails(node) for name, node in fragments.items()}


class Run:
    __slots__ = ("_context", "_core", "_errors", "_fresh", "_suffix", "arguments", "root", "surroundings", "variables")

    def __init__(self, surroundings: Surroundings, variables: VariableValues, context: Any) -> None:
        self.surroundings, self.variables = surroundings, variables
        self.root: Any = None
        self.arguments: dict[Field, dict[str, Any]] = {}
        self._context, self._fresh = context, True
        self._suffix: tuple[Any, ...] | None = None
        self._core: CoreExecutor[None] | None = None
        self._errors: CollectedErrors | None = None

    def next(self, event: Any) -> "Run":
        """The run of one event of a subscription: with its own errors, and its own data loaders if it needs them."""
        run = Run(self.surroundings, self.variables, self._context)
        run.root, run.arguments, run._fresh = event, self.arguments, False
        return run

    @property
    def context(self) -> Any:
        """Asked for by the first resolver that runs: an event without one never pays for new data loaders."""
        if not self._fresh:
            self._fresh = True
            renew = getattr(self._context, "fresh", None)
            if renew is not None:
                self._context = renew()
        return self._context

    def info(self, field: Field, path: Path) -> Info:
        if self._suffix is None:
            self._suffix = self._surround(self.context)
        return _info(field, path, self._suffix)

    def type_info(self, field: Field, path: Path) -> Info:
        """For telling types apart, which is no reason to make new data loaders."""
        return _info(field, path, self._suffix or self._surround(self._context))

    def _surround(self, context: Any) -> tuple[Any, ...]:
        around = self.surroundings
        return (
            around.schema,
            around.fragment_definitions,
            self.root,
            around.operation,
            self.variables,
            context,
            is_awaitable,
            None,
            _HELPERS,
        )

    @property
    def core(self) -> "CoreExecutor[None]":
        """graphql-core in the middle of this run, for whatever is too unusual to have a plan."""
        if self._core is None:
            self._core = self.core_of(CoreExecutor)
            self._core.collected_errors = self._collected
        return self._core

    def core_of(self, kind: type[_Core]) -> _Core:
        around = self.surroundings
        return kind(
            around.schema,
            around.fragment_definitions,
            around.fragments,
            self.root,
            self.context,
            around.operation,
            self.variables,
            default_field_resolver,
            default_type_resolver,
            default_field_resolver,
            hide_suggestions=around.hide_suggestions,
        )

    @property
    def errors(self) -> Sequence[GraphQLError]:
        return self._errors.errors if self._errors else ()

    def add(self, error: GraphQLError, path: Path | None) -> None:
        self._collected.add(error, path)

    def failed(self, error: Exception, field: Field, kind: GraphQLOutputType, path: Path) -> Any:
        """Null where the type allows it; else the error goes on to whatever holds this value."""
        located = located_error(error, field.nodes, path.as_list())
        if isinstance(kind, GraphQLNonNull):
            raise located
        self.add(located, path)
        return None

    @property
    def _collected(self) -> CollectedErrors:
        if self._errors is None:
            self._errors = CollectedErrors()
        return self._errors


def _info(field: Field, path: Path, suffix: tuple[Any, ...]) -> Info:
    # Half the price of calling the named tuple, and paid for every resolver of every row.
    info: Info = _new(GraphQLResolveInfo, (*field.prefix, path, *suffix))
    return info


def at(path: Path | None, index: int | None) -> Path:
    """The place of a row: in the list at `path`, or at `path` itself."""
    # Only the root has neither, and nobody looks at its place.
    return path if index is None else _new(Path, (path, index, None))  # type: ignore[return-value]


async def finish_all(holder: Any, waiting: dict[Any, Coroutine[Any, Any, Any]]) -> Any:
    """Puts what `holder` waits for in its place: one task each, as graphql-core does, so that data loaders batch."""
    if len(waiting) == 1:
        for key, value in waiting.items():
            holder[key] = await value
    else:
        for key, value in zip(waiting, await gather_with_cancel(*waiting.values()), strict=True):
            holder[key] = value
    return holder


def settle(abandoned: Sequence[Awaitable[Any]]) -> None:
    """Lets work end that nobody will look at: an error beside it has already decided the answer."""
    if abandoned:
        ending = gather(*abandoned, return_exceptions=True)
        _unfinished.add(ending)
        ending.add_done_callback(_unfinished.discard)


def _track(values: Sequence[Any]) -> None:
    settle([value for value in values if is_awaitable(value)])


def _gather(values: Sequence[Awaitable[Any]]) -> Awaitable[list[Any]]:
    return gather_with_cancel(*values)


_HELPERS = GraphQLResolveInfoHelpers(gather=_gather, track=_track)
