from typing import Any

import pytest
from graphql import build_schema

from errors import LimitReached
from execution import Executor, Limits, Refused, Request, Result, Stage

SCHEMA = build_schema("""
    type Query {
      name: String
      one: Query
      list: [Query!]!
      page(first: Int = 5, last: Int): [Query]
      rows(first: Int, after: String): RowConnection!
      nodes(ids: [ID!]!): [Query]
    }
    type Mutation { write: Query }
    type RowConnection { edges: [RowEdge!]! nodes: [Query!]! pageInfo: PageInfo! }
    type RowEdge { cursor: String! node: Query! }
    type PageInfo { hasNextPage: Boolean! }
""")
LIMITS = Limits(assumed_page_size=20, assumed_list_size=10, page_size=100)


def cost(text: str, **variables: Any) -> int:
    operation = Executor(SCHEMA, limits=LIMITS).prepare(Request(text))
    return operation.price.of(variables)[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{ name }", 0),
        ("{ one { name } }", 1),
        ("{ one { one { name } } }", 2),
        ("{ list { name } }", 10),
        ("{ list { one { name } } }", 20),
        ("{ page { name } }", 5),
        ("{ page(first: 3) { name } }", 3),
        ("{ page(first: 3, last: 7) { name } }", 7),
        ("{ page(first: 0) { name } }", 0),
        ("{ rows { nodes { name } } }", 21),
        ("{ rows(first: 3) { nodes { name } } }", 4),
        ("{ rows(first: 0) { nodes { name } } }", 1),
        ("{ rows(first: 3) { edges { node { name } } pageInfo { hasNextPage } } }", 8),
        ("{ rows(first: 3) { nodes { rows(first: 2) { nodes { name } } } } }", 13),
        ("{ nodes(ids: [1, 2, 3]) { name } }", 3),
        ("{ one { ...A } ...A } fragment A on Query { list { name } }", 21),
        ("{ rows(first: 3) { ...A } rows(first: 3) { ...A } } fragment A on RowConnection { nodes { name } }", 8),
        ("{ ... { ... on Query { one { name } } } }", 1),
        ("{ __schema { types { fields { name } } } }", 0),
        ("mutation { write { name } }", 11),
    ],
)
def test_counts_the_objects_an_operation_may_read(text: str, expected: int) -> None:
    assert cost(text) == expected


def test_counts_what_the_variables_ask_for() -> None:
    text = "query($n: Int = 4, $ids: [ID!]!) { rows(first: $n) { nodes { name } } nodes(ids: $ids) { name } }"

    assert cost(text, n=50, ids=["a", "b"]) == 53
    assert cost(text, n=None, ids=[]) == 21


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{ rows(first: 101) { nodes { name } } }", "first: 101 is more than one page holds: at most 100."),
        ("{ page(last: 101) { name } }", "last: 101 is more than one page holds: at most 100."),
        (
            "{ rows(first: 100) { nodes { page(first: 100) { page(first: 3) { name } } } } }",
            "This operation costs 40101: at most 25000 is allowed.",
        ),
    ],
)
def test_refuses_what_is_too_large(text: str, complaint: str) -> None:
    with pytest.raises(Refused) as refused:
        Executor(SCHEMA).prepare(Request(text))

    assert refused.value.stage is Stage.LIMIT
    assert str(refused.value) == complaint


async def answer(text: str, variables: dict[str, Any], **options: Any) -> Result:
    executor = Executor(SCHEMA, **options)
    return await executor.run(executor.prepare(Request(text)), variables, "somebody")


async def test_refuses_what_the_variables_make_too_large() -> None:
    result = await answer("query($n: Int) { rows(first: $n) { nodes { name } } }", {"n": 1_000})

    assert result.refused is Stage.LIMIT
    assert result.errors
    assert result.errors[0]["message"] == "first: 1000 is more than one page holds: at most 100."
    assert "data" not in result.payload()


async def test_tells_the_cost_when_asked_to() -> None:
    result = await answer("{ one { name } }", {}, tell_cost=True)

    assert result.extensions == {"cost": {"requested": 1, "limit": 25_000}}


async def test_takes_the_cost_from_an_allowance() -> None:
    spent = []

    await answer("{ one { name } }", {}, spend=lambda context, cost: spent.append((context, cost)))

    assert spent == [("somebody", 1)]


async def test_runs_nothing_that_cannot_be_paid_for() -> None:
    async def spend(_context: Any, _cost: int) -> None:
        raise LimitReached("The allowance of this key", retry_after_seconds=3)

    result = await answer("{ one { name } }", {}, spend=spend)

    assert result.refused is Stage.LIMIT
    assert result.errors
    assert result.errors[0]["extensions"]["code"] == "limit_reached"
