"""The rule agrees with graphql-core's about which documents are valid; only the time it takes is another."""

from random import Random

import pytest
from graphql import OverlappingFieldsCanBeMergedRule, build_schema, parse, validate
from hypothesis import given, settings
from hypothesis import strategies as st

from execution.overlaps import FieldsCanBeMerged

SCHEMA = build_schema("""
    directive @stream(initialCount: Int) on FIELD
    type Query { a: A  b: B  i: I  u: U  s(x: Int, y: Int): String  n: Int!  l: [Int]  ia: [I] }
    interface I { s: String  i: I  n: Int }
    type A implements I { s: String  i: I  n: Int  a: A  z: [Int!]  t(x: Int): Int }
    type B implements I { s: String  i: I  n: Int  b: B  z: [Int]  t(x: Int): String }
    union U = A | B
""")
OVERLAPPING = {"Query": ["Query"], "I": ["I", "A", "B", "U"], "A": ["A", "I", "U"], "B": ["B", "I", "U"], "U": "UABI"}


def messages(text: str) -> list[str]:
    return [error.message for error in validate(SCHEMA, parse(text), [FieldsCanBeMerged])]


class Writer:
    def __init__(self, random: Random) -> None:
        self.random = random
        self.fragments: dict[str, tuple[str, str]] = {}

    def document(self) -> str:
        body = self.selection("Query", 0)
        return " ".join([body, *(f"fragment {name} on {on} {text}" for name, (on, text) in self.fragments.items())])

    def selection(self, parent: str, depth: int) -> str:
        return "{ " + " ".join(self.part(parent, depth) for _ in range(self.random.randint(1, 3))) + " }"

    def part(self, parent: str, depth: int) -> str:
        choice = self.random.random()
        if choice < 0.4 and depth < 4:
            on = self.random.choice(list(OVERLAPPING[parent]))
            return f"... on {on} {self.selection(on, depth + 1)}" if choice < 0.25 else self.spread(on, depth)
        kind = SCHEMA.type_map[parent]
        fields = list(getattr(kind, "fields", {}).items())
        if not fields or choice < 0.45:
            return "__typename"
        name, definition = self.random.choice(fields)
        alias = self.random.choice(["", "", "x: ", "y: "])
        arguments = self.random.choice(["", "(x: 1)", "(x: 2)"]) if definition.args else ""
        stream = "@stream(initialCount: 1)" if self.random.random() < 0.02 else ""
        inner = str(definition.type).strip("[]!")
        if inner in OVERLAPPING:
            below = self.selection(inner, depth + 1) if depth < 4 else "{ __typename }"
            return f"{alias}{name}{arguments} {stream} {below}"
        return f"{alias}{name}{arguments} {stream}"

    def spread(self, on: str, depth: int) -> str:
        known = [name for name, (of, _) in self.fragments.items() if of == on]
        if known and self.random.random() < 0.5:
            return f"...{self.random.choice(known)}"
        text = self.selection(on, depth + 1)
        name = f"F{len(self.fragments)}"
        self.fragments[name] = on, text
        return f"...{name}"


@settings(max_examples=500, deadline=None)
@given(st.integers(0, 10**9))
def test_agrees_with_graphql_core(seed: int) -> None:
    document = parse(Writer(Random(seed)).document())

    expected = bool(validate(SCHEMA, document, [OverlappingFieldsCanBeMergedRule]))

    assert bool(validate(SCHEMA, document, [FieldsCanBeMerged])) == expected


ADVICE = "Use different aliases on the fields to fetch both if this was intentional."


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{ x: s x: n }", "Fields 'x' conflict because 's' and 'n' are different fields."),
        ("{ s(x: 1) s(x: 2) }", "Fields 's' conflict because they have differing arguments."),
        (
            "{ u { ... on A { x: t } ... on B { x: t } } }",
            "Fields 'x' conflict because they return conflicting types 'Int' and 'String'.",
        ),
        (
            "{ a { x: s } a { x: n } }",
            "Fields 'a' conflict because subfields 'x' conflict because 's' and 'n' are different fields.",
        ),
        ("{ l @stream l }", "Fields 'l' conflict because they have overlapping stream directives."),
        (
            "{ a { ...F } } fragment F on A { x: s x: n }",
            "Fields 'x' conflict because 's' and 'n' are different fields.",
        ),
    ],
)
def test_says_what_is_in_conflict(text: str, complaint: str) -> None:
    assert messages(text) == [f"{complaint} {ADVICE}"]


@pytest.mark.parametrize(
    "text",
    [
        "{ s(x: 1, y: 2) s(y: 2, x: 1) }",
        "{ u { ... on A { x: s } ... on B { x: s } } }",
        "{ u { ... on A { x: a { s } } ... on B { x: b { s } } } }",
        "{ a { s } ... { a { n } } }",
    ],
)
def test_lets_pass_what_means_the_same(text: str) -> None:
    assert messages(text) == []
