"""Markdown from blocks, whatever they were written in: who splits it knows one kind of heading, list and table."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

__all__ = ["Block", "code", "heading", "item", "joined", "paragraph", "row"]


@dataclass(slots=True)
class Block:
    text: str
    # Items of a list and rows of a table stand close to each other.
    is_tight: bool = False
    columns: int = 0
    level: int = 0
    # How much of the text is links: lists of nothing else are a site's navigation.
    link_characters: int = 0
    is_main: bool = False


def paragraph(text: str) -> Block:
    return Block(text)


def heading(text: str, level: int) -> Block:
    return Block(f"{'#' * min(level, 6)} {text}", level=level)


def item(text: str, depth: int, mark: str = "-") -> Block:
    return Block(f"{'  ' * (depth - 1)}{mark} {text}", is_tight=True)


def row(cells: Sequence[str]) -> Block:
    return Block(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |", is_tight=True, columns=len(cells))


def code(text: str) -> Block:
    fence = "````" if "```" in text else "```"
    return Block(f"{fence}\n{text.strip(chr(10))}\n{fence}")


def joined(blocks: Iterable[Block]) -> str:
    return "".join(_pieces(blocks)).strip()


def _pieces(blocks: Iterable[Block]) -> Iterator[str]:
    before = Block("")
    for block in blocks:
        begins_table = block.columns and not before.columns
        yield "\n" if before.is_tight and block.is_tight and not begins_table else "\n\n"
        yield block.text
        if begins_table:
            yield f"\n|{' --- |' * block.columns}"
        before = block
