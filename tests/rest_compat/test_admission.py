"""Which kinds of keys an API takes where."""

from dataclasses import dataclass

import pytest

from errors import Forbidden, Unauthenticated
from rest_compat.admission import admit, kinds_for

KINDS = {"/api": frozenset({"SK"}), "/api/sync": frozenset({"SSK"})}


@dataclass
class Asker:
    kind: str
    key_id: str | None = "a key"


@pytest.mark.parametrize(
    ("path", "kinds"),
    [("/api/documents", {"SK"}), ("/api/sync/source", {"SSK"}), ("/ai/chat", None)],
)
def test_takes_the_kinds_of_the_longest_beginning(path: str, kinds: set[str] | None) -> None:
    assert kinds_for(KINDS, path) == kinds


def test_lets_the_right_kind_in() -> None:
    admit(Asker("SK"), KINDS["/api"])


def test_refuses_another_kind() -> None:
    with pytest.raises(Forbidden, match="A key of kind WSK may not do this"):
        admit(Asker("WSK"), KINDS["/api"])


@pytest.mark.parametrize("kind", ["ANONYMOUS", "LOCAL"])
def test_asks_who_came_without_a_key_for_one(kind: str) -> None:
    with pytest.raises(Unauthenticated):
        admit(Asker(kind, key_id=None), KINDS["/api/sync"])
