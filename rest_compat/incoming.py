"""One request as the bindings see it: its path parameters, query, headers and body, each read at most once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any  # Request values are open JSON.
from urllib.parse import parse_qsl

from starlette.requests import HTTPConnection

from errors import Invalid
from rest_compat.vocabulary import Place, Source

__all__ = ["MISSING", "NO_PAYLOAD", "Incoming", "Payload", "Wants"]

MISSING: Any = object()


class Wants(Enum):
    """What an endpoint's operations want of a body."""

    NOTHING = "nothing"
    JSON = "application/json"
    FORM = "multipart/form-data or application/x-www-form-urlencoded"
    FILE = "a file"


@dataclass(frozen=True, slots=True)
class Payload:
    """What was in a body, in the form that was wanted."""

    json: Any = MISSING
    parts: Mapping[str, list[Any]] = field(default_factory=dict)
    raw: Any = MISSING


NO_PAYLOAD = Payload()


@dataclass(slots=True)
class Incoming:
    connection: HTTPConnection
    path: Mapping[str, str]
    payload: Payload
    _query: dict[str, list[str]] | None = None

    @property
    def query(self) -> dict[str, list[str]]:
        if self._query is None:
            self._query = {}
            for name, value in parse_qsl(
                self.connection.scope["query_string"].decode("latin-1"), keep_blank_values=True
            ):
                self._query.setdefault(name.removesuffix("[]"), []).append(value)
        return self._query

    def find(self, source: Source, *, many: bool = False) -> Any:
        name = source.name
        match source.place:
            case Place.PATH:
                return self.path.get(name, MISSING)
            case Place.QUERY:
                return _one_or_all(self.query.get(name), name, many=many)
            case Place.HEADER:
                return _as_meant(self.connection.headers.get(name, MISSING))
            case Place.BODY:
                return self.member(name)
            case Place.PART:
                return _one_or_all(self.payload.parts.get(name), name, many=many)
            case Place.RAW:
                return self.payload.raw

    def member(self, path: str) -> Any:
        """A field of the JSON body; dots look inside, `*` is the whole of it."""
        value = self.payload.json
        if path == "*" or value is MISSING:
            return value
        if not isinstance(value, dict):
            raise Invalid("The body", "must be a JSON object")
        passed = ""
        for key in path.split("."):
            if value is None:
                return MISSING
            if not isinstance(value, dict):
                raise Invalid(passed, "must be an object")
            if key not in value:
                return MISSING
            value, passed = value[key], f"{passed}.{key}" if passed else key
        return value


def _as_meant(header: Any) -> Any:
    """Who writes letters of other alphabets into a header writes UTF-8, whatever HTTP once said of them."""
    if header is MISSING or header.isascii():
        return header
    try:
        return header.encode("latin-1").decode()
    except UnicodeDecodeError:
        return header


def _one_or_all(values: list[Any] | None, name: str, *, many: bool) -> Any:
    if not values:
        return MISSING
    if many:
        return values
    # Which of two was meant is anybody's guess, and proxies and servers guess differently.
    if len(values) > 1:
        raise Invalid(name, "is given more than once")
    return values[0]
