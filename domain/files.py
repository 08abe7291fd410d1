"""Bytes on their way to a client."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

__all__ = ["Blob"]


@dataclass(frozen=True, slots=True)
class Blob:
    """A file to send: whole, or as a stream that is read only as fast as the client takes it."""

    content: bytes | AsyncIterator[bytes]
    media_type: str = "application/octet-stream"
    filename: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
