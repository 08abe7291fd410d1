"""From a text to pieces that can be found and shown: along headings, paragraphs and definitions where there are any."""

import asyncio
import re
from bisect import bisect_right
from dataclasses import dataclass

from knowledge.read import Document, Format
from knowledge.split.headings import markdown_headings, outer_lines
from knowledge.split.pieces import SIZES, SplitSizes, indented_pieces, markdown_pieces, text_pieces

__all__ = ["SIZES", "Chunk", "SplitSizes", "chunks", "metadata", "passage", "split"]

# Nested by indentation as code is, though it is none.
_NESTED = frozenset(("yaml", "json", "xml", "hcl"))
# A heading whose text is another piece stands above that piece; and half a fence is nothing.
_SAYS_NOTHING = re.compile(r"(?:#{1,6}[ \t][^\n]*\s*|[`~]{3,}\w*\s*)+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """`start` and `end` are characters of the document's text; lines and pages count from 1."""

    text: str
    index: int
    start: int
    end: int
    start_line: int
    end_line: int
    page: int | None = None
    # What it stands under, outermost first: headings, or the definitions it is inside of.
    headings: tuple[str, ...] = ()


async def chunks(document: Document, sizes: SplitSizes = SIZES) -> list[Chunk]:
    return await asyncio.to_thread(split, document, sizes)


def split(document: Document, sizes: SplitSizes = SIZES) -> list[Chunk]:
    """The same document and sizes give the same chunks."""
    text = document.text
    if document.has_headings:
        spans, above = markdown_pieces(text, sizes), markdown_headings(text)
    elif document.format is Format.CODE or document.language in _NESTED:
        spans, above = indented_pieces(text, sizes), outer_lines(text)
    else:
        spans, above = text_pieces(text, sizes), lambda start: ()
    line_starts = [0, *(newline.end() for newline in re.finditer("\n", text))]
    cut = list(spans)
    if document.has_headings:
        cut = [span for span in cut if not _SAYS_NOTHING.fullmatch(text, *span)] or cut
    found: list[Chunk] = []
    for start, end in cut:
        found.append(
            Chunk(
                text=text[start:end],
                index=len(found),
                start=start,
                end=end,
                start_line=bisect_right(line_starts, start),
                end_line=bisect_right(line_starts, max(start, end - 1)),
                page=bisect_right(document.pages, start) or None,
                headings=above(start),
            )
        )
    return found


def passage(document: Document, chunk: Chunk) -> str:
    """What the chunk is found by: its text below the title and headings that it stands under."""
    title = document.title or ""
    above = dict.fromkeys([title, *chunk.headings] if title not in chunk.text[: len(title) + 8] else chunk.headings)
    lead = " > ".join(heading for heading in above if heading)
    return f"{lead}\n\n{chunk.text}" if lead else chunk.text


def metadata(document: Document, chunk: Chunk, total: int) -> dict[str, object]:
    """What Aegis keeps with each chunk."""
    return {
        "file_name": document.name.rpartition("/")[2],
        "extension": document.extension,
        "file_type": document.kind.value,
        "language": document.language,
        "size_bytes": document.size_bytes,
        "chunk_index": chunk.index,
        "total_chunks": total,
        "chunk_size": len(chunk.text),
        "start_line": chunk.start_line,
        "end_line": chunk.end_line,
    }
