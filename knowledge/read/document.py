"""What reading a file gives, and the ways in which a file cannot be read."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from errors import Invalid

__all__ = ["LIMITS", "Counts", "Document", "Format", "Kind", "Limits", "Reason", "Unreadable", "count"]

MB = 1_000_000


class Format(StrEnum):
    TEXT = "text"
    MARKDOWN = "markdown"
    HTML = "html"
    PDF = "pdf"
    DOCX = "docx"
    CODE = "code"
    JSONL = "jsonl"


class Kind(StrEnum):
    """What a file is for, in the words that Aegis keeps with each chunk."""

    CODE = "code"
    DOCUMENTATION = "documentation"
    CONFIG = "config"
    DATA = "data"
    SCRIPT = "script"
    WEB = "web"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one file may cost us, whatever it claims to be."""

    file_bytes: int = 100 * MB
    text_characters: int = 20 * MB
    # What a DOCX may unpack to; XML packs ten to one, a bomb a thousand to one.
    unpacked_bytes: int = 200 * MB
    # Of the child process that reads a PDF.
    pdf_seconds: float = 120
    pdf_memory_bytes: int = 1024 * MB
    pdf_pages: int = 5_000
    # What is nested deeper belongs to what is around it; pages of people stay below 50.
    html_depth: int = 128
    html_bytes: int = 20 * MB
    # One document of a JSONL file.
    record_bytes: int = 10 * MB


LIMITS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A file's text and what is known about the file.

    Formats with headings are told in Markdown, whatever they were written in; `pages` are the offsets in `text` at
    which the pages of a PDF begin.
    """

    text: str
    name: str
    format: Format
    kind: Kind
    size_bytes: int
    title: str | None = None
    # What code is written in: "python".
    language: str | None = None
    pages: tuple[int, ...] = ()

    @property
    def extension(self) -> str:
        _, dot, extension = self.name.rpartition("/")[2].rpartition(".")
        return dot + extension.lower()

    @property
    def has_headings(self) -> bool:
        return self.format in (Format.MARKDOWN, Format.HTML, Format.DOCX)


class Reason(StrEnum):
    EMPTY = "empty"
    ENCRYPTED = "encrypted"
    # A PDF of pictures: nothing to find without recognising characters.
    NO_TEXT = "no_text"
    DAMAGED = "damaged"
    TOO_LARGE = "too_large"
    BINARY = "binary"
    UNSUPPORTED = "unsupported"


class Unreadable(Invalid):
    """No text can be had from this file, now or later. `problem` completes the sentence after the file's name."""

    def __init__(self, name: str, reason: Reason, problem: str) -> None:
        self.reason = reason
        super().__init__(name, problem)

    @property
    def facts(self) -> Mapping[str, object]:
        return {**super().facts, "reason": self.reason.value}


@dataclass(frozen=True, slots=True)
class Counts:
    characters: int
    words: int
    # Models disagree on tokens by a fifth; a fourth of the characters is as good as any of them and costs nothing.
    tokens: int


def count(text: str) -> Counts:
    return Counts(len(text), len(text.split()), round(len(text) / 4))
