"""How a request's parts become the variables of an operation."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any  # Request values are open JSON.

from graphql import GraphQLInputType, is_list_type, is_non_null_type

from errors import Invalid
from files import Upload
from rest_compat.errors import BadRequest
from rest_compat.incoming import MISSING, Incoming
from rest_compat.values import Reader
from rest_compat.vocabulary import Limits, Place, Source

__all__ = ["Binding", "as_called", "bind"]


@dataclass(frozen=True, slots=True)
class Binding:
    """One variable, and the places it may come from, the best first."""

    variable: str
    sources: tuple[Source, ...]
    type: GraphQLInputType
    required: bool
    limits: Limits
    read_json: Reader
    read_text: Reader
    default: object = None
    description: str | None = None
    # The arguments it goes to, down to fields of input objects: `input.knowledge.top`.
    targets: tuple[str, ...] = ()

    @property
    def is_list(self) -> bool:
        type_ = self.type.of_type if is_non_null_type(self.type) else self.type
        return is_list_type(type_)


def bind(bindings: Sequence[Binding], incoming: Incoming) -> dict[str, Any]:
    """The variables; one the request says nothing of is left to its default. All that is wrong is told at once."""
    variables: dict[str, Any] = {}
    problems: list[Invalid] = []
    for binding in bindings:
        try:
            value = _value(binding, incoming)
        except Invalid as problem:
            if str(problem) not in map(str, problems):
                problems.append(problem)
            continue
        if value is not MISSING:
            variables[binding.variable] = value
    if problems:
        raise problems[0] if len(problems) == 1 else BadRequest(problems)
    return variables


def _value(binding: Binding, incoming: Incoming) -> Any:
    """The best source's. The others are read as well, for what is wrong in them is wrong all the same, save in a body:
    there two sources may be two ways to write one field, of which one fits."""
    found, problem = MISSING, None
    for source in binding.sources:
        try:
            value = _read(binding, source, incoming)
        except Invalid as exc:
            if source.place is not Place.BODY:
                raise
            problem = problem or exc
            continue
        found = value if found is MISSING else found
    if found is MISSING and problem is not None:
        raise problem
    if found is MISSING and binding.required:
        raise Invalid(caller_name(binding.sources[0]), "is required")
    return found


def _read(binding: Binding, source: Source, incoming: Incoming) -> Any:
    raw = incoming.find(source, many=binding.is_list)
    if raw is MISSING:
        return MISSING
    name = caller_name(source)
    if source.place is Place.BODY:
        value = binding.read_json(raw if source.separator is None else _items(raw, source.separator, name), name)
    elif _is_upload(raw):
        value = raw
    else:
        value = binding.read_text(raw, name)
    if value is not None:
        _check(value, binding.limits, name)
    return value


def _items(text: Any, separator: str, name: str) -> list[str] | None:
    if text is None:
        return None
    if not isinstance(text, str):
        raise Invalid(name, "must be a string")
    return [item for part in text.split(separator) if (item := part.strip())] if separator else [text]


def _is_upload(raw: Any) -> bool:
    return isinstance(raw, Upload) or (isinstance(raw, list) and all(isinstance(each, Upload) for each in raw))


def caller_name(source: Source) -> str:
    return "The body" if source.name in ("*", "") or source.place is Place.RAW else source.name


def as_called(problem: Invalid, bindings: Sequence[Binding]) -> Invalid:
    """The problem under the caller's own name, where the rules know the field under the graph's."""
    matching = [
        (name, caller_name(binding.sources[0]))
        for binding in bindings
        for target in binding.targets
        for name in _endings(target)
        if problem.field == name or problem.field.startswith((f"{name}.", f"{name}["))
    ]
    if not matching:
        return problem
    name, called = max(matching, key=lambda match: len(match[0]))
    return Invalid(called + problem.field[len(name) :], problem.problem)


def _endings(path: str) -> Iterator[str]:
    """`a.b.c`, `b.c` and `c`: rules name a field from wherever they stand."""
    steps = path.split(".")
    return (".".join(steps[start:]) for start in range(len(steps)))


def _check(value: Any, limits: Limits, name: str) -> None:
    if limits.least is not None or limits.greatest is not None:
        _check_size(value, limits, name)
    if limits.pattern is not None and isinstance(value, str) and not re.fullmatch(limits.pattern, value):
        raise Invalid(name, f"must match {limits.pattern}")


def _check_size(value: Any, limits: Limits, name: str) -> None:
    size, unit = value, ""
    if isinstance(value, str):
        size, unit = len(value), " characters"
    elif isinstance(value, list):
        size, unit = len(value), " items"
    verb = "must have" if unit else "must be"
    if limits.least is not None and size < limits.least:
        raise Invalid(name, f"{verb} at least {limits.least:g}{unit}")
    if limits.greatest is not None and size > limits.greatest:
        raise Invalid(name, f"{verb} at most {limits.greatest:g}{unit}")
