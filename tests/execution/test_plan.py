"""What a plan promises beyond equal answers."""

import asyncio
from collections.abc import AsyncGenerator
from random import Random
from typing import Any

import pytest
from aiodataloader import DataLoader
from graphql import (
    ExecutionResult,
    FragmentDefinitionNode,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    build_schema,
    parse,
    subscribe,
    validate,
)
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from execution import Executor, Limits, Request
from execution.plan import Plan
from tests.execution.worlds import World, Writer, comparable

# graphql-core drops coroutines of its own when a check of a type fails beside them.
pytestmark = [
    pytest.mark.filterwarnings("ignore:coroutine 'Executor:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class Loader(DataLoader[int, int]):
    def __init__(self) -> None:
        super().__init__()
        self.batches: list[list[int]] = []

    async def batch_load_fn(self, keys: list[int]) -> list[int]:
        self.batches.append(keys)
        await asyncio.sleep(0)
        return keys


async def test_data_loaders_see_a_whole_level_at_once() -> None:
    schema = build_schema("type Query { rows: [Row!]! } type Row { number: Int! owner: Row! }")
    row, query = schema.type_map["Row"], schema.query_type
    assert isinstance(row, GraphQLObjectType)
    assert query

    async def number(source: int, info: Any) -> Any:
        return await info.context["numbers"].load(source)

    async def owner(source: int, info: Any) -> Any:
        return await info.context["owners"].load(source)

    query.fields["rows"].resolve = lambda *_: range(50)
    row.fields["number"].resolve, row.fields["owner"].resolve = number, owner
    context = {"numbers": Loader(), "owners": Loader()}
    executor = Executor(schema, limits=Limits(cost=10**6))

    result = await executor.run(
        executor.prepare(Request("{ rows { number owner { owner { number } } } }")), {}, context
    )

    assert result.data == {"rows": [{"number": n, "owner": {"owner": {"number": n}}} for n in range(50)]}
    assert context["owners"].batches == [list(range(50))]
    assert context["numbers"].batches == [list(range(50))]


async def test_each_combination_of_conditions_has_its_fields() -> None:
    schema = build_schema("type Query { a: Int b: Int }")
    executor = Executor(schema)
    text = "query($a: Boolean!, $b: Boolean!) { a @include(if: $a) b @skip(if: $b) }"
    operation = executor.prepare(Request(text))

    for a in (True, False, True):
        for b in (True, False):
            result = await executor.run(operation, {"a": a, "b": b}, None)

            assert list(result.data or {}) == ["a"] * a + ["b"] * (not b)


async def test_a_resolver_cannot_change_the_arguments_of_the_next() -> None:
    schema = build_schema("type Query { rows: [Row] } type Row { spoil(list: [Int]): Int }")
    row, query = schema.type_map["Row"], schema.query_type
    assert isinstance(row, GraphQLObjectType)
    assert query

    def spoil(_source: Any, _info: Any, list: list[int]) -> int:
        list.append(0)
        return len(list)

    query.fields["rows"].resolve = lambda *_: [1, 2, 3]
    row.fields["spoil"].resolve = spoil
    executor = Executor(schema)

    result = await executor.run(executor.prepare(Request("{ rows { spoil(list: [1]) } }")), {}, None)

    assert result.data == {"rows": [{"spoil": 2}] * 3}


@pytest.mark.parametrize("name", ["class", "None", "__class__", "import"])
async def test_reads_attributes_of_any_name(name: str) -> None:
    field = name if not name.startswith("__") else "klass"
    schema = build_schema(f"type Query {{ row: Row }} type Row {{ {field}: String }}")
    assert schema.query_type
    schema.query_type.fields["row"].resolve = lambda *_: type("Row", (), {field: "value"})()
    executor = Executor(schema)

    result = await executor.run(executor.prepare(Request(f"{{ row {{ a: {field} }} }}")), {}, None)

    assert result.data == {"row": {"a": "value"}}


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10**9), is_async=st.booleans())
async def test_events_are_answered_as_graphql_core_answers_them(seed: int, is_async: bool) -> None:
    world = World(Random(seed), is_async=is_async)
    kind = world.objects[0]
    writer = Writer(world, Random(seed))
    writer.parts_left = 15
    body = f"{{ event {writer.selection(kind, 1)} }} {' '.join(writer.fragments.values())}"

    async def source(_root: Any, _info: Any) -> AsyncGenerator[Any, None]:
        for number in range(3):
            yield {"event": world.rows(seed + number)}

    event = GraphQLField(kind, subscribe=source)
    subscription = GraphQLObjectType("Subscription", {"event": event})
    schema = GraphQLSchema(kind, subscription=subscription, types=[*world.objects, *world.abstract])
    document = parse(f"subscription Q{writer.declared(body)} {body}")
    assume(not validate(schema, document))
    operation, *fragments = document.definitions
    assert isinstance(operation, OperationDefinitionNode)
    by_name = {node.name.value: node for node in fragments if isinstance(node, FragmentDefinitionNode)}
    plan = Plan(schema, operation, by_name, hide_suggestions=False)

    stream: Any = subscribe(schema, document, variable_values=writer.variables)
    expected = []
    if isinstance(stream, ExecutionResult):
        return
    async for result in stream:
        assert isinstance(result, ExecutionResult)
        expected.append(comparable(result.data, result.errors or []))

    first = plan.begin(writer.variables, None)
    assert not isinstance(first, list)
    answered = []
    async for one in await plan.subscribe(first):
        run = first.next(one)
        data = plan.start(run)
        answered.append(comparable(await data if asyncio.iscoroutine(data) else data, list(run.errors)))
    assert answered == expected


async def test_mutations_run_one_after_the_other() -> None:
    schema = build_schema("type Query { a: Int } type Mutation { write(text: String): String! }")
    assert schema.mutation_type
    steps: list[str] = []

    async def write(_source: Any, _info: Any, text: str) -> str:
        steps.append(f"{text} begins")
        await asyncio.sleep(0)
        steps.append(f"{text} ends")
        return text

    schema.mutation_type.fields["write"].resolve = write
    executor = Executor(schema)
    text = 'mutation { a: write(text: "a") b: write(text: "b") }'

    result = await executor.run(executor.prepare(Request(text)), {}, None)

    assert result.data == {"a": "a", "b": "b"}
    assert steps == ["a begins", "a ends", "b begins", "b ends"]
