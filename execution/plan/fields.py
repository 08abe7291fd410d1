"""How a field comes by its value: from a resolver, or simply from an attribute of the object it belongs to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from types import CoroutineType, NoneType
from typing import Any  # Values are whatever resolvers make of them.
from uuid import UUID

from graphql import GraphQLError, default_field_resolver, get_argument_values, get_nullable_type, is_leaf_type
from graphql.pyutils.path import Path

from execution.plan.completion import Complete, awaited, guarded, wants_info
from execution.plan.running import ORDINARY, Field, Run, at, awaits

__all__ = ["Attribute", "Event", "Execute", "Finish", "Origin", "arguments", "executor", "finisher", "origin", "raised"]

Execute = Callable[[Run, Any, Path | None], Any]
Finish = Callable[[Run, Path | None, int | None, Any], Any]

_new = tuple.__new__
# Arguments of these types may be handed to any number of resolvers: none can change them for the next.
_UNCHANGEABLE = frozenset({NoneType, bool, int, float, str, bytes, date, datetime, time, Decimal, UUID})


@dataclass(frozen=True, slots=True)
class Attribute:
    name: str
    # graphql-core's default resolver also looks into mappings, calls what can be called, and finds nothing wrong
    # with an attribute that is missing; Strawberry's is `getattr`.
    lenient: bool


@dataclass(frozen=True, slots=True)
class Event:
    """The one field of a subscription, whose value is the event itself."""


Origin = Attribute | Event | None


def origin(field: Field) -> Origin:
    """Where a value comes from when no resolver needs to be asked."""
    definition = field.definition
    if definition.args or field.nodes[0].arguments:
        return _event(field)
    if definition.resolve is None or definition.resolve is default_field_resolver:
        return Attribute(field.nodes[0].name.value, lenient=True)
    strawberry_field: Any = definition.extensions.get("strawberry-definition")
    # A basic field whose errors have handlers gets another resolver, which must then be called.
    if (
        getattr(strawberry_field, "is_basic_field", False)
        and strawberry_field.default_resolver is getattr
        and definition.resolve.__name__ == "_get_basic_result"
    ):
        return Attribute(strawberry_field.python_name, lenient=False)
    return _event(field)


def _event(field: Field) -> Event | None:
    strawberry_field: Any = field.definition.extensions.get("strawberry-definition")
    return Event() if getattr(strawberry_field, "is_subscription", False) else None


def executor(field: Field, complete: Complete) -> Execute:
    """Calls the resolver."""
    resolve = field.definition.resolve or default_field_resolver
    kind, key, typename = field.type, field.key, field.parent.name
    takes_arguments = bool(field.definition.args or field.nodes[0].arguments)

    def execute(run: Run, source: Any, here: Path | None) -> Any:
        path: Path = _new(Path, (here, key, typename))
        info = run.info(field, path)
        try:
            value = resolve(source, info, **arguments(run, field)) if takes_arguments else resolve(source, info)
            if type(value) is CoroutineType or awaits(value):
                return awaited(run, value, complete, field, kind, path, info)
            done = complete(run, value, path, info)
        except Exception as error:
            return run.failed(error, field, kind, path)
        return guarded(run, done, field, kind, path) if type(done) is CoroutineType else done

    return execute


def finisher(field: Field, complete: Complete, *, lenient: bool) -> Finish:
    """Completes a value that was read already, below the row that `path` and `index` lead to."""
    kind, key, typename = field.type, field.key, field.parent.name
    info_wanted = wants_info(kind)

    def finish(run: Run, path: Path | None, index: int | None, value: Any) -> Any:
        here: Path = _new(Path, (at(path, index), key, typename))
        try:
            info = run.type_info(field, here) if info_wanted else None
            if lenient and callable(value):
                value = value(run.info(field, here))
            if awaits(value):
                return awaited(run, value, complete, field, kind, here, info)
            done = complete(run, value, here, info)
        except Exception as error:
            return run.failed(error, field, kind, here)
        return guarded(run, done, field, kind, here) if type(done) is CoroutineType else done

    def finish_leaf(run: Run, path: Path | None, index: int | None, value: Any) -> Any:
        if not ORDINARY[type(value)] or (lenient and callable(value)):
            return finish(run, path, index, value)
        try:
            return complete(run, value, path, None)  # type: ignore[arg-type]  # leaves ask for no path
        except Exception as error:
            return run.failed(error, field, kind, _new(Path, (at(path, index), key, typename)))

    return finish_leaf if is_leaf_type(get_nullable_type(kind)) else finish


def raised(field: Field) -> Callable[[Run, Path | None, int | None, Exception], None]:
    """What becomes of a field whose attribute raised when it was read."""

    def fail(run: Run, path: Path | None, index: int | None, error: Exception) -> None:
        run.failed(error, field, field.type, _new(Path, (at(path, index), field.key, field.parent.name)))

    return fail


def arguments(run: Run, field: Field) -> Mapping[str, Any]:
    values = run.arguments.get(field)
    if values is None:
        try:
            values = get_argument_values(
                field.definition,
                field.nodes[0],
                run.variables,
                hide_suggestions=run.surroundings.hide_suggestions,
            )
        except GraphQLError as error:
            # Only literals can still be wrong here, and those the client wrote.
            error.extensions = {"code": "invalid", **(error.extensions or {})}
            raise
        if all(type(value) in _UNCHANGEABLE or isinstance(value, Enum) for value in values.values()):
            run.arguments[field] = values
    return values
