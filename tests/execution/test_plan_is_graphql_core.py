"""A plan's answer is graphql-core's answer: data, order of keys, errors, their paths, locations and order."""

from collections.abc import Mapping
from inspect import isawaitable
from random import Random
from typing import Any

import pytest
from graphql import (
    DocumentNode,
    ExecutionResult,
    FragmentDefinitionNode,
    OperationDefinitionNode,
    execute,
    parse,
    validate,
)
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from execution.plan import Plan
from tests.execution.worlds import World, Writer, comparable

# graphql-core drops coroutines of its own when a check of a type fails beside them.
pytestmark = [
    pytest.mark.filterwarnings("ignore:coroutine 'Executor:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


async def by_graphql_core(world: World, document: DocumentNode, variables: dict[str, Any], seed: int) -> Any:
    outcome = execute(world.schema, document, world.rows(seed), None, variables)
    result = await outcome if isawaitable(outcome) else outcome
    assert isinstance(result, ExecutionResult)
    return comparable(result.data, result.errors or [])


async def by_plan(plan: Plan, world: World, variables: Mapping[str, Any], seed: int) -> Any:
    run = plan.begin(variables, None)
    if isinstance(run, list):
        return comparable(None, run)
    run.root = world.rows(seed)
    data = plan.start(run)
    if isawaitable(data):
        data = await data
    return comparable(data, list(run.errors))


@settings(max_examples=250, deadline=None)
@given(seed=st.integers(0, 10**9), is_async=st.booleans())
async def test_whatever_is_asked_of_whatever_server(seed: int, is_async: bool) -> None:
    world = World(Random(seed), is_async=is_async)
    writer = Writer(world, Random(seed))
    document = parse(writer.document())
    assume(not validate(world.schema, document))
    operation = document.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    plan = Plan(world.schema, operation, fragments, hide_suggestions=False)

    expected = await by_graphql_core(world, document, writer.variables, seed)

    assert await by_plan(plan, world, writer.variables, seed) == expected
    assert await by_plan(plan, world, writer.variables, seed) == expected, "a plan can be used again"
