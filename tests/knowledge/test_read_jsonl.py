"""Documents from JSONL."""

import io
import tracemalloc
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from knowledge import read
from knowledge.read import BadLine, Limits, Record


async def lines_of(content: bytes, limits: Limits = read.LIMITS) -> list[Record | BadLine]:
    return [line async for batch in read.records(io.BytesIO(content), limits=limits) for line in batch]


async def test_reads_the_members_an_import_documents() -> None:
    line = b'{"docid": "a:1", "text": "Ducks swim.", "__ref": "a", "__tags": ["birds", "water"], "__meta": {"page": 3}}'

    assert await lines_of(line) == [
        Record(
            line=1,
            name="a:1",
            text="Ducks swim.",
            reference="a",
            tags=("birds", "water"),
            metadata={"page": 3},
            given=frozenset(("docid", "text", "__ref", "__tags", "__meta")),
        )
    ]


async def test_reads_plainer_lines_too() -> None:
    assert await lines_of(
        b'{"text": "A"}\n{"name": "b", "contents": "B", "tags": "x, y"}\n{"id": 7, "content": "C"}'
    ) == [
        Record(line=1, text="A", given=frozenset(("text",))),
        Record(line=2, text="B", name="b", tags=("x", "y"), given=frozenset(("name", "contents", "tags"))),
        Record(line=3, text="C", name="7", given=frozenset(("id", "content"))),
    ]


async def test_bad_lines_do_not_stop_the_good_ones() -> None:
    content = (
        b'\xef\xbb\xbf{"text": "first"}\r\n\r\n'
        b'not json\n["text"]\n{"docid": "x"}\n{"text": " "}\n{"text": 5}\n'
        b'{"text": "t", "docid": {}}\n{"text": "t", "__ref": 1}\n{"text": "t", "__tags": [1]}\n'
        b'{"text": "t", "__meta": []}\n'
        b'{"text": "\xff"}\n'
        b'{"text": "last"}'
    )

    lines = await lines_of(content)

    assert [line.text for line in lines if isinstance(line, Record)] == ["first", "last"]
    assert [(line.line, line.problem) for line in lines if isinstance(line, BadLine)] == [
        (3, "is not JSON"),
        (4, "is not a JSON object"),
        (5, "has no text"),
        (6, "has no text"),
        (7, "has no text"),
        (8, "has a docid that is no text"),
        (9, "has a __ref that is no text"),
        (10, "has __tags that are no list of texts"),
        (11, "has a __meta that is no object"),
        (12, "is not JSON"),
    ]


async def test_a_line_without_end_is_passed_over() -> None:
    content = b'{"text": "' + b"x" * 5_000 + b'"}\n{"text": "after"}'

    lines = await lines_of(content, Limits(record_bytes=1_000))

    assert lines[0] == BadLine(1, "is longer than 1,000 bytes")
    assert [line.text for line in lines[1:] if isinstance(line, Record)] == ["after"]


async def test_a_line_of_exactly_the_limit_is_read() -> None:
    line = b'{"text": "1234567890"}\n'

    assert [type(found) for found in await lines_of(line * 2, Limits(record_bytes=len(line)))] == [Record, Record]


async def test_comes_in_batches() -> None:
    batches = [batch async for batch in read.records(io.BytesIO(b'{"text": "a"}\n' * 1_201))]

    assert [len(batch) for batch in batches] == [500, 500, 201]


async def test_a_file_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(read.Unreadable, match=r"gone\.jsonl cannot be opened"):
        await anext(read.records(tmp_path / "gone.jsonl"))


async def test_leaving_early_closes_the_file(tmp_path: Path) -> None:
    path = tmp_path / "many.jsonl"
    path.write_bytes(b'{"text": "a"}\n' * 2_000)

    batches = read.records(path)
    first = await anext(batches)
    await batches.aclose()  # an open file would be a warning, and a warning is an error

    assert len(first) == 500


class Endless(io.RawIOBase):
    """Two hundred megabytes that are nowhere."""

    def __init__(self, line: bytes, lines: int) -> None:
        self._line, self._left = line, lines

    def readline(self, size: int | None = -1, /) -> bytes:
        self._left -= 1
        return self._line if self._left >= 0 else b""


async def test_memory_is_that_of_a_batch() -> None:
    source = cast("BinaryIO", Endless(b'{"text": "' + b"word " * 20_000 + b'"}\n', 2_000))

    seen, peak = 0, 0
    tracemalloc.start()
    try:
        async for batch in read.records(source):
            seen += sum(len(line.text) for line in batch if isinstance(line, Record))
            peak = max(peak, tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()

    assert seen == 200_000_000
    assert peak < 12_000_000
