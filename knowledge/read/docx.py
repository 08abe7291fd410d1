"""The text of a Word document: headings, paragraphs, lists and tables, as Markdown.

The format is a ZIP of XML files. We read it as a stream, since what unpacks small to large is a document as often as
a bomb; the limit is on what comes out, not on what the archive says of itself.
"""

import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import IO
from xml.etree.ElementTree import ParseError, XMLParser
from zlib import error as ZlibError

from knowledge.read import blocks
from knowledge.read.blocks import Block
from knowledge.read.document import Limits, Reason, Unreadable

__all__ = ["WordDocument", "read_docx"]

_PIECE_BYTES = 256 * 1024
_MAIN, _STYLES, _PROPERTIES = "word/document.xml", "word/styles.xml", "docProps/core.xml"
_NOTES = ("word/footnotes.xml", "word/endnotes.xml")
_KINDS = {"xl/": "a spreadsheet", "ppt/": "a presentation", "META-INF/": "an OpenDocument or EPUB file"}
_OTHER = "a ZIP archive"
_HEADING = re.compile(r"heading (\d)", re.IGNORECASE)

Attributes = dict[str, str]


@dataclass(frozen=True, slots=True)
class WordDocument:
    """The text is Markdown."""

    text: str
    title: str | None


def read_docx(content: bytes, name: str, limits: Limits) -> WordDocument:
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            return _read(archive, name, limits)
    except (zipfile.BadZipFile, ParseError, ZlibError, EOFError, NotImplementedError, ValueError, OSError) as exc:
        raise Unreadable(name, Reason.DAMAGED, "is a broken DOCX") from exc
    except RuntimeError as exc:  # how zipfile asks for a password
        raise Unreadable(name, Reason.ENCRYPTED, "is locked with a password") from exc


def _read(archive: zipfile.ZipFile, name: str, limits: Limits) -> WordDocument:
    names = set(archive.namelist())
    if _MAIN not in names:
        what = next((kind for start, kind in _KINDS.items() if any(part.startswith(start) for part in names)), _OTHER)
        raise Unreadable(name, Reason.UNSUPPORTED, f"is {what}, which is not read; save it as PDF or DOCX")
    budget = _Budget(name, limits.unpacked_bytes)
    styles, properties, body = _Styles(), _Properties(), _Body()
    if _STYLES in names:
        _parse(archive, _STYLES, styles, budget)
    if _PROPERTIES in names:
        _parse(archive, _PROPERTIES, properties, budget)
    body.levels = styles.levels()
    for part in (_MAIN, *(part for part in _NOTES if part in names)):
        _parse(archive, part, body, budget)
    found = body.page
    heading = next((block.text for block in found if block.level == 1), "").lstrip("# ")
    return WordDocument(blocks.joined(found), properties.title.strip() or heading or None)


@dataclass(slots=True)
class _Budget:
    name: str
    bytes_left: int

    def spend(self, size: int) -> None:
        self.bytes_left -= size
        if self.bytes_left < 0:
            raise Unreadable(self.name, Reason.TOO_LARGE, "unpacks to more than may be read")


class _Doctype(ValueError):
    """Word writes none; it is there to define entities of entities of entities."""


class _Target:
    """What the parser tells of a part. Names come without their namespace, of which Word has two sets."""

    def start(self, tag: str, attributes: Attributes) -> None:
        self.open(tag.rpartition("}")[2], {key.rpartition("}")[2]: value for key, value in attributes.items()})

    def end(self, tag: str) -> None:
        self.shut(tag.rpartition("}")[2])

    def data(self, text: str) -> None: ...

    def doctype(self, name: str, public: str | None, system: str | None) -> None:
        raise _Doctype(name)

    def close(self) -> None: ...

    def open(self, name: str, attributes: Attributes) -> None: ...

    def shut(self, name: str) -> None: ...


def _parse(archive: zipfile.ZipFile, part: str, target: _Target, budget: _Budget) -> None:
    if archive.getinfo(part).compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise NotImplementedError("Word packs in one way only")
    parser = XMLParser(target=target)
    with archive.open(part) as file:
        for piece in _pieces(file):
            budget.spend(len(piece))
            parser.feed(piece)
    parser.close()


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(_PIECE_BYTES):
        yield piece


class _Properties(_Target):
    title = ""
    _is_title = False

    def open(self, name: str, attributes: Attributes) -> None:
        self._is_title = name == "title"

    def shut(self, name: str) -> None:
        self._is_title = False

    def data(self, text: str) -> None:
        if self._is_title:
            self.title += text


class _Styles(_Target):
    """Which styles are headings, by name or outline level, their own or that of the style they are based on."""

    def __init__(self) -> None:
        self._style = ""
        self._levels: dict[str, int] = {}
        self._bases: dict[str, str] = {}

    def open(self, name: str, attributes: Attributes) -> None:
        value = attributes.get("val", "")
        if name == "style":
            self._style = attributes.get("styleId", "")
        elif name == "name" and (heading := _HEADING.fullmatch(value)):
            self._levels[self._style] = int(heading[1])
        elif name == "name" and value.lower() == "title":
            self._levels[self._style] = 1
        elif name == "outlineLvl" and value.isdigit() and int(value) < 6:
            self._levels.setdefault(self._style, int(value) + 1)
        elif name == "basedOn":
            self._bases[self._style] = value

    def levels(self) -> dict[str, int]:
        for style in self._bases:
            if (level := self._inherited(style)) is not None:
                self._levels[style] = level
        return self._levels

    def _inherited(self, style: str) -> int | None:
        for _ in range(12):  # a style may be based on itself
            if style in self._levels:
                return self._levels[style]
            style = self._bases.get(style, "")
        return None


@dataclass(slots=True)
class _Paragraph:
    words: list[str] = field(default_factory=list)
    style: str = ""
    list_depth: int = 0


class _Body(_Target):
    def __init__(self) -> None:
        self.levels: dict[str, int] = {}
        self.page: list[Block] = []
        self._sinks = [self.page]
        self._rows: list[list[list[Block]]] = []
        # A text box stands inside the paragraph it is tied to.
        self._paragraphs: list[_Paragraph] = []
        self._hidden = 0
        self._is_text = False
        self._openers: dict[str, Callable[[Attributes], None]] = {
            "p": lambda _: self._paragraphs.append(_Paragraph()),
            "t": self._open_text,
            "tab": lambda _: self._say(" "),
            "br": lambda _: self._say("\n"),
            "cr": lambda _: self._say("\n"),
            "noBreakHyphen": lambda _: self._say("-"),
            "pStyle": self._set_style,
            "outlineLvl": self._set_outline,
            "ilvl": self._set_depth,
            "tr": lambda _: self._rows.append([]),
            "tc": lambda _: self._sinks.append([]),
        }

    def open(self, name: str, attributes: Attributes) -> None:
        # The same drawing for programs that do not know the first form; what moved away; separators of notes.
        if self._hidden or name in ("Fallback", "moveFrom", "del") or attributes.get("type") == "separator":
            self._hidden += 1
        elif (opener := self._openers.get(name)) is not None:
            opener(attributes)

    def data(self, text: str) -> None:
        if self._is_text:
            self._say(text)

    def shut(self, name: str) -> None:
        if self._hidden:
            self._hidden -= 1
        elif name == "t":
            self._is_text = False
        elif name == "p" and self._paragraphs:
            self._end_paragraph(self._paragraphs.pop())
        elif name == "tc" and len(self._sinks) > 1 and self._rows:
            self._rows[-1].append(self._sinks.pop())
        elif name == "tr" and self._rows:
            self._end_row(self._rows.pop())

    def _open_text(self, _: Attributes) -> None:
        self._is_text = True

    def _say(self, text: str) -> None:
        if self._paragraphs:
            self._paragraphs[-1].words.append(text)

    def _set_style(self, attributes: Attributes) -> None:
        if self._paragraphs:
            self._paragraphs[-1].style = attributes.get("val", "")

    def _set_outline(self, attributes: Attributes) -> None:
        if self._paragraphs and (value := attributes.get("val", "")).isdigit() and int(value) < 6:
            self._paragraphs[-1].style = f"outline {value}"
            self.levels[f"outline {value}"] = int(value) + 1

    def _set_depth(self, attributes: Attributes) -> None:
        if self._paragraphs and (value := attributes.get("val", "")).isdigit():
            self._paragraphs[-1].list_depth = min(int(value), 8) + 1

    def _end_paragraph(self, paragraph: _Paragraph) -> None:
        text = "\n".join(
            line for line in (" ".join(line.split()) for line in "".join(paragraph.words).split("\n")) if line
        )
        if not text:
            return
        level = self.levels.get(paragraph.style, 0)
        if level:
            block = blocks.heading(text.replace("\n", " "), level)
        elif paragraph.list_depth:
            block = blocks.item(text, paragraph.list_depth)
        else:
            block = blocks.paragraph(text)
        self._sinks[-1].append(block)

    def _end_row(self, cells: list[list[Block]]) -> None:
        if any(cells):
            texts = (" ".join(block.text.replace("\n", " ") for block in cell) for cell in cells)
            self._sinks[-1].append(blocks.row(list(texts)))
