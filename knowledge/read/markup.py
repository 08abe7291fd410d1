"""Tags and text of a web page, one after the other.

Not a tree: building one costs a browser's parser the square of a depth that a hostile page chooses. Here every
character is looked at a fixed number of times, whatever it is.
"""

import re
from collections.abc import Iterator
from html import unescape
from typing import NamedTuple

__all__ = ["End", "Start", "attributes", "tokens"]

_TAG = re.compile(r"""<(/?)([a-zA-Z][^\s/>]*)((?:[^>"']++|"[^"]*"|'[^']*')*+)>""")
_LOOSE_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/>]*)([^>]*)>")
# Quotes that never end: after so many of them the rest is given up, as a browser gives it up after the first.
_BROKEN_TAGS = 5
_ATTRIBUTE = re.compile(r"""([^\s"'<>/=]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'=<>`]+)))?""")
# Inside these nothing is a tag but their own end.
_RAW_ENDS = {
    name: re.compile(f"</{name}", re.IGNORECASE)
    for name in ("script", "style", "textarea", "title", "noembed", "noframes", "xmp", "iframe")
}


class Start(NamedTuple):
    name: str
    attributes: str


class End(NamedTuple):
    name: str


def tokens(markup: str) -> Iterator[Start | End | str]:
    """Text comes with its references resolved, comments and declarations not at all."""
    at = broken = 0
    while (start := markup.find("<", at)) >= 0:
        if start > at:
            yield unescape(markup[at:start])
        second = markup[start + 1 : start + 3]
        if markup.startswith("<!--", start):
            at = _after(markup, "-->", start + 4)
        elif second[:1] in ("!", "?") or (second[:1] == "/" and not second[1:].isalpha()):
            at = _after(markup, ">", start)
        elif not second[:1].isalpha() and second[:1] != "/":
            yield "<"
            at = start + 1
        else:
            tag = _TAG.match(markup, start)
            if tag is None and broken < _BROKEN_TAGS:
                broken += 1
                tag = _LOOSE_TAG.match(markup, start)
            if tag is None:
                return
            at = tag.end()
            name = tag[2].lower()
            if tag[1]:
                yield End(name)
                continue
            yield Start(name, tag[3])
            if name in _RAW_ENDS:
                end = _RAW_ENDS[name].search(markup, at)
                raw, at = markup[at : end.start() if end else None], end.start() if end else len(markup)
                yield unescape(raw) if name == "title" else raw
    if at < len(markup):
        yield unescape(markup[at:])


def attributes(text: str) -> dict[str, str]:
    found = _ATTRIBUTE.finditer(text)
    return {match[1].lower(): unescape(match[2] or match[3] or match[4] or "") for match in found}


def _after(markup: str, end: str, at: int) -> int:
    found = markup.find(end, at)
    return len(markup) if found < 0 else found + len(end)
