"""What a Word document says."""

import pytest

from knowledge import read
from knowledge.read import Limits, Reason, Unreadable
from tests.knowledge.files import WORD, docx, paragraph

CORE = '<p xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:creator>Me</dc:creator><dc:title>Ducks</dc:title></p>'


def text_of(body: str, **parts: str) -> str:
    return read.document_of(
        docx(body, {name.replace("__", "/") + ".xml": part for name, part in parts.items()}), "d"
    ).text


def test_tells_headings_lists_and_tables_in_markdown() -> None:
    cell = "<w:tc>{}</w:tc>"
    table = "".join(
        f"<w:tr>{''.join(cell.format(paragraph(text)) for text in row)}</w:tr>"
        for row in (("Bird", "Eggs"), ("Duck", "9"))
    )
    body = (
        paragraph("Ducks", "Kop1")
        + paragraph("They   swim.")
        + paragraph("Kinds", "Ours")
        + paragraph("Mallard", depth=0)
        + paragraph("drake", depth=1)
        + f"<w:tbl>{table}</w:tbl>"
    )

    assert text_of(body) == (
        "# Ducks\n\nThey swim.\n\n## Kinds\n\n- Mallard\n  - drake\n\n| Bird | Eggs |\n| --- | --- |\n| Duck | 9 |"
    )


def test_is_called_by_its_property_or_its_first_heading() -> None:
    named = read.document_of(docx(paragraph("Text"), {"docProps/core.xml": CORE}), "d.docx")
    unnamed = read.document_of(docx(paragraph("Heading", "Kop1") + paragraph("Text")), "d.docx")

    assert (named.title, unnamed.title) == ("Ducks", "Heading")


def test_joins_what_runs_and_marks_cut_apart() -> None:
    runs = (
        "<w:r><w:t>Wa</w:t></w:r><w:hyperlink><w:r><w:t>ter</w:t></w:r></w:hyperlink><w:r><w:tab/><w:t>fowl</w:t></w:r>"
    )

    assert text_of(f"<w:p>{runs}<w:r><w:br/><w:t>swim</w:t></w:r></w:p>") == "Water fowl\nswim"


def test_leaves_out_what_was_deleted_or_is_said_twice() -> None:
    deleted = "<w:del><w:r><w:delText>old</w:delText></w:r></w:del><w:ins><w:r><w:t>new</w:t></w:r></w:ins>"
    drawing = (
        '<w:r><mc:AlternateContent xmlns:mc="m"><mc:Choice><w:txbxContent>{0}</w:txbxContent></mc:Choice>'
        "<mc:Fallback><w:txbxContent>{0}</w:txbxContent></mc:Fallback></mc:AlternateContent></w:r>"
    ).format(paragraph("boxed"))

    assert text_of(f"<w:p>{deleted}{drawing}</w:p>") == "boxed\n\nnew"


def test_reads_notes_after_the_text() -> None:
    notes = (
        f'<w:footnotes {WORD}><w:footnote w:type="separator">{paragraph("never")}</w:footnote>'
        f"<w:footnote>{paragraph('A note.')}</w:footnote></w:footnotes>"
    )

    assert text_of(paragraph("Text."), word__footnotes=notes) == "Text.\n\nA note."


def test_a_bomb_is_put_down_before_it_unpacks() -> None:
    bomb = docx(paragraph("x" * 50_000_000))
    assert len(bomb) < 100_000

    with pytest.raises(Unreadable, match="unpacks to more than may be read") as caught:
        read.document_of(bomb, "d.docx", limits=Limits(unpacked_bytes=1_000_000))

    assert caught.value.reason is Reason.TOO_LARGE


@pytest.mark.parametrize(
    "document",
    [
        '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><x>&b;</x>',
        '<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>',
        "<x><unclosed></x>",
        "",
    ],
    ids=["entities", "outside", "broken", "empty"],
)
def test_refuses_markup_that_word_never_writes(document: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read.document_of(docx("", {"word/document.xml": document}), "d.docx")

    assert str(caught.value) == "d.docx is a broken DOCX."


def test_nesting_without_end_is_no_trouble() -> None:
    assert text_of("<w:sdt>" * 100_000 + paragraph("deep") + "</w:sdt>" * 100_000) == "deep"
