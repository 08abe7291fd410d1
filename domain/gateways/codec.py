"""Frozen dataclasses as JSON, in the spelling of the wire, and back. What is wrong is named by its path."""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import Enum
from functools import cache, partial
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints  # JSON is open by nature.

from errors import Invalid

__all__ = ["camel", "read", "write"]

T = TypeVar("T")
_Reader = Callable[[Any, str], Any]


def read(kind: type[T], given: Any, path: str = "") -> T:
    """Members that are not known are left out: what was saved by a newer release can still be read."""
    if not isinstance(given, Mapping):
        raise Invalid(path, "must be an object")
    values = {}
    for member in _members_of(kind):
        value = given.get(member.spelled)
        where = f"{path}.{member.spelled}" if path else member.spelled
        if value is not None:
            values[member.name] = member.read(value, where)
        elif member.is_required:
            raise Invalid(where, "must be given")
    return kind(**values)


def write(value: Any) -> Any:
    if is_dataclass(value):
        return {camel(field.name): write(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [write(each) for each in value]
    if isinstance(value, Mapping):
        return dict(value)
    return value.value if isinstance(value, Enum) else value


@cache
def camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


@dataclass(frozen=True, slots=True)
class _Member:
    name: str
    spelled: str
    is_required: bool
    read: _Reader


def _members_of(kind: Any) -> tuple[_Member, ...]:  # Any dataclass, which mypy does not take to be hashable.
    return _members(kind)


@cache
def _members(kind: Any) -> tuple[_Member, ...]:
    hints = get_type_hints(kind)
    return tuple(
        _Member(
            field.name,
            camel(field.name),
            field.default is MISSING and field.default_factory is MISSING,
            _reader(hints[field.name]),
        )
        for field in fields(kind)
    )


def _reader(hint: Any) -> _Reader:
    origin, inside = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        [inner] = [each for each in inside if each is not NoneType]
        # A form sends an empty text for a field that nobody filled in.
        return _text_or_none if inner is str else _reader(inner)
    if origin is tuple:
        return _list_of(_reader(inside[0]), is_set=isinstance(inside[0], type) and issubclass(inside[0], Enum))
    if origin is not None:
        return _texts if inside[1] is str else _object
    if is_dataclass(hint) and isinstance(hint, type):
        return partial(read, hint)
    if issubclass(hint, Enum):
        return _word_of(hint)
    return _PLAIN[hint]


def _list_of(inner: _Reader, *, is_set: bool) -> _Reader:
    def read_list(value: Any, path: str) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise Invalid(path, "must be a list")
        found = (inner(each, f"{path}[{place}]") for place, each in enumerate(value))
        return tuple(dict.fromkeys(found)) if is_set else tuple(found)

    return read_list


def _word_of(enum: type[Enum]) -> _Reader:
    # `OpenAiStrictJson`, `open_ai_strict_json`: whoever wrote it, the letters are the same.
    words = {_letters(member.name): member for member in enum}

    def read_word(value: Any, path: str) -> Enum:
        found = words.get(_letters(value)) if isinstance(value, str) else None
        if found is None:
            raise Invalid(path, f"must be one of {', '.join(member.name for member in enum)}")
        return found

    return read_word


def _letters(word: str) -> str:
    return word.replace("_", "").casefold()


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise Invalid(path, "must be a text")
    return value


def _text_or_none(value: Any, path: str) -> str | None:
    return _text(value, path) or None


def _truth(value: Any, path: str) -> bool:
    if not isinstance(value, bool):
        raise Invalid(path, "must be true or false")
    return value


def _integer(value: Any, path: str) -> int:
    if isinstance(value, bool) or not (isinstance(value, int) or (isinstance(value, float) and value.is_integer())):
        raise Invalid(path, "must be an integer")
    return int(value)


def _number(value: Any, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Invalid(path, "must be a number")
    return float(value)


def _object(value: Any, path: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise Invalid(path, "must be an object")
    return dict(value)


def _texts(value: Any, path: str) -> Mapping[str, str]:
    return {key: _text(each, f"{path}.{key}") for key, each in _object(value, path).items()}


_PLAIN: Mapping[type, _Reader] = {str: _text, bool: _truth, int: _integer, float: _number}
