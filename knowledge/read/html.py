"""What a web page says, without what surrounds it on every page of its site."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from knowledge.read import blocks
from knowledge.read.blocks import Block
from knowledge.read.markup import End, Start, attributes, tokens

__all__ = ["Page", "read_html"]


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


_ROWS = _names("tr thead tbody tfoot")
_CELLS = _names("td th")
_LISTS = _names("ul ol menu")
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLOCKS = _names(
    "address article aside blockquote body caption center dd details div dl dt fieldset figcaption figure footer form"
    " header hgroup hr legend li main nav p pre section summary table"
).union(_ROWS, _CELLS, _LISTS, _HEADINGS)
_NO_END = _names("area base br col embed hr img input link meta param source track wbr")

# What the start of a tag ends when it is still open, and what that must not reach through.
_ENDS = {
    **dict.fromkeys(_BLOCKS, (_names("p"), _names(""))),
    "li": (_names("li"), _LISTS),
    "dt": (_names("dt dd"), _names("dl")),
    "dd": (_names("dt dd"), _names("dl")),
    "td": (_CELLS, _names("tr")),
    "th": (_CELLS, _names("tr")),
    "tr": (_names("tr"), _names("table")),
    "tbody": (_ROWS, _names("table")),
    "tfoot": (_ROWS, _names("table")),
}
# A stray end inside one of these leaves alone what is outside.
_WALLS = _names("table td th main article body")

_NEVER_TEXT = _names(
    "script style template noscript iframe noembed noframes object svg math canvas audio video textarea select"
    " datalist head title"
)
_SURROUNDINGS = _names("nav footer aside dialog button")
_ROLES = _names("navigation banner contentinfo search complementary dialog alert menu")
_CLASSES = re.compile(
    r"(?:^|\s)(?:cookies?-[\w-]+|consent[\w-]*|breadcrumbs?|newsletter[\w-]*|social-[\w-]+|share-[\w-]+|sharing"
    r"|advert\w*|ads?|sidebar|skip-link|pagination|pager|navbar|navigation|site-(?:header|footer|nav))(?:$|\s)",
    re.IGNORECASE,
)
_CLASSED = _names("div section ul ol p span table")

_LONGEST_CELL = 500
_BREAK = "\0"  # stands for <br>; no text holds one


@dataclass(frozen=True, slots=True)
class Page:
    """The text is Markdown."""

    text: str
    title: str | None


def read_html(markup: str, *, deepest: int = 128) -> Page:
    reader = _Reader(deepest, drops_surroundings=True)
    found = _worth_keeping(reader.read(markup))
    if (kept := _length(found)) < 250:
        # Either a short page, or one that hides all it says in what looks like its surroundings.
        everything = _Reader(deepest, drops_surroundings=False).read(markup)
        if kept * 5 < _length(everything):
            found = everything
    heading = next((block.text for block in found if block.level == 1), "").lstrip("# ")
    return Page(blocks.joined(found), reader.title or heading or None)


def _length(found: list[Block]) -> int:
    return sum(len(block.text) for block in found)


def _worth_keeping(found: list[Block]) -> list[Block]:
    """The part that says it is the main one, when that is a good part of all; else all but long runs of links."""
    main = [block for block in found if block.is_main]
    if _length(main) * 4 > _length(found):
        return main
    return list(_without_runs_of_links(found))


def _without_runs_of_links(found: list[Block]) -> Iterator[Block]:
    run: list[Block] = []
    for block in [*found, Block("")]:
        if block.link_characters * 10 > len(block.text) * 7:
            run.append(block)
            continue
        if len(run) < 4:
            yield from run
        run = []
        yield block


@dataclass(slots=True)
class _Element:
    name: str
    is_skipped: bool = False
    is_main: bool = False
    items: int = 0


@dataclass(slots=True)
class _Table:
    row: list[list[Block]] = field(default_factory=list)
    # One that holds another is there for the looks.
    is_layout: bool = False


class _Reader:
    """Keeps the elements that are open, and makes a block of the text between two that stand on lines of their own."""

    def __init__(self, deepest: int, *, drops_surroundings: bool) -> None:
        self.title: str | None = None
        self._deepest, self._drops_surroundings = deepest, drops_surroundings
        self._open: list[_Element] = []
        self._names: Counter[str] = Counter()
        self._too_deep: Counter[str] = Counter()
        self._skipped = self._mains = 0
        self._words: list[str] = []
        self._link_characters = 0
        self._item: tuple[int, str] | None = None
        self._tables: list[_Table] = []
        # Where blocks go: the page, and inside of a table the cell.
        self._pages: list[list[Block]] = [[]]

    def read(self, markup: str) -> list[Block]:
        for token in tokens(markup):
            if isinstance(token, Start):
                self._start(token)
            elif isinstance(token, End):
                self._end(token.name)
            else:
                self._text(token)
        self._close(0)
        self._break_off()
        return self._pages[0]

    def _text(self, text: str) -> None:
        if self._open and self._open[-1].name == "title":
            self.title = self.title or _collapsed(text) or None
        elif not self._skipped:
            self._words.append(text)
            if self._names["a"]:
                self._link_characters += len(text.strip())

    def _start(self, tag: Start) -> None:
        name = tag.name
        if name in _BLOCKS:
            self._end_implied(*_ENDS[name])
            self._break_off()
        if name in _NO_END:
            if not self._skipped:
                self._words.append(_alone(tag))
            return
        if len(self._open) >= self._deepest:
            self._too_deep[name] += 1
            return
        given = attributes(tag.attributes) if tag.attributes else {}
        element = _Element(name, self._skips(name, given), name in ("main", "article") or given.get("role") == "main")
        self._open.append(element)
        self._names[name] += 1
        self._skipped += element.is_skipped
        self._mains += element.is_main
        if name == "li":
            self._item = self._next_item()
        elif name == "table":
            for table in self._tables:
                table.is_layout = True
            self._tables.append(_Table())
        elif name in _CELLS:
            self._pages.append([])

    def _skips(self, name: str, given: dict[str, str]) -> bool:
        if name in _NEVER_TEXT:
            return True
        if not self._drops_surroundings:
            return False
        if name in _SURROUNDINGS or (name == "header" and not self._mains) or given.get("role") in _ROLES:
            return True
        if "hidden" in given or given.get("aria-hidden") == "true" or "display:none" in given.get("style", ""):
            return True
        if name not in _CLASSED or self._mains:
            return False
        return any(_CLASSES.search(given.get(key, "")) for key in ("class", "id"))

    def _next_item(self) -> tuple[int, str]:
        around = [element for element in self._open if element.name in _LISTS] or [_Element("ul")]
        around[-1].items += 1
        return len(around), f"{around[-1].items}." if around[-1].name == "ol" else "-"

    def _end(self, name: str) -> None:
        if self._too_deep[name]:
            self._too_deep[name] -= 1
        elif self._names[name]:
            # Letters in bold nest a few deep; only a hostile page makes us look further, with every tag.
            furthest = -1 if name in _BLOCKS else max(-1, len(self._open) - 16)
            for index in range(len(self._open) - 1, furthest, -1):
                around = self._open[index].name
                if around == name:
                    self._close(index)
                    return
                # </b> does not end a paragraph, nor </div> a cell; both leave what they would have to go through.
                if (around in _BLOCKS and name not in _BLOCKS) or (around in _WALLS and name not in _WALLS | _ROWS):
                    return

    def _end_implied(self, names: frozenset[str], within: frozenset[str]) -> None:
        if not any(self._names[name] for name in names):
            return
        for index in range(len(self._open) - 1, -1, -1):
            around = self._open[index].name
            if around in names:
                self._close(index)
                return
            if around in within or around == "table" or (around in _BLOCKS and not within):
                return

    def _close(self, index: int) -> None:
        """Ends an element with all that is open inside of it."""
        while len(self._open) > index:
            element = self._open[-1]
            if element.name in _BLOCKS:
                self._break_off()
            self._open.pop()
            self._names[element.name] -= 1
            self._skipped -= element.is_skipped
            self._mains -= element.is_main
            if element.name == "li":
                self._item = None
            elif element.name in _CELLS:
                self._end_cell(self._pages.pop())
            elif element.name in ("tr", "table") and self._tables:
                self._end_row(self._tables[-1])
                if element.name == "table":
                    self._tables.pop()

    def _end_cell(self, cell: list[Block]) -> None:
        if self._tables:
            self._tables[-1].row.append(cell)
        else:
            self._pages[-1].extend(cell)

    def _end_row(self, table: _Table) -> None:
        cells, table.row = table.row, []
        if not any(cells):
            return
        inside = [block for cell in cells for block in cell]
        if table.is_layout or len(cells) == 1 or max(map(_length, cells)) > _LONGEST_CELL:
            self._pages[-1].extend(inside)
            return
        row = blocks.row([" ".join(_collapsed(block.text) for block in cell) for cell in cells])
        row.is_main = any(block.is_main for block in inside)
        row.link_characters = sum(block.link_characters for block in inside)
        self._pages[-1].append(row)

    def _break_off(self) -> None:
        """What was said since the last block becomes one."""
        text, link_characters = "".join(self._words), self._link_characters
        self._words, self._link_characters = [], 0
        block = self._block(text) if text and not text.isspace() else None
        if block is not None:
            block.is_main, block.link_characters = self._mains > 0, link_characters
            self._pages[-1].append(block)

    def _block(self, text: str) -> Block | None:
        if self._names["pre"]:
            return blocks.code(text.replace(_BREAK, "\n"))
        lines = [line for line in map(_collapsed, text.split(_BREAK)) if line]
        if not lines:
            return None
        level = next((level for name, level in _HEADINGS.items() if self._names[name]), 0)
        if level:
            return blocks.heading(" ".join(lines), level)
        if self._item is not None:
            (depth, mark), self._item = self._item, None
            return blocks.item(" ".join(lines), depth, mark)
        return blocks.paragraph("\n".join(lines))


def _alone(tag: Start) -> str:
    if tag.name == "br":
        return _BREAK
    return f" {attributes(tag.attributes).get('alt', '')} " if tag.name == "img" else ""


def _collapsed(text: str) -> str:
    return " ".join(text.split())
