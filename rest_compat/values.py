"""Reads one value of a request as the GraphQL type its variable has, and says precisely what is wrong with it.

JSON is taken strictly (a string is no number); texts from paths, queries, headers and forms are read. Enums are taken
in the dialect's spelling whatever their case. Members that an input object does not know are left out, as clients of
old APIs send more than is documented.
"""

import re
from collections.abc import Callable
from math import isfinite
from typing import Any  # Request values are open JSON.

import orjson
from graphql import (
    GraphQLEnumType,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLScalarType,
    Undefined,
    get_named_type,
    is_list_type,
    is_non_null_type,
)

from errors import Invalid

__all__ = ["Reader", "json_reader", "text_reader"]

# From the raw value and the name the caller knows it by.
Reader = Callable[[Any, str], Any]
Spell = Callable[[str, str], str]

_INTEGER = re.compile(r"[+-]?[0-9]{1,11}")
_TRUTH = {"true": True, "1": True, "false": False, "0": False}
_INT_MAX = 2**31 - 1


def json_reader(type_: GraphQLInputType, spell: Spell) -> Reader:
    if is_non_null_type(type_):
        return _refusing_null(json_reader(type_.of_type, spell))
    if is_list_type(type_):
        return _with_all_alike(_list_of(json_reader(type_.of_type, spell)), type_.of_type, spell)
    match type_:
        case GraphQLInputObjectType():
            return _object_of(type_, spell)
        case GraphQLEnumType():
            return _allowing_null(_word_of(type_, spell))
        case GraphQLScalarType(name=name) if name in _JSON_SCALARS:
            return _allowing_null(_JSON_SCALARS[name])
        case GraphQLScalarType():
            return _allowing_null(_scalar_of(type_))
    raise TypeError(f"no value of a request can be a {type_}")


def text_reader(type_: GraphQLInputType, spell: Spell) -> Reader:
    """For lists, the raw value is a list of texts; a single one is split at its commas."""
    if is_non_null_type(type_):
        return text_reader(type_.of_type, spell)
    if is_list_type(type_):
        read = _texts_of(text_reader(type_.of_type, spell), nothing_is_none=_is_text(type_.of_type))
        return _with_all_alike(read, type_.of_type, spell)
    match type_:
        case GraphQLEnumType():
            return _word_of(type_, spell)
        case GraphQLScalarType(name=name) if name in _TEXT_SCALARS:
            return _TEXT_SCALARS[name]
        case GraphQLScalarType(name="JSON"):
            return _json_or_text
        case GraphQLScalarType(name="JSONObject"):
            return _parsed(_json_object)
        case GraphQLScalarType():
            return _scalar_of(type_)
    return _parsed(json_reader(type_, spell))


# -------------------------------------------------------------------- nulls, lists and objects


def _refusing_null(inner: Reader) -> Reader:
    def read(value: Any, name: str) -> Any:
        if value is None:
            raise Invalid(name, "must not be null")
        return inner(value, name)

    return read


def _allowing_null(inner: Reader) -> Reader:
    return lambda value, name: None if value is None else inner(value, name)


def _list_of(inner: Reader) -> Reader:
    def read(value: Any, name: str) -> Any:
        if value is None:
            return None
        if not isinstance(value, list):
            raise Invalid(name, "must be a list")
        return [inner(item, f"{name}[{place}]") for place, item in enumerate(value)]

    return read


def _texts_of(inner: Reader, *, nothing_is_none: bool) -> Reader:
    """An empty text stands for no items where an item may be any text; elsewhere it is one that is wrong."""

    def read(value: Any, name: str) -> Any:
        texts = value if isinstance(value, list) else [value]
        if len(texts) == 1 and isinstance(texts[0], str):
            texts = [text.strip() for text in texts[0].split(",")] if texts[0] or not nothing_is_none else []
        return [inner(text, name) for text in texts]

    return read


def _is_text(item_type: GraphQLInputType) -> bool:
    return get_named_type(item_type).name in ("String", "ID")


def _with_all_alike(read: Reader, item_type: GraphQLInputType, spell: Spell) -> Reader:
    """In a list, a word that the dialect has for several values means all of them."""
    type_ = item_type.of_type if is_non_null_type(item_type) else item_type
    if not isinstance(type_, GraphQLEnumType):
        return read
    alike: dict[str, list[str]] = {}
    for value in type_.values:
        alike.setdefault(spell(type_.name, value), []).append(value)
    if len(alike) == len(type_.values):
        return read
    meant = {value: group for group in alike.values() for value in group}

    def read_all(value: Any, name: str) -> Any:
        found = read(value, name)
        return None if found is None else [each for word in found for each in meant.get(word, [word])]

    return read_all


def _object_of(type_: GraphQLInputObjectType, spell: Spell) -> Reader:
    # Input types may hold themselves, so their fields' readers are made when first needed.
    readers: dict[str, Reader] = {}

    def read(value: Any, name: str) -> Any:
        if value is None:
            return None
        if not isinstance(value, dict):
            raise Invalid(name, "must be an object")
        if not readers:
            readers.update({key: json_reader(field.type, spell) for key, field in type_.fields.items()})
        result = {}
        for key, field in type_.fields.items():
            path = f"{name}.{key}" if name else key
            if key in value:
                result[key] = readers[key](value[key], path)
            elif is_non_null_type(field.type) and _has_no_default(field):
                raise Invalid(path, "is required")
        return result

    return read


def _has_no_default(field: Any) -> bool:  # The default's attribute differs between releases of graphql-core.
    return getattr(field, "default", None) is None and getattr(field, "default_value", Undefined) is Undefined


def _parsed(inner: Reader) -> Reader:
    def read(value: Any, name: str) -> Any:
        try:
            parsed = orjson.loads(value)
        except orjson.JSONDecodeError:
            raise Invalid(name, "must be JSON") from None
        return inner(parsed, name)

    return read


# -------------------------------------------------------------------- scalars and enums


def _string(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise Invalid(name, "must be a string")
    return value


def _integer(value: Any, name: str) -> int:
    if isinstance(value, bool) or not (isinstance(value, int) or (isinstance(value, float) and value.is_integer())):
        raise Invalid(name, "must be an integer")
    return _in_range(int(value), name)


def _in_range(value: int, name: str) -> int:
    if not -_INT_MAX - 1 <= value <= _INT_MAX:
        raise Invalid(name, "must be an integer of at most 32 bits")
    return value


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Invalid(name, "must be a number")
    return value


def _boolean(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise Invalid(name, "must be true or false")
    return value


def _json_object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Invalid(name, "must be a JSON object")
    return value


def _no_file(value: Any, name: str) -> Any:
    """Files come as parts or as the body itself, and no reader sees them: what is here is something else."""
    raise Invalid(name, "must be a file")


def _integer_text(text: str, name: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise Invalid(name, "must be an integer")
    return _in_range(int(text), name)


def _number_text(text: str, name: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise Invalid(name, "must be a number") from None
    if not isfinite(number):
        raise Invalid(name, "must be a number")
    return number


def _boolean_text(text: str, name: str) -> bool:
    if (truth := _TRUTH.get(text.lower())) is None:
        raise Invalid(name, "must be true or false")
    return truth


def _json_or_text(text: str, name: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


_JSON_SCALARS: dict[str, Reader] = {
    "String": _string,
    "ID": _string,
    "Int": _integer,
    "Float": _number,
    "Boolean": _boolean,
    "JSONObject": _json_object,
    "File": _no_file,
    "Upload": _no_file,
}
_TEXT_SCALARS: dict[str, Reader] = {
    "String": _string,
    "ID": _string,
    "Int": _integer_text,
    "Float": _number_text,
    "Boolean": _boolean_text,
    "File": _no_file,
    "Upload": _no_file,
}


def _scalar_of(type_: GraphQLScalarType) -> Reader:
    """The executor parses it once more; here it is only asked whether it can."""

    def read(value: Any, name: str) -> Any:
        try:
            type_.parse_value(value)
        except (ValueError, TypeError, GraphQLError) as exc:
            raise Invalid(name, f"is not a {type_.name}: {exc}") from None
        return value

    return read


def _word_of(type_: GraphQLEnumType, spell: Spell) -> Reader:
    spelled: dict[str, str] = {}
    for value in type_.values:
        # Of several values that are spelled alike, the first is meant.
        spelled.setdefault(spell(type_.name, value), value)
    by_word: dict[str, str] = {value.lower(): value for value in type_.values}
    by_word |= {word.lower(): spelled[word] for word in spelled}
    choices = ", ".join(spelled)

    def read(value: Any, name: str) -> str:
        word = by_word.get(value.lower()) if isinstance(value, str) else None
        if word is None:
            raise Invalid(name, f"must be one of {choices}")
        return word

    return read
