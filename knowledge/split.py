"""From a text to pieces that can be found and shown: along headings, paragraphs and definitions where there are any."""

import asyncio
import re
from bisect import bisect_right
from dataclasses import dataclass

from semantic_text_splitter import MarkdownSplitter, TextSplitter

from errors import Invalid
from knowledge.read import Document

__all__ = ["Chunk", "SplitSizes", "chunks", "metadata", "passage", "split"]


@dataclass(frozen=True, slots=True)
class SplitSizes:
    """In characters."""

    size: int = 1_000
    overlap: int = 200

    def __post_init__(self) -> None:
        if self.size < 1:
            raise Invalid("size", "must be at least 1")
        if not 0 <= self.overlap < self.size:
            raise Invalid("overlap", "must be below the size")


SIZES = SplitSizes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """`start` and `end` are characters of the document's text, lines count from 1."""

    text: str
    index: int
    start: int
    end: int
    start_line: int
    end_line: int
    # The headings it stands under, outermost first.
    headings: tuple[str, ...] = ()


async def chunks(document: Document, sizes: SplitSizes = SIZES) -> list[Chunk]:
    return await asyncio.to_thread(split, document, sizes)


def split(document: Document, sizes: SplitSizes = SIZES) -> list[Chunk]:
    splitter = (MarkdownSplitter if document.has_headings else TextSplitter)(sizes.size, sizes.overlap)
    line_starts = [0, *(match.end() for match in re.finditer("\n", document.text))]
    found: list[Chunk] = []
    for start, text in splitter.chunk_indices(document.text):
        end = start + len(text)
        found.append(
            Chunk(
                text=text,
                index=len(found),
                start=start,
                end=end,
                start_line=bisect_right(line_starts, start),
                end_line=bisect_right(line_starts, max(start, end - 1)),
            )
        )
    return found


def passage(document: Document, chunk: Chunk) -> str:
    """What the chunk is found by: its text below the title and headings that it stands under."""
    above = [document.title or "", *chunk.headings]
    lead = " > ".join(part for part in dict.fromkeys(above) if part)
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
