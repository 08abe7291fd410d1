"""What differs between the APIs in manner rather than data: one frozen object each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any  # JSON is open by nature.

from starlette.requests import HTTPConnection

from errors import PlatformError

__all__ = ["Cors", "Dialect", "EventNames", "EventStream", "Failure", "Frame", "Page", "Refusal", "bearer_key"]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a request is not answered, before a dialect has put it into words."""

    code: str
    message: str
    status: int
    path: str
    facts: Mapping[str, object] = field(default_factory=dict)
    operation: str | None = None
    error: PlatformError | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    status: int
    body: object
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Frame:
    """One server-sent event. `data` is JSON unless it is bytes, which are sent as they are."""

    data: object
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a connection and where it stands in the whole; path and query are the caller's own."""

    name: str
    items: Sequence[Any]
    total: int
    offset: int
    limit: int | None
    path: str
    query: Sequence[tuple[str, str]] = ()
    # What else was selected of the connection.
    extra: Mapping[str, Any] = field(default_factory=dict)


class EventNames(Enum):
    """Where a server-sent event says what it is."""

    LINE = "an `event:` line"
    TYPE_KEY = "the key `type` of its data"
    NONE = "nowhere"


def _no_frames(failure: Failure) -> tuple[Frame, ...]:
    return (Frame({"error": failure.message}, "error"),)


def _always(connection: HTTPConnection) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class EventStream:
    """How server-sent events are framed.

    With `opening` frames the stream begins before any work is done, so that every later failure is an event. Without
    them a failure before the first event is an ordinary error with a status.
    """

    names: EventNames = EventNames.LINE
    opening: tuple[Frame, ...] = ()
    closing: tuple[Frame, ...] = ()
    error: Callable[[Failure], tuple[Frame, ...]] = _no_frames
    closing_after_error: tuple[Frame, ...] = ()
    line_end: bytes = b"\n"
    heartbeat: bytes = b": keepalive\n\n"
    heartbeat_seconds: float | None = None
    wants_heartbeat: Callable[[HTTPConnection], bool] = _always
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cors:
    """Browsers of other sites may call the paths under `prefixes`; whether they are let in is decided with the key."""

    prefixes: tuple[str, ...]
    methods: str = "GET,POST,OPTIONS"
    headers: str = "Authorization,Content-Type"
    max_age_seconds: int = 600


def bearer_key(connection: HTTPConnection) -> str | None:
    scheme, _, key = connection.headers.get("authorization", "").partition(" ")
    return key.strip() or None if scheme.lower() == "bearer" else None


def _plain(failure: Failure) -> Refusal:
    return Refusal(failure.status, {"error": failure.code, "message": failure.message})


def _lower(enum: str, value: str) -> str:
    return value.lower()


@dataclass(frozen=True, eq=False)
class Dialect:
    name: str
    prefixes: tuple[str, ...]
    folder: Path | None = None
    title: str = ""
    version: str = "1"
    description: str = ""
    key: Callable[[HTTPConnection], str | None] = bearer_key
    # Path parameters that are credentials: read by `key`, so no variable needs them.
    key_parameters: frozenset[str] = frozenset()
    # Which kinds of keys open which paths, by the beginning of the path; where none are named, any kind.
    key_kinds: Mapping[str, frozenset[str]] = field(default_factory=dict)
    security: Mapping[str, object] = field(default_factory=dict)
    refuse: Callable[[Failure], Refusal] = _plain
    error_schema: Mapping[str, object] = field(default_factory=dict)
    # Where some paths have another envelope, by their prefix.
    error_schemas: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    # Statuses any endpoint may answer with, and what each means.
    statuses: Mapping[int, str] = field(default_factory=dict)
    page: Callable[[Page], object] | None = None
    # From the page's name and the schema of its items.
    page_schema: Callable[[str, Mapping[str, Any]], Mapping[str, Any]] | None = None
    spell: Callable[[str, str], str] = _lower
    # What scalars of the graph look like that are JSON of another's making, as JSON schemas.
    scalars: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    events: EventStream = field(default_factory=EventStream)
    headers: Mapping[str, str] = field(default_factory=dict)
    cors: Cors | None = None
    json_media_type: str = "application/json"
