"""The text of a PDF, page by page."""

import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any  # what the child says is JSON

import orjson

from knowledge.read.document import Limits, Reason, Unreadable

__all__ = ["Pages", "read_pdf"]

_CHILD = Path(__file__).with_name("pdf_child.py")
# PDFium's sign for a hyphen that only the end of a line asked for; and how lines end.
_LINE_HYPHENS = ("\x02\r\n", "\x02\n", "\x02", "\ufffe")
_FEWEST_PAGES_WITH_MARGINS = 4


@dataclass(frozen=True, slots=True)
class Pages:
    text: str
    # Where in the text each page begins.
    starts: tuple[int, ...]
    title: str | None


def read_pdf(content: bytes, name: str, limits: Limits) -> Pages:
    # On disk and not through a pipe, because a PDF is read from its end.
    with tempfile.NamedTemporaryFile(suffix=".pdf") as file:
        file.write(content)
        file.flush()
        told = _told_by_child(file.name, name, limits)
    first, pages = told[0], [_tidied(page) for page in told[1:]]
    if reason := first.get("reason"):
        raise _refusal(name, Reason(reason), first.get("pages", 0), limits)
    if len(pages) < first["pages"]:
        raise Unreadable(name, Reason.TOO_LARGE, f"has more than {limits.text_characters:,} characters of text")
    pages = _without_margins(pages)
    if not any(page.strip() for page in pages):
        raise Unreadable(name, Reason.NO_TEXT, f"holds no text: its {len(pages)} pages are pictures, perhaps scanned")
    starts, at = [], 0
    for page in pages:
        starts.append(at)
        at += len(page) + 2
    return Pages("\n\n".join(pages), tuple(starts), (first["title"] or "").strip() or None)


def _told_by_child(path: str, name: str, limits: Limits) -> list[Any]:
    allowed = (limits.pdf_seconds, limits.pdf_memory_bytes, limits.pdf_pages, limits.text_characters)
    try:
        child = subprocess.run(
            # -P: the folder of the child's file holds modules named like Python's own
            [sys.executable, "-P", str(_CHILD), path, *map(str, allowed)],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=limits.pdf_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        problem = f"could not be read within {limits.pdf_seconds:g} seconds"
        raise Unreadable(name, Reason.TOO_LARGE, problem) from exc
    told = [orjson.loads(line) for line in child.stdout.splitlines()] if child.returncode == 0 else []
    if not told:
        raise Unreadable(name, Reason.DAMAGED, "is a broken PDF, or one that needs more memory than it may have")
    return told


def _refusal(name: str, reason: Reason, pages: int, limits: Limits) -> Unreadable:
    problems = {
        Reason.ENCRYPTED: "is locked with a password",
        Reason.TOO_LARGE: f"has {pages:,} pages; at most {limits.pdf_pages:,} are read",
    }
    return Unreadable(name, reason, problems.get(reason, "is a broken PDF"))


def _tidied(page: str) -> str:
    for hyphen in _LINE_HYPHENS:
        page = page.replace(hyphen, "")
    return page.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "").strip()


def _without_margins(pages: list[str]) -> list[str]:
    """Lines that stand at the top or bottom of most pages, whatever number they carry, belong to no page."""
    if len(pages) < _FEWEST_PAGES_WITH_MARGINS:
        return pages
    lines = [page.split("\n") for page in pages]
    seen = Counter(margin for page in lines for margin in {_numberless(line) for line in (*page[:2], *page[-2:])})
    margins = {margin for margin, times in seen.items() if times * 2 > len(pages)}
    return ["\n".join(_inner(page, margins)).strip() for page in lines]


def _inner(page: list[str], margins: set[str]) -> list[str]:
    last = len(page) - 2
    return [line for at, line in enumerate(page) if not ((at < 2 or at >= last) and _numberless(line) in margins)]


def _numberless(line: str) -> str:
    return "".join("#" if character.isdigit() else character for character in line.strip())
