"""Documents from JSONL, one a line, however long the file: what is in memory is one batch."""

import asyncio
from collections.abc import AsyncGenerator, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO  # a line is whatever JSON somebody wrote

import orjson

from knowledge.read.document import LIMITS, Limits, Reason, Unreadable

__all__ = ["BadLine", "Record", "records", "records_of"]

_BATCH_RECORDS = 500
_BATCH_CHARACTERS = 2_000_000
_UTF8_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One line: a text with the name it is known by. Lines count from 1.

    `given` says which members the line had, since an import leaves alone what it does not mention.
    """

    line: int
    text: str
    name: str | None = None
    reference: str | None = None
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, object] = field(default_factory=dict)
    given: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is not a document; the import goes on after it. `problem` completes "line 7 …"."""

    line: int
    problem: str


Batch = list[Record | BadLine]


async def records(source: Path | BinaryIO, *, limits: Limits = LIMITS) -> AsyncGenerator[Batch]:
    """Reads and parses in a thread, a batch ahead of nobody: the next is read when this one was dealt with."""
    batches = _batches(records_of(source, limits=limits))
    try:
        while batch := await asyncio.to_thread(next, batches, None):
            yield batch
    finally:
        batches.close()


def _batches(lines: Iterator[Record | BadLine]) -> Generator[Batch]:
    batch: Batch = []
    characters = 0
    for line in lines:
        batch.append(line)
        characters += len(line.text) if isinstance(line, Record) else 0
        if len(batch) == _BATCH_RECORDS or characters > _BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def records_of(source: Path | BinaryIO, *, limits: Limits = LIMITS) -> Iterator[Record | BadLine]:
    if isinstance(source, Path):
        try:
            opened = source.open("rb")
        except OSError as exc:
            raise Unreadable(source.name, Reason.DAMAGED, f"cannot be opened: {exc.strerror}") from exc
        with opened:
            yield from records_of(opened, limits=limits)
        return
    number = 0
    while line := source.readline(limits.record_bytes + 1):
        number += 1
        if len(line) > limits.record_bytes:
            _skip_rest(source, line, limits)
            yield BadLine(number, f"is longer than {limits.record_bytes:,} bytes")
            continue
        if number == 1:
            line = line.removeprefix(_UTF8_MARK)
        if line := line.strip():
            yield _record(number, line)


def _skip_rest(source: BinaryIO, line: bytes, limits: Limits) -> None:
    while line and not line.endswith(b"\n"):
        line = source.readline(limits.record_bytes)


def _record(number: int, line: bytes) -> Record | BadLine:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        return BadLine(number, "is not JSON")
    if not isinstance(row, dict):
        return BadLine(number, "is not a JSON object")
    text = _first(row, "text", "contents", "content")
    if not isinstance(text, str) or not text.strip():
        return BadLine(number, "has no text")
    name = _first(row, "docid", "name", "id")
    reference = _first(row, "__ref", "reference")
    tags = _first(row, "__tags", "tags")
    metadata = _first(row, "__meta", "metadata")
    if isinstance(tags, str):
        tags = [tag.strip() for tag in tags.split(",") if tag.strip()]
    if not isinstance(name, str | int | None):
        return BadLine(number, "has a docid that is no text")
    if not isinstance(reference, str | None):
        return BadLine(number, "has a __ref that is no text")
    if not isinstance(tags, list | None) or not all(isinstance(tag, str) for tag in tags or ()):
        return BadLine(number, "has __tags that are no list of texts")
    if not isinstance(metadata, dict | None):
        return BadLine(number, "has a __meta that is no object")
    return Record(
        line=number,
        text=text.replace("\0", ""),
        name=None if name is None else str(name),
        reference=reference,
        tags=tuple(tags or ()),
        metadata=metadata or {},
        given=frozenset(row),
    )


def _first(row: dict[str, Any], *names: str) -> Any:
    return next((row[name] for name in names if row.get(name) is not None), None)
