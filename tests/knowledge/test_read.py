"""What becomes of a file, whatever it claims to be."""

import asyncio
from pathlib import Path

import pytest

from knowledge import read
from knowledge.read import Document, Format, Kind, Limits, Reason, Unreadable
from tests.knowledge import files


def refusal(content: bytes | Path, name: str = "file", limits: Limits = read.LIMITS) -> Unreadable:
    with pytest.raises(Unreadable) as caught:
        read.document_of(content, name, limits=limits)
    return caught.value


@pytest.mark.parametrize(
    "content",
    [
        "Grüße, 世界".encode(),
        b"\xef\xbb\xbf" + "Grüße, 世界".encode(),
        b"\xff\xfe" + "Grüße, 世界".encode("utf-16-le"),
        b"\xfe\xff" + "Grüße, 世界".encode("utf-16-be"),
        b"\xff\xfe\x00\x00" + "Grüße, 世界".encode("utf-32-le"),
        "Gru\u0308ße, 世界".encode(),
    ],
    ids=["utf-8", "marked utf-8", "utf-16-le", "utf-16-be", "utf-32", "decomposed"],
)
def test_reads_unicode_in_every_dress(content: bytes) -> None:
    assert read.document_of(content, "greeting.txt").text == "Grüße, 世界"


def test_reads_old_western_text() -> None:
    assert read.document_of("“Grüße” für 5 €".encode("cp1252"), "a.txt").text == "“Grüße” für 5 €"
    assert read.document_of(b"caf\xe9 \x81", "a.txt").text == "café \x81"


def test_reads_wide_text_that_does_not_say_so() -> None:
    assert read.document_of("Plain enough.".encode("utf-16-le"), "a.txt").text == "Plain enough."


def test_believes_the_charset_it_is_told() -> None:
    told = read.document_of("Привет".encode("cp1251"), "a.txt", "text/plain; charset=windows-1251")
    untold = read.document_of(b"plain", "a.txt", "text/plain; charset=nonsense-8")

    assert told.text == "Привет"
    assert untold.text == "plain"


def test_keeps_one_kind_of_line_end() -> None:
    assert read.document_of(b"a\r\nb\rc\n", "a.txt").text == "a\nb\nc\n"


@pytest.mark.parametrize(
    ("name", "format", "kind", "language"),
    [
        ("notes.txt", Format.TEXT, Kind.DOCUMENTATION, None),
        ("guide/README", Format.MARKDOWN, Kind.DOCUMENTATION, None),
        ("README.md", Format.MARKDOWN, Kind.DOCUMENTATION, None),
        ("app.py", Format.CODE, Kind.CODE, "python"),
        ("App.TSX", Format.CODE, Kind.CODE, "tsx"),
        ("run.sh", Format.CODE, Kind.SCRIPT, "bash"),
        ("style.css", Format.CODE, Kind.WEB, "css"),
        ("ci.yml", Format.TEXT, Kind.CONFIG, "yaml"),
        ("rows.csv", Format.TEXT, Kind.DATA, "csv"),
        ("rows.jsonl", Format.JSONL, Kind.DATA, "json"),
        ("Dockerfile", Format.CODE, Kind.CONFIG, "dockerfile"),
        ("whatever", Format.TEXT, Kind.DOCUMENTATION, None),
    ],
)
def test_knows_a_text_by_its_name(name: str, format: Format, kind: Kind, language: str | None) -> None:
    document = read.document_of(b"one: two", name)

    assert (document.format, document.kind, document.language) == (format, kind, language)


def test_what_a_file_holds_outweighs_its_name() -> None:
    assert read.document_of(files.pdf(["Hello there"]), "page.html").format is Format.PDF
    assert read.document_of(files.docx(files.paragraph("Hello")), "notes.txt").format is Format.DOCX
    assert read.document_of(b"<!doctype html><p>Hello", "notes.txt").format is Format.HTML
    assert read.document_of(b"#!/usr/bin/env python3\nprint(1)", "tool").language == "python"


def test_code_that_writes_html_is_code() -> None:
    template = b"<html><?php echo 1; ?></html>"

    assert read.document_of(template, "index.php").text == template.decode()


def test_falls_back_to_the_media_type() -> None:
    assert read.document_of(b"# Title", "upload", "text/markdown; charset=utf-8").format is Format.MARKDOWN
    assert read.document_of(b"<p>Hi</p>", "upload", "text/html").text == "Hi"


def test_a_markdown_file_is_called_after_its_first_heading() -> None:
    assert read.document_of(b"Intro\n\n# The guide #\n\n# Other", "a.md").title == "The guide"


@pytest.mark.parametrize(
    ("content", "reason", "sentence"),
    [
        (b"", Reason.EMPTY, "file is empty."),
        (b" \n\t", Reason.EMPTY, "file holds no text."),
        (bytes(range(256)) * 8, Reason.BINARY, "file is not text."),
        (b"\x89PNG\r\n\x1a\n", Reason.UNSUPPORTED, "file is a picture, which has no text that we can read."),
        (b"\x7fELF\x02", Reason.UNSUPPORTED, "file is a program, which has no text that we can read."),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Reason.UNSUPPORTED, "old Office format"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "EncryptedPackage".encode("utf-16-le"),
            Reason.ENCRYPTED,
            "file is locked with a password.",
        ),
        (files.zipped({"xl/workbook.xml": "<x/>"}), Reason.UNSUPPORTED, "is a spreadsheet"),
        (files.zipped({"a.txt": "hi"}), Reason.UNSUPPORTED, "is a ZIP archive"),
        (b"PK\x03\x04 and then nothing", Reason.DAMAGED, "file is a broken DOCX."),
        (b"%PDF-1.7 and then nothing", Reason.DAMAGED, "file is a broken PDF."),
    ],
)
def test_says_why_a_file_cannot_be_read(content: bytes, reason: Reason, sentence: str) -> None:
    unreadable = refusal(content)

    assert unreadable.reason is reason
    assert sentence in str(unreadable)
    assert unreadable.facts["reason"] == reason.value


def test_names_the_limit_that_is_exceeded() -> None:
    assert str(refusal(b"x" * 2_000_000, limits=Limits(file_bytes=1_000_000))) == (
        "file has 2.0 MB; at most 1.0 MB are read."
    )
    assert "at most 10 are read" in str(refusal(b"x" * 11, limits=Limits(text_characters=10)))


def test_reads_no_more_of_a_huge_file_than_the_limit(tmp_path: Path) -> None:
    huge = tmp_path / "huge.txt"
    with huge.open("wb") as file:
        file.truncate(50_000_000_000)

    assert str(refusal(huge, "huge.txt")) == "huge.txt has 50,000.0 MB; at most 100.0 MB are read."


def test_a_file_that_is_not_there_is_a_sentence_too(tmp_path: Path) -> None:
    assert str(refusal(tmp_path / "gone", "gone")) == "gone cannot be opened: No such file or directory."


def test_text_that_never_was_a_file_is_taken_as_it_is() -> None:
    page = read.plain("<!doctype html><p>Kept & kept", "page.html")
    notes = read.plain("Intro\r\n\n## Part\n", "notes")

    assert (page.text, page.format) == ("<!doctype html><p>Kept & kept", Format.TEXT)
    assert (notes.text, notes.format) == ("Intro\r\n\n## Part\n", Format.MARKDOWN)


def test_counts_for_a_documents_details() -> None:
    assert read.count("two words") == read.Counts(characters=9, words=2, tokens=2)


async def test_reads_beside_the_event_loop() -> None:
    """A file of many megabytes, and the loop keeps turning meanwhile."""
    page = b"<p>word</p>" * 100_000
    reading = asyncio.ensure_future(read.document(page, "big.html"))
    turns = 0
    while not reading.done():
        await asyncio.sleep(0)
        turns += 1

    document: Document = await reading
    assert document.size_bytes == len(page)
    assert turns > 100
