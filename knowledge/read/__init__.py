"""From a file to its text: plain text, Markdown, HTML, PDF, DOCX, source code; and documents from JSONL, one a line."""

import asyncio
import re
from dataclasses import replace
from pathlib import Path

from knowledge.read.document import LIMITS, Counts, Document, Format, Kind, Limits, Reason, Unreadable, count
from knowledge.read.docx import read_docx
from knowledge.read.formats import TEXT, named, sort_of
from knowledge.read.html import read_html
from knowledge.read.jsonl import BadLine, Record, records
from knowledge.read.pdf import read_pdf
from knowledge.read.text import declared_charset, decoded

__all__ = [
    "LIMITS",
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
    "format_of",
    "plain",
    "records",
]

_HEADING = re.compile(r"^#{1,6}[ \t]+\S", re.MULTILINE)
_TITLE = re.compile(r"^#[ \t]+(.+?)[ \t#]*$", re.MULTILINE)
_LONGEST_LOOK = 20_000


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
    if not content:
        raise Unreadable(name, Reason.EMPTY, "is empty")
    sort = sort_of(content, name, media_type)
    read = Document(
        text="", name=name, format=sort.format, kind=sort.kind, language=sort.language, size_bytes=len(content)
    )
    return _checked(_filled(read, content, media_type, limits), limits)


def plain(text: str, name: str, media_type: str | None = None, *, limits: Limits = LIMITS) -> Document:
    """Text that never was a file: it is taken as it is, and its name tells what it is."""
    sort = named(name, media_type) or TEXT
    if sort.format not in (Format.MARKDOWN, Format.CODE):
        sort = sort._replace(format=Format.MARKDOWN if _HEADING.search(text, 0, _LONGEST_LOOK) else Format.TEXT)
    size = len(text.encode(errors="replace"))
    read = Document(text=text, name=name, format=sort.format, kind=sort.kind, language=sort.language, size_bytes=size)
    return _checked(read, limits)


def format_of(head: bytes, name: str, media_type: str | None = None) -> Format:
    """Told by the first kilobytes; for who has to know before the rest is there."""
    return sort_of(head, name, media_type).format


def _filled(read: Document, content: bytes, media_type: str | None, limits: Limits) -> Document:
    if read.format is Format.PDF:
        pages = read_pdf(content, read.name, limits)
        return replace(read, text=pages.text, title=pages.title, pages=pages.starts)
    if read.format is Format.DOCX:
        written = read_docx(content, read.name, limits)
        return replace(read, text=written.text, title=written.title)
    if read.format is not Format.HTML:
        return replace(read, text=decoded(content, read.name, media_type))
    if len(content) > limits.html_bytes:
        raise _too_large(read.name, len(content), limits, most=limits.html_bytes)
    page = read_html(decoded(content, read.name, declared_charset(content) or media_type), deepest=limits.html_depth)
    return replace(read, text=page.text, title=page.title)


def _checked(read: Document, limits: Limits) -> Document:
    if not read.text.strip():
        raise Unreadable(read.name, Reason.EMPTY, "holds no text")
    if len(read.text) > limits.text_characters:
        problem = f"has {len(read.text):,} characters of text; at most {limits.text_characters:,} are read"
        raise Unreadable(read.name, Reason.TOO_LARGE, problem)
    if read.format is Format.MARKDOWN and (title := _TITLE.search(read.text, 0, _LONGEST_LOOK)) is not None:
        return replace(read, title=title[1])
    return read


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


def _too_large(name: str, size_bytes: int, limits: Limits, *, most: int | None = None) -> Unreadable:
    problem = f"has {size_bytes / 1e6:,.1f} MB; at most {(most or limits.file_bytes) / 1e6:,.1f} MB are read"
    return Unreadable(name, Reason.TOO_LARGE, problem)
