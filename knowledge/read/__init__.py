"""From a file to its text: plain text, Markdown, HTML, PDF, DOCX, source code; and documents from JSONL, one a line."""

import asyncio
import re
from pathlib import Path

from knowledge.read.document import LIMITS, Counts, Document, Format, Kind, Limits, Reason, Unreadable, count
from knowledge.read.formats import Sort, sort_of
from knowledge.read.jsonl import BadLine, Record, records
from knowledge.read.text import decoded

__all__ = [
    "BadLine",
    "Counts",
    "Document",
    "Format",
    "Kind",
    "Limits",
    "Reason",
    "Record",
    "Unreadable",
    "count",
    "document",
    "document_of",
    "plain",
    "records",
]

_TITLE = re.compile(r"^#[ \t]+(.+?)[ \t#]*$", re.MULTILINE)


async def document(
    content: bytes | Path, name: str, media_type: str | None = None, *, limits: Limits = LIMITS
) -> Document:
    """The text of a file. Raises `Unreadable` with the reason when there is none to be had."""
    return await asyncio.to_thread(document_of, content, name, media_type, limits=limits)


def document_of(
    content: bytes | Path, name: str, media_type: str | None = None, *, limits: Limits = LIMITS
) -> Document:
    """The same on this thread, for a thread that has nothing better to do."""
    if isinstance(content, Path):
        content = _loaded(content, name, limits)
    if len(content) > limits.file_bytes:
        raise _too_large(name, len(content), limits)
    sort = sort_of(content, name, media_type)
    text = decoded(content, name, media_type)
    return _document(sort, text, name, media_type, size_bytes=len(content))


def plain(text: str, name: str, media_type: str | None = None) -> Document:
    """Text that never was a file, told what it is by its name."""
    head = text[:8192].encode(errors="replace")
    return _document(
        sort_of(head, name, media_type), text, name, media_type, size_bytes=len(text.encode(errors="replace"))
    )


def _document(sort: Sort, text: str, name: str, media_type: str | None, *, size_bytes: int) -> Document:
    if not text.strip():
        raise Unreadable(name, Reason.EMPTY, "is empty")
    title = _TITLE.search(text, 0, 20_000) if sort.format is Format.MARKDOWN else None
    return Document(
        text=text,
        name=name,
        format=sort.format,
        kind=sort.kind,
        language=sort.language,
        size_bytes=size_bytes,
        title=title[1] if title else None,
        media_type=media_type,
    )


def _loaded(path: Path, name: str, limits: Limits) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(limits.file_bytes + 1)
            size = path.stat().st_size
    except OSError as exc:
        raise Unreadable(name, Reason.DAMAGED, f"cannot be opened: {exc.strerror}") from exc
    if len(content) > limits.file_bytes:
        raise _too_large(name, size, limits)
    return content


def _too_large(name: str, size_bytes: int, limits: Limits) -> Unreadable:
    problem = f"has {size_bytes / 1e6:,.1f} MB; at most {limits.file_bytes / 1e6:,.1f} MB are read"
    return Unreadable(name, Reason.TOO_LARGE, problem)
