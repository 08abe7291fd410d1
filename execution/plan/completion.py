"""From what a resolver returned to what the client gets: one closure for each type on the way, made once."""

from collections.abc import Awaitable, Callable, Iterator
from types import CoroutineType
from typing import Any  # Values are whatever resolvers make of them.

from graphql import (
    GraphQLAbstractType,
    GraphQLInterfaceType,
    GraphQLLeafType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLStreamDirective,
    GraphQLUnionType,
    Undefined,
    default_type_resolver,
    get_named_type,
)
from graphql.execution import Executor as CoreExecutor
from graphql.execution.executor import invalid_return_type_error
from graphql.pyutils import is_iterable
from graphql.pyutils.path import Path

from execution.plan.running import ORDINARY, Field, Info, Run, at, awaits, finish_all, settle

__all__ = ["Complete", "Project", "Projector", "awaited", "completer", "guarded", "wants_info"]

# What these return may be a coroutine, but only one made here: `type(done) is CoroutineType` is enough to tell.
Complete = Callable[[Run, Any, Path, Info | None], Any]
# An object from its row. The path is the row's, or its list's together with the row's index: most rows never need it.
Project = Callable[[Run, Any, Path | None, int | None, Info | None], Any]
# The projection of an object type below a field; made when the first value of that type turns up.
Projector = Callable[[Field, GraphQLObjectType], Project]


def completer(field: Field, kind: GraphQLOutputType, projector: Projector) -> Complete:
    if isinstance(kind, GraphQLNonNull):
        return _non_null(field, completer(field, kind.of_type, projector))
    if isinstance(kind, GraphQLList):
        return _list(field, kind, projector)
    if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType | GraphQLUnionType):
        return _composite(_each_composite(field, kind, projector))
    return _leaf(kind)


def wants_info(kind: GraphQLOutputType) -> bool:
    """Whether telling types apart below this one calls for the field's info."""
    named = get_named_type(kind)
    return isinstance(named, GraphQLInterfaceType | GraphQLUnionType) or (
        isinstance(named, GraphQLObjectType) and named.is_type_of is not None
    )


async def guarded(run: Run, pending: Awaitable[Any], field: Field, kind: GraphQLOutputType, path: Path) -> Any:
    try:
        return await pending
    except Exception as error:
        return run.failed(error, field, kind, path)


async def awaited(
    run: Run,
    value: Awaitable[Any],
    complete: Complete,
    field: Field,
    kind: GraphQLOutputType,
    path: Path,
    info: Info | None,
) -> Any:
    try:
        done = complete(run, await value, path, info)
        return await done if type(done) is CoroutineType else done
    except Exception as error:
        return run.failed(error, field, kind, path)


def _non_null(field: Field, inner: Complete) -> Complete:
    problem = f"Cannot return null for non-nullable field {field.parent}.{field.nodes[0].name.value}."

    def complete(run: Run, value: Any, path: Path, info: Info | None) -> Any:
        done = inner(run, value, path, info)
        if done is None:
            raise TypeError(problem)
        return done

    return complete


def _leaf(kind: GraphQLLeafType) -> Complete:
    coerce = CoreExecutor.complete_leaf_value

    def complete(_run: Run, value: Any, _path: Path, _info: Info | None) -> Any:
        if isinstance(value, Exception):
            raise value
        return None if value is None or value is Undefined else coerce(kind, value)

    return complete


def _composite(each: Project) -> Complete:
    def complete(run: Run, value: Any, path: Path, info: Info | None) -> Any:
        if isinstance(value, Exception):
            raise value
        return None if value is None or value is Undefined else each(run, value, path, None, info)

    return complete


def _list(field: Field, kind: GraphQLList[Any], projector: Projector) -> Complete:
    item_kind = kind.of_type
    complete_item = completer(field, item_kind, projector)
    nullable = item_kind.of_type if isinstance(item_kind, GraphQLNonNull) else item_kind
    # Items that pass as they are: by far the most of those that are not objects.
    as_is = {"String": str, "ID": str, "Boolean": bool}.get(getattr(nullable, "name", ""))
    streamed = any(directive.name.value == GraphQLStreamDirective.name for directive in field.nodes[0].directives or ())

    def each_item(run: Run, item: Any, path: Path, index: int, info: Info | None) -> Any:
        return complete_item(run, item, at(path, index), info)

    composite = isinstance(nullable, GraphQLObjectType | GraphQLInterfaceType | GraphQLUnionType)
    each: Any = _each_composite(field, nullable, projector) if composite else each_item
    # Rows that need not be told apart go straight to their projection.
    straight = isinstance(nullable, GraphQLObjectType) and nullable.is_type_of is None

    def complete(run: Run, value: Any, path: Path, info: Info | None) -> Any:
        if type(value) is not list:
            if isinstance(value, Exception):
                raise value
            if value is None or value is Undefined:
                return None
            if streamed or not is_iterable(value) or hasattr(value, "__aiter__"):
                return run.core.complete_value(
                    kind, field.details, info or _type_info(run, field, path), path, value, None
                )
        return items(run, iter(value), path, info)

    def items(run: Run, values: Iterator[Any], path: Path, info: Info | None) -> Any:
        one = None if straight else each
        results: list[Any] = []
        append = results.append
        waiting: dict[int, Any] = {}
        index = 0
        try:
            for item in values:
                if type(item) is as_is:
                    append(item)
                else:
                    try:
                        if ORDINARY[type(item)]:
                            if one is None:
                                one = projector(field, nullable)
                            done = one(run, item, path, index, info)
                        elif awaits(item):
                            done = awaited(run, item, complete_item, field, item_kind, at(path, index), info)
                        else:
                            done = complete_item(run, item, at(path, index), info)
                    except Exception as error:
                        done = run.failed(error, field, item_kind, at(path, index))
                    if type(done) is CoroutineType:
                        done = waiting[index] = guarded(run, done, field, item_kind, at(path, index))
                    append(done)
                index += 1
        except Exception:
            settle([*waiting.values(), *_remaining(values)])
            raise
        return finish_all(results, waiting) if waiting else results

    return complete


def _remaining(values: Iterator[Any]) -> list[Awaitable[Any]]:
    try:
        return [item for item in values if awaits(item)]
    except Exception:
        # The list is lost to an earlier error already, and that one is told.
        return []


def _type_info(run: Run, field: Field, path: Path) -> Info:
    place: Path | None = path
    while place and isinstance(place.key, int):
        place = place.prev
    assert place
    return run.type_info(field, place)


def _each_composite(
    field: Field, kind: GraphQLObjectType | GraphQLAbstractType, projector: Projector
) -> Callable[..., Any]:
    if isinstance(kind, GraphQLObjectType):
        return _each_object(field, kind, projector)
    return _each_abstract(field, kind, projector)


def _each_object(field: Field, kind: GraphQLObjectType, projector: Projector) -> Project:
    project: Project | None = None
    is_type_of = kind.is_type_of

    def each(run: Run, value: Any, path: Path | None, index: int | None, info: Info | None) -> Any:
        nonlocal project
        if is_type_of is not None:
            assert info, "`wants_info` says that this type does"
            fits = is_type_of(value, info)
            if fits is not True:
                if awaits(fits):
                    return later(run, value, path, index, info, fits)
                if not fits:
                    raise invalid_return_type_error(kind, value, field.details)
        if project is None:
            project = projector(field, kind)
        return project(run, value, path, index, info)

    async def later(run: Run, value: Any, path: Path | None, index: int | None, info: Info | None, fits: Any) -> Any:
        if not await fits:
            raise invalid_return_type_error(kind, value, field.details)
        done = projector(field, kind)(run, value, path, index, info)
        return await done if type(done) is CoroutineType else done

    return each


def _each_abstract(field: Field, kind: GraphQLAbstractType, projector: Projector) -> Project:
    resolve_type = kind.resolve_type or default_type_resolver
    known: dict[str, Project] = {}

    def each(run: Run, value: Any, path: Path | None, index: int | None, info: Info | None) -> Any:
        assert info, "`wants_info` says that abstract types do"
        name = resolve_type(value, info, kind)
        if awaits(name):
            return later(run, value, path, index, info, name)
        return named(run, value, path, index, info, name)

    def named(run: Run, value: Any, path: Path | None, index: int | None, info: Info | None, name: Any) -> Any:
        each_of_type = known.get(name) if isinstance(name, str) else None
        if each_of_type is None:
            schema = run.surroundings.schema
            actual = schema.get_type(name) if isinstance(name, str) else None
            if not (isinstance(actual, GraphQLObjectType) and schema.is_sub_type(kind, actual)):
                assert info
                # Raises, and knows every reason to.
                actual = run.core.ensure_valid_runtime_type(name, kind, field.details, info, value)
            each_of_type = known[name] = _each_object(field, actual, projector)
        return each_of_type(run, value, path, index, info)

    async def later(run: Run, value: Any, path: Path | None, index: int | None, info: Info | None, name: Any) -> Any:
        done = named(run, value, path, index, info, await name)
        return await done if type(done) is CoroutineType else done

    return each
