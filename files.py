"""Bytes on their way to a client, and files on their way in."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Blob", "Upload"]


@dataclass(frozen=True, slots=True)
class Blob:
    """A file to send: whole, or as a stream that is read only as fast as the client takes it."""

    content: bytes | AsyncIterator[bytes]
    media_type: str = "application/octet-stream"
    filename: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came in, on disk until the request it came with is answered."""

    path: Path
    filename: str
    media_type: str
    size: int
