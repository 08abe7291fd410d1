"""What a PDF says, read in a process of its own."""

import os
from pathlib import Path

import pytest

from knowledge import read
from knowledge.read import Limits, Reason, Unreadable
from tests.knowledge import files


def test_reads_page_by_page() -> None:
    document = read.document_of(files.pdf(["First page", "second line"], ["Last (page)"], title="Ducks"), "d.pdf")

    assert document.title == "Ducks"
    assert document.text == "First page\nsecond line\n\nLast (page)"
    assert [document.text[start:][:5] for start in document.pages] == ["First", "Last "]


def test_drops_what_stands_at_the_edge_of_every_page() -> None:
    pages = [
        ["Annual report", f"Text of page {number}" + " and more" * number, f"Page {number}"] for number in range(5)
    ]

    text = read.document_of(files.pdf(*pages), "report.pdf").text

    assert "Annual report" not in text
    assert "Page 3" not in text
    assert "Text of page 3" in text


@pytest.mark.parametrize(
    ("content", "reason", "sentence"),
    [
        (files.pdf(["secret"], encrypt=True), Reason.ENCRYPTED, "d.pdf is locked with a password."),
        (files.pdf([], []), Reason.NO_TEXT, "d.pdf holds no text: its 2 pages are pictures, perhaps scanned."),
        (files.pdf(["x"])[:200], Reason.DAMAGED, "d.pdf is a broken PDF."),
    ],
)
def test_says_why_there_is_no_text(content: bytes, reason: Reason, sentence: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read.document_of(content, "d.pdf")

    assert (caught.value.reason, str(caught.value)) == (reason, sentence)


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        (Limits(pdf_pages=1), "has 2 pages; at most 1 are read"),
        (Limits(text_characters=30), "has more than 30 characters of text"),
        (Limits(pdf_seconds=0.001), "could not be read within 0.001 seconds"),
    ],
)
def test_stops_at_its_limits(limits: Limits, problem: str) -> None:
    with pytest.raises(Unreadable, match=problem) as caught:
        read.document_of(files.pdf(["A line of text"], ["Another line of text"]), "d.pdf", limits=limits)

    assert caught.value.reason is Reason.TOO_LARGE


def test_leaves_nothing_in_the_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    read.document_of(files.pdf(["text"]), "d.pdf")

    assert os.listdir(tmp_path) == []


def test_a_reader_that_dies_takes_nothing_with_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    child = tmp_path / "child.py"
    child.write_text("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    monkeypatch.setattr("knowledge.read.pdf._CHILD", child)

    with pytest.raises(Unreadable, match="is a broken PDF, or one that needs more memory than it may have"):
        read.document_of(files.pdf(["text"]), "d.pdf")
