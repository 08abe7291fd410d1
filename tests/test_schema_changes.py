"""Nobody's document breaks without a word: what the released graph allowed and ours does not is in the changelog.

`schema/released.graphql` is the graph as it was released last; a release copies `schema/schema.graphql` over it.
"""

import re
from pathlib import Path

import pytest
from graphql import GraphQLSchema, build_schema
from graphql.utilities import find_breaking_changes

ROOT = Path(__file__).parent.parent


def untold(before: GraphQLSchema, now: GraphQLSchema, changelog: str) -> list[str]:
    """The breaking changes whose coordinates stand in no *Breaking* section."""
    told = "\n".join(re.findall(r"^### Breaking\n(.*?)(?=^##|\Z)", changelog, re.MULTILINE | re.DOTALL))
    return [
        change.description
        for change in find_breaking_changes(before, now)
        if not any(f"`{coordinate}`" in told for coordinate in coordinates(change.description))
    ]


def coordinates(description: str) -> list[str]:
    """`Type.field` and the like, as graphql-core names them in its sentences; the longest first."""
    found = re.findall(r"\b[A-Z]\w*(?:\.\w+)?(?:\(\w+:?\))?", description)
    return sorted({name.rstrip(".") for name in found}, key=len, reverse=True)


def test_the_released_graph_is_kept_or_the_change_is_told() -> None:
    before = build_schema((ROOT / "schema" / "released.graphql").read_text("utf-8"))
    now = build_schema((ROOT / "schema" / "schema.graphql").read_text("utf-8"))

    assert untold(before, now, (ROOT / "CHANGELOG.md").read_text("utf-8")) == []


BEFORE = "type Query { chat(id: ID!): Chat chats: [Chat!]! } type Chat { id: ID! title: String }"


@pytest.mark.parametrize(
    ("now", "coordinate"),
    [
        (BEFORE.replace(" title: String", ""), "Chat.title"),
        (BEFORE.replace("title: String", "title: Int"), "Chat.title"),
        (BEFORE.replace("chats: [Chat!]!", "chats(user: ID!): [Chat!]!"), "Query.chats(user:)"),
    ],
)
def test_a_change_that_breaks_has_to_be_told(now: str, coordinate: str) -> None:
    before, after = build_schema(BEFORE), build_schema(now)

    assert untold(before, after, "## 0.2.0\n\n### Added\n- `Chat.title`\n") != []
    assert untold(before, after, f"## 0.2.0\n\n### Breaking\n- `{coordinate}` is gone.\n") == []


def test_an_addition_breaks_nobody() -> None:
    now = build_schema(BEFORE.replace("title: String", "title: String subject: String"))

    assert untold(build_schema(BEFORE), now, "") == []
