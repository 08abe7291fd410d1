"""Which media type an answer takes: `Accept` read with its quality values, as RFC 9110 says."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["EVENTS", "GRAPHQL", "HTML", "JSON", "MULTIPART", "Accept", "media_type", "parse_accept"]

GRAPHQL = "application/graphql-response+json"
JSON = "application/json"
EVENTS = "text/event-stream"
MULTIPART = "multipart/mixed"
HTML = "text/html"

# Browsers list eight or so.
_RANGES = 50

_ABSENT = (0.0, 0)
_EXACT = 2


@dataclass(frozen=True, slots=True)
class Range:
    type: str
    subtype: str
    parameters: Mapping[str, str]
    quality: float

    @property
    def specificity(self) -> int:
        return (self.type != "*") + (self.subtype != "*")

    def covers(self, media_type: str) -> bool:
        type, _, subtype = media_type.partition("/")
        return self.type in ("*", type) and self.subtype in ("*", subtype)


@dataclass(frozen=True, slots=True)
class Accept:
    ranges: tuple[Range, ...]

    def rank(self, media_type: str) -> tuple[float, int]:
        """Quality first, then how precisely the client named it; the most precise range decides both."""
        covering = [(range.specificity, range.quality) for range in self.ranges if range.covers(media_type)]
        if not covering:
            return _ABSENT
        specificity, quality = max(covering)
        return (quality, specificity) if quality else _ABSENT

    def names(self, media_type: str) -> bool:
        """The client asked for this by name: a wildcard from `curl` does not want a stream."""
        return self.rank(media_type)[1] == _EXACT

    def single(self) -> str | None:
        """The media type of an answer in one piece. Clients that only say `*/*` are older than the GraphQL one."""
        graphql, json = self.rank(GRAPHQL), self.rank(JSON)
        if graphql == json == _ABSENT:
            return None
        return GRAPHQL if graphql > json or (graphql == json and graphql[1] == _EXACT) else JSON

    def streamed(self) -> str | None:
        """The media type of an answer in many pieces, if the client named one."""
        named = [media_type for media_type in (EVENTS, MULTIPART) if self.names(media_type)]
        return max(named, key=self.rank, default=None)

    def prefers_stream(self) -> bool:
        """Whether even an answer in one piece should come as a stream."""
        streamed = self.streamed()
        return streamed is not None and self.rank(streamed) > max(self.rank(GRAPHQL), self.rank(JSON))

    def parameter(self, media_type: str, name: str) -> str | None:
        found = (range.parameters.get(name) for range in self.ranges if range.covers(media_type))
        return next((value for value in found if value is not None), None)


def parse_accept(header: str | None) -> Accept:
    if not header or not header.strip():
        return _ANYTHING
    # Remember only what is short: clients repeat themselves, attackers do not.
    return _parse(header) if len(header) <= 200 else _parse.__wrapped__(header)


@lru_cache(maxsize=256)
def _parse(header: str) -> Accept:
    return Accept(tuple(range for item in header.split(",", _RANGES)[:_RANGES] if (range := _range(item))))


def _range(item: str) -> Range | None:
    name, parameters = media_type(item)
    type, slash, subtype = name.partition("/")
    if not slash:
        return None
    try:
        quality = float(parameters.pop("q", "1"))
    except ValueError:
        return None
    return Range(type, subtype, parameters, quality if 0 <= quality <= 1 else 0.0)


def media_type(header: str) -> tuple[str, dict[str, str]]:
    """A media type in lower case, and its parameters: `("text/html", {"charset": "utf-8"})`."""
    name, *rest = header.split(";")
    pairs = (parameter.partition("=") for parameter in rest)
    return name.strip().lower(), {key.strip().lower(): value.strip().strip('"') for key, _, value in pairs}


_ANYTHING = Accept((Range("*", "*", {}, 1.0),))
