"""What is secret in parameters: kept sealed for the one address that may hear it, and read by nobody as it is."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar
from urllib.parse import urlsplit

import orjson

from domain.gateways.parameters import Parameters, ProtocolFunction, RemoteSource
from domain.secrets import Secrets
from errors import Invalid

__all__ = [
    "MASK",
    "Change",
    "Kept",
    "Place",
    "change_secrets",
    "change_source_secrets",
    "mask",
    "opener",
    "origin",
    "sealer",
]

# What stands for a secret wherever it is read. Sent back, it means the one that is kept.
MASK = "********"
_KEY = "apiKey"
_PORTS = {"http": 80, "https": 443}

HasHeaders = TypeVar("HasHeaders", RemoteSource, ProtocolFunction)


@dataclass(frozen=True, slots=True)
class Place:
    """Where secrets are, and who hears them."""

    path: str
    member: str
    url: str
    name: str = ""

    @property
    def origin(self) -> tuple[object, ...]:
        return origin(self.url)


Change = Callable[[Place, Mapping[str, str]], Mapping[str, str]]


def origin(url: str) -> tuple[object, ...]:
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname or parts.path, parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        # No address at all, as whoever checks it will say.
        return (url,)


def change_secrets(parameters: Parameters, change: Change, path: str = "parameters.") -> Parameters:
    key = parameters.api_key
    kept = change(Place(f"{path}{_KEY}", _KEY, parameters.base_address), {_KEY: key} if key else {})
    return replace(
        parameters,
        api_key=kept.get(_KEY),
        protocol_functions=_changed(parameters.protocol_functions, change, path, "protocolFunctions"),
        mcp_sources=_changed(parameters.mcp_sources, change, path, "mcpSources"),
        system_instructions_sources=_changed(
            parameters.system_instructions_sources, change, path, "systemInstructionsSources"
        ),
    )


def change_source_secrets(
    sources: Iterable[RemoteSource], change: Change, path: str, member: str
) -> tuple[RemoteSource, ...]:
    return _changed(sources, change, path, member)


def _changed(items: Iterable[HasHeaders], change: Change, path: str, member: str) -> tuple[HasHeaders, ...]:
    return tuple(
        replace(item, headers=change(_place_of(item, f"{path}{member}[{number}].headers", member), item.headers))
        if item.headers
        else item
        for number, item in enumerate(items)
    )


def _place_of(item: RemoteSource | ProtocolFunction, path: str, member: str) -> Place:
    return Place(path, member, item.callback_url if isinstance(item, ProtocolFunction) else item.url, item.name)


def mask(_place: Place, values: Mapping[str, str]) -> Mapping[str, str]:
    return dict.fromkeys(values, MASK)


def sealer(secrets: Secrets, owner: tuple[object, ...], into: dict[str, str]) -> Change:
    """Puts what it is shown into a dictionary by its path, sealed; what goes on is the mask."""

    def seal(place: Place, values: Mapping[str, str]) -> Mapping[str, str]:
        if values:
            text = orjson.dumps(dict(values)).decode()
            into[place.path] = secrets.seal(text, *owner, place.path, *place.origin)
        return mask(place, values)

    return seal


def opener(secrets: Secrets, owner: tuple[object, ...], sealed: Mapping[str, str]) -> Change:
    def open_(place: Place, values: Mapping[str, str]) -> Mapping[str, str]:
        if not values:
            return {}
        opened: Mapping[str, str] = orjson.loads(secrets.open(sealed[place.path], *owner, place.path, *place.origin))
        return opened

    return open_


class Kept:
    """Puts the values that are kept in the place of masks.

    `show_all` shows them, as soon as there is a mask: who gives every secret anew can do so when the old ones do not
    open any more.
    """

    def __init__(self, show_all: Callable[[Change], object] = lambda note: None) -> None:
        self._show_all = show_all
        self._by_place: dict[tuple[object, ...], Mapping[str, str] | None] | None = None

    def restore(self, place: Place, values: Mapping[str, str]) -> Mapping[str, str]:
        if MASK not in values.values():
            return values
        kept = self._find(place)
        restored = {}
        for name, value in values.items():
            if value == MASK and name.lower() not in kept:
                field = place.path if place.member == _KEY else f"{place.path}.{name}"
                raise Invalid(field, "must be given anew: for this name and host, none is kept")
            restored[name] = kept[name.lower()] if value == MASK else value
        return restored

    def _find(self, place: Place) -> Mapping[str, str]:
        if self._by_place is None:
            self._by_place = {}
            self._show_all(self._note)
        return next((found for key in _keys(place) if (found := self._by_place.get(key))), {})

    def _note(self, place: Place, values: Mapping[str, str]) -> Mapping[str, str]:
        assert self._by_place is not None
        folded = {name.lower(): value for name, value in values.items()}
        for key in _keys(place):
            # Of two that are called alike, nobody knows which is meant.
            self._by_place[key] = folded if self._by_place.get(key, folded) == folded else None
        return values


def _keys(place: Place) -> Iterator[tuple[object, ...]]:
    """The surest first. A secret never changes its host."""
    yield place.member, place.name, place.url
    yield place.member, place.name, place.origin
    yield place.member, place.url
