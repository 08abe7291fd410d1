import logging
from typing import Any

import pytest
from graphql import (
    GraphQLArgument,
    GraphQLError,
    GraphQLField,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLString,
    build_schema,
)

from errors import LimitReached, NotFound
from execution import Executor, Refused, Request, Result
from execution.errors import present


def schema_where(name: Any) -> GraphQLSchema:
    schema = build_schema("type Query { name(size: Int): String  sure: String!  names: [String] }")
    assert schema.query_type
    for field in schema.query_type.fields.values():
        field.resolve = name
    return schema


async def answer(resolver: Any, text: str = "{ name }", variables: dict[str, Any] | None = None) -> Result:
    executor = Executor(schema_where(resolver))
    return await executor.run(executor.prepare(Request(text)), variables or {}, None)


def fails_with(error: Exception) -> Any:
    def resolve(*_: Any, **__: Any) -> None:
        raise error

    return resolve


async def test_tells_what_is_ours_to_tell() -> None:
    result = await answer(fails_with(NotFound("agent", "7")))

    assert result.errors == [
        {
            "message": "There is no agent '7'.",
            "locations": [{"line": 1, "column": 3}],
            "path": ["name"],
            "extensions": {"code": "not_found", "kind": "agent", "id": "7"},
        }
    ]
    assert isinstance(result.causes[0].original_error, NotFound)


async def test_keeps_the_facts_of_an_error() -> None:
    result = await answer(fails_with(LimitReached("The budget", retry_after_seconds=5)))

    assert result.errors
    assert result.errors[0]["extensions"] == {"code": "limit_reached", "limit": "The budget", "retryAfterSeconds": 5}


@pytest.mark.parametrize("error", [ValueError("secret"), GraphQLError("secret")])
async def test_hides_what_was_not_foreseen(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    result = await answer(fails_with(error))

    assert result.errors
    assert result.errors[0]["message"] == "Internal error"
    assert result.errors[0]["extensions"]["code"] == "internal"
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert result.errors[0]["extensions"]["reference"] in record.getMessage()
    assert record.exc_info
    assert record.exc_info[1] is error


async def test_hides_values_that_do_not_fit_their_type() -> None:
    result = await answer(lambda *_, **__: {"secret": 1})

    assert result.errors
    assert result.errors[0]["message"] == "Internal error"


async def test_hides_a_null_that_should_not_be_one() -> None:
    result = await answer(lambda *_: None, "{ sure }")

    assert result.data is None
    assert result.errors
    assert result.errors[0]["extensions"]["code"] == "internal"


async def test_logs_one_failure_once_however_many_fields_it_breaks(caplog: pytest.LogCaptureFixture) -> None:
    result = await answer(fails_with(ValueError("one")), "{ name names }")

    assert result.errors
    assert len(result.errors) == 2
    assert len({error["extensions"]["reference"] for error in result.errors}) == 1
    assert len(caplog.records) == 1


async def test_a_mistake_in_the_variables_is_said_quietly(caplog: pytest.LogCaptureFixture) -> None:
    result = await answer(lambda *_, **__: "", "query($size: Int!) { name(size: $size) }", {"size": "big"})

    assert result.refused == "variables"
    assert "data" not in result.payload()
    assert result.errors
    assert result.errors[0]["message"].startswith("Variable '$size' has invalid value")
    assert caplog.records == []


def read_day(value: Any) -> Any:
    raise ValueError("a day is written as 2026-01-31")


async def test_says_what_a_scalar_has_against_a_value() -> None:
    day = GraphQLScalarType("Day", coerce_input_value=read_day)
    field = GraphQLField(GraphQLString, {"on": GraphQLArgument(day)}, resolve=lambda *_, **__: "")
    executor = Executor(GraphQLSchema(GraphQLObjectType("Query", {"name": field})))

    result = await executor.run(executor.prepare(Request("query($on: Day) { name(on: $on) }")), {"on": 1}, None)
    with pytest.raises(Refused) as refused:
        executor.prepare(Request("{ name(on: 1) }"))

    for told in (*(result.errors or ()), *present(refused.value.errors)):
        assert "a day is written as 2026-01-31" in told["message"]
