"""Puts the members of one object of an answer where their names and `@under` say."""

from collections.abc import Sequence
from dataclasses import dataclass

from graphql import FieldNode

from rest_compat.mistakes import Mistakes
from rest_compat.shapes import Constant, Fetch, Member, Members, Places, Shape

__all__ = ["Entry", "Key", "arrange", "keys"]

Key = str | int
_Tree = dict[Key, "Constant | Fetch | _Tree"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One member before it has found its place; no place at all means that it is the whole object."""

    node: FieldNode
    types: frozenset[str]
    place: tuple[Key, ...]
    member: Constant | Fetch
    event: int | None


def keys(path: str) -> tuple[Key, ...]:
    return tuple(int(part) if part.isdecimal() else part for part in path.split("."))


def arrange(entries: Sequence[Entry], *, exact: bool, mistakes: Mistakes) -> Shape:
    whole = [entry for entry in entries if not entry.place]
    if whole:
        others = [entry for entry in entries if entry.member != whole[0].member]
        for entry in others:
            mistakes.at(
                entry.node, f"@body makes one field the whole answer, so {_word(entry)} would be lost beside it."
            )
        return whole[0].member
    tree: _Tree = {}
    for entry in entries:
        _insert(tree, entry, mistakes)
    return Members(tuple((str(key), _member(branch)) for key, branch in tree.items()), exact)


def _insert(tree: _Tree, entry: Entry, mistakes: Mistakes) -> None:
    *above, last = entry.place
    for key in above:
        branch = tree.setdefault(key, {})
        if not isinstance(branch, dict):
            mistakes.at(entry.node, f"{key!r} is already a field, so nothing can be put under it.")
            return
        tree = branch
    if last in tree and tree[last] != entry.member:
        mistakes.at(entry.node, f"Two fields are written as {last!r} here; give one another name.")
        return
    tree[last] = entry.member


def _member(branch: "Constant | Fetch | _Tree") -> Member:
    if not isinstance(branch, dict):
        return branch
    if all(isinstance(key, int) for key in branch):
        return Places(tuple(_member(branch[key]) for key in sorted(branch, key=int)))
    return Members(tuple((str(key), _member(inner)) for key, inner in branch.items()), exact=False)


def _word(entry: Entry) -> str:
    return repr((entry.node.alias or entry.node.name).value)
