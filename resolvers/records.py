"""GraphQL types made of the dataclasses of a rule: as they are read, and as they are written.

A dataclass says what there is; words beside it say to customers what each member of it means. Written out, the two or
three types of one dataclass would repeat each other member for member.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints  # Types that are made here have no names for mypy.

import strawberry
from strawberry import UNSET

from domain.gateways.codec import camel
from resolvers.scalars import JSONObject

__all__ = ["Records", "Words", "given"]


@dataclass(frozen=True, slots=True)
class Words:
    name: str
    about: str
    members: Mapping[str, str]
    # Those members that are ids, or lists of them.
    ids: frozenset[str] = frozenset()


class Records:
    def __init__(self, words: Mapping[type, Words]) -> None:
        self._words = words
        self._outputs: dict[type, Any] = {}
        self._inputs: dict[type, Any] = {}
        for kind, said in words.items():
            assert {field.name for field in fields(kind)} == said.members.keys(), kind

    def output(self, kind: type) -> Any:
        if kind not in self._outputs:
            members = self._members(kind, self.output)
            made = _made(self._words[kind].name, members, {name: {} for name in members}, self._words[kind])
            self._outputs[kind] = strawberry.type(made, description=self._words[kind].about)
        return self._outputs[kind]

    def input(self, kind: type) -> Any:
        """With what has to be given, and with all else left to its default."""
        if kind not in self._inputs:
            needed = {each.name for each in fields(kind) if each.default is MISSING and each.default_factory is MISSING}
            self._inputs[kind] = self._input(kind, f"{self._words[kind].name}Input", needed)
        return self._inputs[kind]

    def changes(self, kind: type) -> Any:
        """Where everything may be left out, and then stays as it is."""
        return self._input(kind, f"{self._words[kind].name}Changes", set())

    def _input(self, kind: type, name: str, needed: set[str]) -> Any:
        members = self._members(kind, self.input)
        types = {name: type_ if name in needed else type_ | None for name, type_ in members.items()}
        made = _made(
            name, types, {each: {} if each in needed else {"default": UNSET} for each in types}, self._words[kind]
        )
        return strawberry.input(made, description=self._words[kind].about)

    def _members(self, kind: type, of_record: Callable[[type], Any]) -> dict[str, Any]:
        ids, hints = self._words[kind].ids, get_type_hints(kind)
        return {
            each.name: _type_of(hints[each.name], of_record, strawberry.ID if each.name in ids else str)
            for each in fields(kind)
        }


def given(value: Any) -> Any:
    """What was written, in the spelling of the wire; what was left out is not in it."""
    if isinstance(value, list):
        return [given(each) for each in value]
    if isinstance(value, Enum):
        return value.value
    if not is_dataclass(value):
        return value
    members = {camel(each.name): getattr(value, each.name) for each in fields(value)}
    return {name: given(member) for name, member in members.items() if member is not UNSET}


def _made(name: str, types: Mapping[str, Any], options: Mapping[str, Any], words: Words) -> type:
    described = {each: strawberry.field(description=words.members[each], **options[each]) for each in types}
    return type(name, (), {"__annotations__": dict(types), "__module__": __name__, **described})


def _type_of(hint: Any, of_record: Callable[[type], Any], text: Any) -> Any:
    origin, inside = get_origin(hint), get_args(hint)
    if origin is UnionType:
        [inner] = [each for each in inside if each is not NoneType]
        return _type_of(inner, of_record, text) | None
    if origin is tuple:
        return list[_type_of(inside[0], of_record, text)]  # type: ignore[misc]  # made while running
    if origin is not None:
        return JSONObject
    if is_dataclass(hint):
        return of_record(hint)  # type: ignore[arg-type]  # a class, and never an instance
    return text if hint is str else hint
