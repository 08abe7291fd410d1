"""What an answer looks like, as a value: compiled once to a function, and printed as a JSON schema.

The executor already answers under the old names, so most shapes are the identity and cost nothing (`compiled` is None).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any  # GraphQL results are open JSON.

from graphql import (
    GraphQLEnumType,
    GraphQLOutputType,
    get_named_type,
    is_list_type,
    is_non_null_type,
)

__all__ = ["Constant", "Fetch", "Leaf", "Members", "OneOf", "Places", "Shape", "Shaper", "compiled", "projecting"]

Shaper = Callable[[Any], Any]
Spell = Callable[[str, str], str]


@dataclass(frozen=True)
class Leaf:
    """A scalar or an enum value, as the executor gives it but for the spelling of enums."""


@dataclass(frozen=True)
class Constant:
    value: object


@dataclass(frozen=True)
class Fetch:
    """The value of one field of the result: `type` tells its lists and nulls, `shape` its innermost value."""

    key: str
    type: GraphQLOutputType = field(compare=False)
    shape: "Shape"
    optional: bool = False
    # Under `@include` or `@skip`, so that the result may not have it at all.
    conditional: bool = False
    # A text that the value is put into, in place of `{}`.
    template: str | None = None
    description: str | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Members:
    """An object. `exact` says that the result holds nothing else; `fragment` names it in the printed schema."""

    items: tuple[tuple[str, "Member"], ...]
    exact: bool = True
    fragment: str | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Places:
    """A list with one thing at each place, made by numbers in `@under`."""

    items: tuple["Member", ...]


@dataclass(frozen=True)
class OneOf:
    """What it is depends on the object's type."""

    by_type: Mapping[str, "Shape"]


Member = Constant | Fetch | Members | Places
# A bare Fetch or Constant is `@body`: the value stands for the object it was in.
Shape = Leaf | Members | Fetch | Constant | OneOf

TYPENAME = "__typename"


def compiled(shape: Shape, spell: Spell) -> Shaper | None:
    """The function from a result's value to the answer's; None when they are the same."""
    match shape:
        case Leaf():
            return None
        case Constant(value):
            return lambda _: value
        case Fetch():
            return _lifting(shape, spell)
        case OneOf(by_type):
            return _choosing({name: projecting(each, spell) for name, each in by_type.items()})
        case Members():
            return None if _is_identity(shape, spell) else _building(shape, spell)


def projecting(shape: Shape, spell: Spell) -> Shaper:
    """Like `compiled`, for a value that also holds things which are not part of the answer."""
    if isinstance(shape, Members):
        return _building(shape, spell)
    return compiled(shape, spell) or (lambda value: value)


def _is_identity(shape: Members, spell: Spell) -> bool:
    return shape.exact and all(
        isinstance(member, Fetch) and member.key == name and not member.optional and _value_of(member, spell) is None
        for name, member in shape.items
    )


def _lifting(fetch: Fetch, spell: Spell) -> Shaper:
    key, inner = fetch.key, _value_of(fetch, spell)
    if inner is None:
        return lambda value: value[key]
    return lambda value: inner(value[key])


def _choosing(by_type: Mapping[str, Shaper]) -> Shaper:
    return lambda value: by_type[value[TYPENAME]](value)


def _building(shape: Members, spell: Spell) -> Shaper:
    steps = tuple((name, *_step(member, spell)) for name, member in shape.items)

    def build(value: Any) -> dict[str, Any]:
        built: dict[str, Any] = {}
        for name, key, inner, optional, missing in steps:
            if key is None:
                built[name] = missing if inner is None else inner(value)
                continue
            found = value.get(key, missing)
            if found is _MISSING or (optional and found is None):
                continue
            built[name] = found if inner is None or found is None else inner(found)
        return built

    return build


_MISSING = object()


def _step(member: Member, spell: Spell) -> tuple[str | None, Shaper | None, bool, Any]:
    """Key to fetch, function over what is there (or over the whole value when there is no key), optional, constant."""
    match member:
        case Constant(value):
            return None, None, False, value
        case Fetch():
            return member.key, _value_of(member, spell), member.optional, _MISSING
        case Members():
            return None, _building(member, spell), False, None
        case Places(items):
            return None, _placing(items, spell), False, None


def _placing(items: Sequence[Member], spell: Spell) -> Shaper:
    inner = _building(Members(tuple((str(place), item) for place, item in enumerate(items))), spell)
    return lambda value: list(inner(value).values())


def _value_of(fetch: Fetch, spell: Spell) -> Shaper | None:
    """The function over the fetched value, through its lists and nulls; None for the identity."""
    inner = _leaf(fetch, spell) if isinstance(fetch.shape, Leaf) else compiled(fetch.shape, spell)
    if inner is None:
        return None
    return _through(fetch.type, inner)


def _leaf(fetch: Fetch, spell: Spell) -> Shaper | None:
    spelled, template = _spelling(fetch.type, spell), fetch.template
    if template is None:
        return spelled
    return lambda value: template.replace("{}", str(value if spelled is None else spelled(value)))


def _spelling(type_: GraphQLOutputType, spell: Spell) -> Shaper | None:
    named = get_named_type(type_)
    if not isinstance(named, GraphQLEnumType):
        return None
    words = {value: spell(named.name, value) for value in named.values}
    if all(value == word for value, word in words.items()):
        return None
    return words.__getitem__


def _through(type_: GraphQLOutputType, inner: Shaper) -> Shaper:
    if is_non_null_type(type_):
        type_ = type_.of_type
    if is_list_type(type_):
        item = _through(type_.of_type, inner)
        return lambda values: None if values is None else [item(value) for value in values]
    return lambda value: None if value is None else inner(value)
