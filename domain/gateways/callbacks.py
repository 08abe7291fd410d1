"""Where a protocol function is called: over HTTP, or as a search of a collection, without leaving the house."""

from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import models
from errors import Invalid

__all__ = ["CollectionQuery", "is_collection_query", "read_collection_query"]

_BEGINNING = "aivax://"
_HOST = "query-collection"
_DEFAULT_TOP, _MOST_TOP = 5, 128


@dataclass(frozen=True, slots=True)
class CollectionQuery:
    collection_id: str
    top: int = _DEFAULT_TOP
    min_score: float = 0.0
    include_references: bool = False


def is_collection_query(url: str) -> bool:
    return url.lower().startswith(_BEGINNING)


def read_collection_query(url: str, field: str = "callbackUrl") -> CollectionQuery:
    """`aivax://query-collection?collection-id=<id>&top=<n>&min=<score>[&refs]`"""
    parts = urlsplit(url)
    if parts.netloc != _HOST or parts.path.strip("/"):
        raise Invalid(field, f"must be a web address, or {_BEGINNING}{_HOST}?collection-id=…")
    try:
        given = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    except ValueError:
        raise Invalid(field, "has more in its query than anybody reads") from None
    id = models.parse_id(given.get("collection-id", ""))
    if id is None:
        raise Invalid(field, "must name a collection: collection-id=<its id>")
    return CollectionQuery(
        str(id),
        int(_number(given, "top", _DEFAULT_TOP, 1, _MOST_TOP, field)),
        _number(given, "min", 0, 0, 1, field),
        "refs" in given and given["refs"].lower() not in ("false", "0"),
    )


def _number(given: dict[str, str], name: str, default: float, least: float, greatest: float, field: str) -> float:
    try:
        value = float(given.get(name) or default)
    except ValueError:
        value = greatest + 1
    if not least <= value <= greatest:
        raise Invalid(field, f"must have a number between {least} and {greatest} for {name}")
    return value
