"""What is wrong with a dialect's documents, told all at once, each with its file and line."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from graphql import GraphQLError, Node

__all__ = ["CompileError", "Mistake", "Mistakes", "did_you_mean"]


@dataclass(frozen=True, order=True, slots=True)
class Mistake:
    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


class CompileError(Exception):
    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(sorted(set(mistakes)))
        count = "1 mistake" if len(self.mistakes) == 1 else f"{len(self.mistakes)} mistakes"
        super().__init__("\n".join([f"{count} in REST documents:", *map(str, self.mistakes)]))


class Mistakes:
    """Collects, so that an author sees every complaint of one run."""

    def __init__(self) -> None:
        self._found: list[Mistake] = []

    def __len__(self) -> int:
        return len(self._found)

    def at(self, node: Node, message: str) -> None:
        assert node.loc is not None
        self._found.append(Mistake(node.loc.source.name, node.loc.start_token.line, message))

    def add_graphql(self, error: GraphQLError) -> None:
        """A complaint of GraphQL's own; its place is that of the first node or position it names."""
        if error.nodes and error.nodes[0].loc:
            self.at(error.nodes[0], error.message)
        else:
            line = error.locations[0].line if error.locations else 1
            self._found.append(Mistake(error.source.name if error.source else "?", line, error.message))

    def raise_if_any(self) -> None:
        if self._found:
            raise CompileError(self._found)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    close = get_close_matches(word, list(known), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""
