"""An object type's selected fields as one generated function: reads the attributes, checks them, builds the dict.

Everything that a client wrote (aliases, literals) reaches the function as a value in its namespace. Its source is made
of numbers and of attribute names from the schema alone, so that equal shapes share one compiled code object.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from keyword import iskeyword
from types import CodeType, CoroutineType
from typing import Any  # The namespace of generated code holds all kinds of things.

from graphql import (
    GraphQLBoolean,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLNonNull,
    GraphQLScalarType,
    GraphQLString,
    get_nullable_type,
)

from execution.plan.completion import Complete, Project
from execution.plan.fields import Attribute, Event, executor, finisher, origin, raised
from execution.plan.running import Field, at, finish_all, settle

__all__ = ["Selected", "generate"]

# Values of exactly these types are what the scalar would make of them; all others take the longer way.
_PASSES = {
    GraphQLString.coerce_output_value: "type({0}) is str",
    GraphQLID.coerce_output_value: "type({0}) is str",
    GraphQLBoolean.coerce_output_value: "type({0}) is bool",
    GraphQLInt.coerce_output_value: "type({0}) is int and -2147483648 <= {0} <= 2147483647",
    GraphQLFloat.coerce_output_value: "type({0}) is float and {0} - {0} == 0.0",
}


class _IsMapping(dict[type, bool]):
    def __missing__(self, kind: type) -> bool:
        is_mapping = issubclass(kind, Mapping)
        if len(self) < 10_000:
            self[kind] = is_mapping
        return is_mapping


_is_mapping = _IsMapping()


@dataclass(frozen=True, slots=True)
class Selected:
    field: Field
    complete: Complete


def generate(selected: Sequence[Selected]) -> Project:
    origins = [origin(one.field) for one in selected]
    names: dict[str, Any] = {
        "at": at,
        "Coroutine": CoroutineType,
        "finish_all": finish_all,
        "is_mapping": _is_mapping,
        "settle": settle,
    }
    for number, (one, source) in enumerate(zip(selected, origins, strict=True)):
        names[f"k{number}"] = one.field.key
        if one.field.nodes[0].name.value == "__typename":
            names[f"v{number}"] = one.field.parent.name
        elif source is None:
            names[f"execute{number}"] = executor(one.field, one.complete)
        else:
            lenient = isinstance(source, Attribute) and source.lenient
            names[f"finish{number}"] = finisher(one.field, one.complete, lenient=lenient)
            names[f"raised{number}"] = raised(one.field)
            names[f"n{number}"] = source.name if isinstance(source, Attribute) else None
    exec(_compiled(_source(selected, origins)), names)
    project: Project = names["project"]
    return project


@lru_cache(maxsize=500)
def _compiled(source: str) -> CodeType:
    return compile(source, "<projection>", "exec")


def _source(selected: Sequence[Selected], origins: Sequence[Any]) -> str:
    lenient = any(isinstance(source, Attribute) and source.lenient for source in origins)
    if not lenient:
        return _function("project", selected, origins)
    # Rows are dicts seldom enough to deserve a function of their own, and often enough to deserve one at all.
    turn = "    if is_mapping[type(source)]:\n        return project_mapping(run, source, path, index)\n"
    return _function("project", selected, origins, turn) + _function("project_mapping", selected, origins, mapping=True)


def _function(
    name: str, selected: Sequence[Selected], origins: Sequence[Any], turn: str = "", *, mapping: bool = False
) -> str:
    steps = "".join(
        _execute(number) if source is None else _read(number, source, mapping=mapping) + _finish(number, one.field)
        for number, (one, source) in enumerate(zip(selected, origins, strict=True))
        if one.field.nodes[0].name.value != "__typename"
    )
    members = ", ".join(f"k{number}: v{number}" for number in range(len(selected)))
    return f"""
def {name}(run, source, path, index, info=None):
{turn}    waiting = None
    {"here = at(path, index)" if None in origins else ""}
    try:
{steps}        pass
    except Exception:
        if waiting:
            settle(list(waiting.values()))
        raise
    result = {{{members}}}
    return result if waiting is None else finish_all(result, waiting)
"""


def _read(number: int, source: Attribute | Event, *, mapping: bool) -> str:
    if isinstance(source, Event):
        return f"        v{number} = source\n"
    missing = ""
    if mapping and source.lenient:
        read = f"source.get(n{number})"
    else:
        plain = source.name.isidentifier() and not iskeyword(source.name)
        read = f"source.{source.name}" if plain else f"getattr(source, n{number})"
        if source.lenient:
            missing = f"        except AttributeError:\n            v{number} = None\n"
    return f"""\
        try:
            v{number} = {read}
{missing}        except Exception as error:
            v{number} = raised{number}(run, path, index, error)
"""


def _finish(number: int, field: Field) -> str:
    kind = get_nullable_type(field.type)
    passes = []
    if isinstance(kind, GraphQLScalarType) and kind.coerce_output_value in _PASSES:
        passes.append(_PASSES[kind.coerce_output_value].format(f"v{number}"))
    if not isinstance(field.type, GraphQLNonNull):
        passes.append(f"v{number} is None")
    return f"""\
        if not ({" or ".join(passes) or False}):
            v{number} = finish{number}(run, path, index, v{number})
{_wait(number, "            ")}"""


def _execute(number: int) -> str:
    return f"        v{number} = execute{number}(run, source, here)\n{_wait(number, '        ')}"


def _wait(number: int, indent: str) -> str:
    return f"""\
{indent}if type(v{number}) is Coroutine:
{indent}    if waiting is None:
{indent}        waiting = {{}}
{indent}    waiting[k{number}] = v{number}
"""
