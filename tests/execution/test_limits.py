from typing import Any

import pytest
from graphql import build_schema, get_introspection_query

from execution import Executor, Limits, Refused, Request

SCHEMA = build_schema("type Query { name: String  me: Query  list: [Query] }")


def complaints(text: str, **limits: Any) -> list[str]:
    try:
        Executor(SCHEMA, limits=Limits(**limits)).prepare(Request(text))
    except Refused as refused:
        return [f"{refused.stage}: {error.message}" for error in refused.errors]
    return []


@pytest.mark.parametrize(
    ("text", "limits", "complaint"),
    [
        ("{ me { me { name } } }", {"depth": 2}, "3 levels: at most 2 are allowed."),
        ("{ me { ...A } } fragment A on Query { me { name } }", {"depth": 2}, "3 levels: at most 2 are allowed."),
        ("{ me { ... { ... on Query { name } } } }", {"depth": 1}, "2 levels: at most 1 are allowed."),
        ("{ name me { name } }", {"fields": 2}, "3 fields: at most 2 are allowed."),
        ("{ me { ...A } ...A } fragment A on Query { name }", {"fields": 2}, "3 fields: at most 2 are allowed."),
        ("{ a: name b: name }", {"aliases": 1}, "2 aliases: at most 1 are allowed."),
        ("{ me { ...A } ...A } fragment A on Query { a: name }", {"aliases": 1}, "2 aliases: at most 1 are allowed."),
        (
            "query Q($a: Boolean = true) { name @skip(if: $a) @include(if: true) }",
            {"directives": 1},
            "2 directives: at most 1 are allowed.",
        ),
        (
            "{ a: name ...A } fragment A on Query { b: name }",
            {"root_fields": 1},
            "2 root fields: at most 1 are allowed.",
        ),
        ("{ name } fragment A on Query { name }", {"definitions": 1}, "2 definitions: at most 1 are allowed."),
        ("{ name }" + " " * 100, {"document_bytes": 50}, "The document is longer than 50 bytes."),
        ("# \u20ac\u20ac\n{ name }", {"document_bytes": 13}, "The document is longer than 13 bytes."),
        ("{ __schema { types { name } } }", {"introspection": False}, "Introspection is switched off here."),
        (
            '{ ...A } fragment A on Query { __type(name: "A") { name } }',
            {"introspection": False},
            "Introspection is switched off here.",
        ),
    ],
)
def test_says_which_limit_and_by_how_much(text: str, limits: dict[str, Any], complaint: str) -> None:
    assert complaints(text, **limits) == [f"limit: {complaint}"]


def test_counts_tokens_before_anything_is_built() -> None:
    with pytest.raises(Refused) as refused:
        Executor(SCHEMA, limits=Limits(tokens=10)).prepare(Request("{ " + "name " * 10 + "}"))

    assert "more than 10 tokens" in str(refused.value)


def test_lets_tools_look_at_the_schema() -> None:
    assert complaints(get_introspection_query(input_value_deprecation=True)) == []


def test_a_fragment_costs_the_same_wherever_it_is_spread() -> None:
    text = "{ me { ...A } list { me { ...A } } } fragment A on Query { me { name } }"

    assert complaints(text, depth=4) == []
    assert complaints(text, depth=3) == ["limit: 4 levels: at most 3 are allowed."]


def test_typename_is_not_introspection() -> None:
    assert complaints("{ __typename me { __typename } }", introspection=False) == []
