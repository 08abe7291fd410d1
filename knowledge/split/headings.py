"""What a piece stands under: the headings above it, or in nested text the lines that it is inside of."""

import re
from bisect import bisect_right
from collections.abc import Callable

__all__ = ["markdown_headings", "outer_lines"]

Above = Callable[[int], tuple[str, ...]]

_HEADING_OR_FENCE = re.compile(r"^ {0,3}(?:(#{1,6})[ \t]+(.+?)[ \t]*#*[ \t]*$|(`{3,}|~{3,}))", re.MULTILINE)
_LONGEST = 120
_DEEPEST = 6


def markdown_headings(text: str) -> Above:
    offsets: list[int] = []
    paths: list[tuple[tuple[int, str], ...]] = []
    path: tuple[tuple[int, str], ...] = ()
    fence = ""
    for found in _HEADING_OR_FENCE.finditer(text):
        if found[3]:
            if not fence:
                fence = found[3]
            elif found[3].startswith(fence):
                fence = ""
        elif not fence:
            level = len(found[1])
            path = (*(above for above in path if above[0] < level), (level, found[2][:_LONGEST]))
            offsets.append(found.start())
            paths.append(path)

    def above(start: int) -> tuple[str, ...]:
        at = bisect_right(offsets, start) - 1
        if at < 0:
            return ()
        # A heading that the piece begins with is part of it already.
        around = paths[at][:-1] if offsets[at] == start else paths[at]
        return tuple(heading for _, heading in around)

    return above


def outer_lines(text: str) -> Above:
    """By indentation: `class Watchdog:` and `def watch(self):` for what is inside of them, the keys above a key."""
    offsets: list[int] = []
    indents: list[int] = []
    outers: list[int] = []  # for each line the one it is inside of, or -1
    inside: list[int] = []
    for found in re.finditer(r"^([ \t]*)(\S[^\n]*)", text, re.MULTILINE):
        indent = len(found[1])
        while inside and indents[inside[-1]] > indent:
            inside.pop()
        opener = inside.pop() if inside and indents[inside[-1]] == indent else -1
        outers.append(inside[-1] if inside else -1)
        # What follows `) -> None:` is inside of the line that the bracket was opened in.
        inside.append(opener if opener >= 0 and found[2][0] in ")]}" else len(offsets))
        offsets.append(found.start())
        indents.append(indent)

    def above(start: int) -> tuple[str, ...]:
        at = bisect_right(offsets, start) - 1
        path: list[str] = []
        outer = outers[at] if at >= 0 else -1
        while outer >= 0:
            begin = offsets[outer] + indents[outer]
            path.append(text[begin : text.find("\n", begin)][:_LONGEST].rstrip(" {:(["))
            outer = outers[outer]
        return tuple(reversed(path[:_DEEPEST]))

    return above
