"""JSON schemas that somebody else wrote, followed without coming to harm.

Nothing is fetched, whatever a schema refers to. Patterns are searched for by an engine that takes no longer than the
text is long, and refuses what would take longer. And who builds a schema that doubles the work with each of its lines
is told so after a second.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from functools import cache, lru_cache
from itertools import islice
from typing import Any  # Schemas and what is checked against them are open JSON.

import orjson
from jsonschema import Draft6Validator, Draft7Validator, Draft201909Validator, Draft202012Validator
from jsonschema.exceptions import UnknownType, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend
from pydantic_core import SchemaError as PatternError
from pydantic_core import SchemaValidator, core_schema
from referencing import Registry
from referencing.exceptions import Unresolvable

from errors import Invalid

__all__ = ["JsonSchema"]

_MOST_BYTES = 100_000
_MOST_DEPTH = 100
# Of this thread's own computing: that others are busy makes no schema bad.
_SECONDS = 1.0
_MOST_COMPLAINTS = 5
_COMPLAINT_CHARACTERS = 300
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")

_DRAFTS: Mapping[str, type[Validator]] = {
    "http://json-schema.org/draft-06/schema": Draft6Validator,
    "http://json-schema.org/draft-07/schema": Draft7Validator,
    "https://json-schema.org/draft/2019-09/schema": Draft201909Validator,
    "https://json-schema.org/draft/2020-12/schema": Draft202012Validator,
}

# What comes of it when a reference makes a schema of something that is none.
_NO_SCHEMA = (
    *(RecursionError, Unresolvable, UnknownType, PatternError),
    *(AttributeError, KeyError, TypeError, ValueError),
)

Check = Callable[[Validator, Any, Any, Any], Iterator[ValidationError] | None]


class _TooLong(Exception):
    pass


class JsonSchema:
    """Both making and using one may take its second of computing: in a thread of its own."""

    def __init__(self, schema: Mapping[str, Any], field: str = "schema") -> None:
        """Raises `Invalid` for what is no schema, or none that can be followed here."""
        self._field = field
        read = _read(schema, field)
        draft = _DRAFTS.get(str(read.get("$schema")).rstrip("#"), Draft202012Validator)
        # Which draft it is of has been seen. A name of its own would only send references the long way round.
        for name in ("$schema", "$id"):
            read.pop(name, None)
        _check_parts(read, field)
        if draft is Draft202012Validator and _lists_items(read):
            raise Invalid(field, "must name the schemas of single items in prefixItems")
        for complaint in self._complaints(_describing(), read):
            raise Invalid(field, f"must be a JSON schema: {complaint}")
        self._validator = _bounded(draft)(read, registry=Registry())

    def complaints(self, value: Any) -> list[str]:
        """The first few things that are wrong with the value; nothing when it follows the schema."""
        return self._complaints(self._validator, value)

    def _complaints(self, validator: Validator, value: Any) -> list[str]:
        deadline = _deadline.set(time.thread_time() + _SECONDS)
        try:
            return [_sentence(error) for error in islice(validator.iter_errors(value), _MOST_COMPLAINTS)]
        except _TooLong:
            raise Invalid(self._field, "takes too long to check: it has too many alternatives") from None
        except _NO_SCHEMA as exc:
            raise Invalid(self._field, "refers to itself without end, or to what is no schema") from exc
        finally:
            _deadline.reset(deadline)


def _read(schema: Mapping[str, Any], field: str) -> dict[str, Any]:
    try:
        written = orjson.dumps(schema)
    except (TypeError, RecursionError) as exc:
        raise Invalid(field, "must be a JSON object that is not nested too deeply") from exc
    if len(written) > _MOST_BYTES:
        raise Invalid(field, f"must not be larger than {_MOST_BYTES:,} bytes")
    read: dict[str, Any] = orjson.loads(written)
    return read


def _check_parts(part: Any, field: str, depth: int = 0) -> None:
    """Also of what is only an example: a reference can make a schema of anything."""
    if depth > _MOST_DEPTH:
        raise Invalid(field, f"must not be nested deeper than {_MOST_DEPTH} levels")
    if isinstance(part, list):
        for each in part:
            _check_parts(each, field, depth + 1)
    elif isinstance(part, dict):
        _check_keywords(part, field)
        for each in part.values():
            _check_parts(each, field, depth + 1)


def _check_keywords(part: dict[str, Any], field: str) -> None:
    for name in _REFERENCES:
        if isinstance(reference := part.get(name), str) and reference != "#" and not reference.startswith("#/"):
            raise Invalid(field, f"must refer to its own parts, such as #/$defs/name, and not to {reference[:200]!r}")
    for name in ("$schema", "$id"):
        if isinstance(part.get(name), str):
            raise Invalid(field, f"must not have {name} inside of it")
    for name in ("unevaluatedProperties", "unevaluatedItems"):
        if name in part:
            raise Invalid(field, f"must not use {name}")
    patterns = [part["pattern"]] if isinstance(part.get("pattern"), str) else []
    if isinstance(named := part.get("patternProperties"), dict):
        patterns += named
    for pattern in patterns:
        try:
            _pattern(pattern)
        except PatternError as exc:
            raise Invalid(field, f"has a pattern that cannot be used: {_reason(exc)}: {pattern[:200]!r}") from exc


def _lists_items(part: Any) -> bool:
    """As drafts did before 2020-12."""
    if isinstance(part, list):
        return any(map(_lists_items, part))
    return isinstance(part, dict) and (isinstance(part.get("items"), list) or any(map(_lists_items, part.values())))


def _sentence(error: ValidationError) -> str:
    where = error.json_path.removeprefix("$").lstrip(".")
    return f"{where or 'the whole'}: {error.message}"[:_COMPLAINT_CHARACTERS]


def _reason(error: PatternError) -> str:
    return str(error).strip().splitlines()[-1].strip().removeprefix("error: ")


# ---------------------------------------------------------------- keywords that keep to the time and to safe patterns

_deadline: ContextVar[float] = ContextVar("deadline")


@cache
def _describing() -> Validator:
    """What a schema is: draft 7 with what came after it, as the later drafts' own words take fifteen times as long."""
    schema, schemas, number = {"$ref": "#"}, {"$ref": "#/definitions/schemaArray"}, {"type": "integer", "minimum": 0}
    by_name = {"type": "object", "additionalProperties": schema}
    since = {
        "$defs": by_name,
        "prefixItems": schemas,
        "dependentSchemas": by_name,
        "dependentRequired": {"type": "object", "additionalProperties": {"$ref": "#/definitions/stringArray"}},
        "minContains": number,
        "maxContains": number,
    }
    described = {**Draft7Validator.META_SCHEMA, "properties": {**Draft7Validator.META_SCHEMA["properties"], **since}}
    # With either of them it would be followed by other keywords than ours.
    del described["$schema"], described["$id"]
    return _bounded(Draft7Validator)(described, registry=Registry())


@lru_cache(maxsize=len(_DRAFTS))
def _bounded(draft: type[Validator]) -> type[Validator]:
    known: Mapping[str, Check] = draft.VALIDATORS
    # `extend` has no types.
    bounded: type[Validator] = extend(draft, {name: _timed(_OURS.get(name, known[name])) for name in known})  # type: ignore[no-untyped-call]
    return bounded


def _timed(check: Check) -> Check:
    def timed(validator: Validator, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        if time.thread_time() > _deadline.get():
            raise _TooLong
        yield from check(validator, value, instance, schema) or ()

    return timed


@lru_cache(maxsize=1024)
def _pattern(pattern: str) -> SchemaValidator:
    return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))


def _matching(validator: Validator, pattern: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not _pattern(pattern).isinstance_python(instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _pattern_properties(validator: Validator, patterns: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    for pattern, subschema in patterns.items():
        for name, value in instance.items():
            if _pattern(pattern).isinstance_python(name):
                yield from validator.descend(value, subschema, path=name, schema_path=pattern)  # type: ignore[attr-defined]  # not in the protocol


def _additional_properties(validator: Validator, wanted: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    named, patterns = schema.get("properties") or {}, list(schema.get("patternProperties") or {})
    for name, value in instance.items():
        if name in named or any(_pattern(pattern).isinstance_python(name) for pattern in patterns):
            continue
        if wanted is False:
            yield ValidationError(f"{name!r} is not one of the properties that it may have")
        elif wanted is not True:
            yield from validator.descend(value, wanted, path=name)  # type: ignore[attr-defined]  # not in the protocol


def _unique_items(validator: Validator, wanted: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """By how they are written, which takes no longer than to read them."""
    if not wanted or not isinstance(instance, list):
        return
    written = {orjson.dumps(_number(each), option=orjson.OPT_SORT_KEYS) for each in instance}
    if len(written) != len(instance):
        yield ValidationError("it has items that are the same")


def _number(value: Any) -> Any:
    """1.0 and 1 are the same number; inside of other things that is not looked for."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_OURS: Mapping[str, Check] = {
    "pattern": _matching,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "uniqueItems": _unique_items,
}
