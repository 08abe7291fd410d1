"""Where a text is cut. Whoever cuts answers with spans of it: where a piece starts and ends."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from semantic_text_splitter import MarkdownSplitter, TextSplitter

from errors import Invalid

__all__ = ["SIZES", "Span", "SplitSizes", "indented_pieces", "markdown_pieces", "text_pieces"]

# The splitter's time grows with the square of a line; of these stretches it is linear.
_STRETCH = 100_000
# A line that ends or continues what the lines before it began.
_CONTINUES = re.compile(r"[)\]}]|(?:else|elif|elsif|except|finally|catch|end|then|do|esac|fi|done)\b")


class Span(NamedTuple):
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class SplitSizes:
    """In characters. The overlap is what a piece may repeat of the one before.

    Of 500, 1,000, 2,000 and 3,000 characters, 2,000 found the most answers among the first five (`bench/quality.py`).
    """

    size: int = 2_000
    overlap: int = 400

    def __post_init__(self) -> None:
        if self.size < 1:
            raise Invalid("size", "must be at least 1")
        if not 0 <= self.overlap < self.size:
            raise Invalid("overlap", "must be below the size")


SIZES = SplitSizes()


def text_pieces(text: str, sizes: SplitSizes) -> Iterator[Span]:
    """At paragraphs, else lines, else sentences, else words."""
    if len(text) <= sizes.size:  # As the splitter would answer, which takes longer to set up than such a text to read.
        start, end = len(text) - len(text.lstrip()), len(text.rstrip())
        return iter([Span(start, end)] if start < end else [])
    return _pieces(TextSplitter(sizes.size, sizes.overlap), text)


def markdown_pieces(text: str, sizes: SplitSizes) -> Iterator[Span]:
    """At headings, else blocks, else as any text."""
    return _pieces(MarkdownSplitter(sizes.size, sizes.overlap), text)


def _pieces(splitter: TextSplitter | MarkdownSplitter, text: str) -> Iterator[Span]:
    for begin, end in _stretches(text):
        for start, piece in splitter.chunk_indices(text[begin:end] if end - begin < len(text) else text):
            yield Span(begin + start, begin + start + len(piece))


def _stretches(text: str) -> Iterator[Span]:
    begin = 0
    while len(text) - begin > _STRETCH:
        last = begin + _STRETCH
        breaks = (text.rfind(gap, begin + 1, last) + len(gap) for gap in ("\n\n", "\n", " "))
        end = next((found for found in breaks if found > begin + _STRETCH // 2), last)
        yield Span(begin, end)
        begin = end
    yield Span(begin, len(text))


class _Line(NamedTuple):
    start: int
    end: int
    indent: int
    # How bad it is to begin a piece here: the depth of the line, and whether it stands off from what is above.
    cost: int


def indented_pieces(text: str, sizes: SplitSizes) -> Iterator[Span]:
    """Whole lines, broken where a definition of the outermost kind begins: code, and all that is nested like it.

    A parser for each language was tried. It leaves crumbs (`class Watchdog:` alone), costs fifty times as much and
    brings a package for each language; people's own indentation and blank lines say where a thought begins.
    """
    lines = list(_lines(text))
    first = 0
    while first < len(lines):
        after = _as_many_as_fit(lines, first, sizes.size)
        if after == first:  # one line, longer than a piece
            line = lines[first]
            for span in text_pieces(text[line.start : line.end], sizes):
                yield Span(line.start + span.start, line.start + span.end)
            first += 1
            continue
        if after < len(lines):
            after = _best_break(lines, first, after, sizes.size // 2)
        span = _trimmed(text, lines[first].start, lines[after - 1].end)
        if span.end > span.start:
            yield span
        first = after if after == len(lines) else _next_start(lines, first, after, sizes.overlap)


def _lines(text: str) -> Iterator[_Line]:
    start, stands_off = 0, True
    for found in re.finditer(r"[^\n]*\n|[^\n]+$", text):
        line = found[0]
        words = line.strip()
        indent = len(line) - len(line.lstrip(" \t"))
        if not words:
            yield _Line(start, found.end(), indent, 1_000_000)
        else:
            cost = indent * 4 + (0 if stands_off else 2) + (1_000 if _CONTINUES.match(words) else 0)
            yield _Line(start, found.end(), indent, cost)
        stands_off = not words
        start = found.end()


def _as_many_as_fit(lines: list[_Line], first: int, size: int) -> int:
    after = first
    while after < len(lines) and lines[after].end - lines[first].start <= size:
        after += 1
    return after


def _best_break(lines: list[_Line], first: int, after: int, least: int) -> int:
    """The last of the best lines to begin the next piece with, so that this one keeps a good length."""
    candidates = (at for at in range(first + 1, after + 1) if lines[at].start - lines[first].start >= least)
    return min(candidates, key=lambda at: (lines[at].cost, -at), default=after)


def _next_start(lines: list[_Line], first: int, after: int, overlap: int) -> int:
    """Repeats nothing before something that stands on its own."""
    start = after
    if lines[after].indent:
        while start - 1 > first and lines[after].start - lines[start - 1].start <= overlap:
            start -= 1
    return start


def _trimmed(text: str, start: int, end: int) -> Span:
    while end > start and text[end - 1].isspace():
        end -= 1
    while start < end and text[start] == "\n":
        start += 1
    return Span(start, end)
