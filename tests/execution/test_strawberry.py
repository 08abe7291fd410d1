"""Strawberry's fields and types, which the plan reads without asking Strawberry, answer as they do with it."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from inspect import isawaitable
from typing import Annotated, Any

import pytest
import strawberry
from graphql import execute, get_introspection_query, parse
from strawberry.permission import BasePermission

from execution import Executor, Limits, Request

FIRST = strawberry.ID("1")
MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class NobodyMay(BasePermission):
    message = "no"

    def has_permission(self, source: Any, info: Any, **kwargs: Any) -> bool:
        return False


@strawberry.enum
class Colour(Enum):
    RED = "red"
    GREEN = "green"


class PersonRow:
    """What a table would give: no Strawberry type at all."""

    def __init__(self, id: str) -> None:
        self.id, self.full_name, self.colour, self.born, self.worth = (
            id,
            f"name {id}",
            Colour.RED,
            MOMENT,
            Decimal("1.5"),
        )
        self.tags = ["a", "b"]


@strawberry.interface
class Node:
    id: strawberry.ID


@strawberry.type
class Person(Node):
    full_name: str
    colour: Colour
    born: datetime
    worth: Decimal
    tags: list[str]
    missing: int = strawberry.field(default=1)
    named: str = strawberry.field(name="calledThis", resolver=lambda root: root.full_name.upper())
    secret: str | None = strawberry.field(default=None, permission_classes=[NobodyMay])

    @classmethod
    def is_type_of(cls, value: Any, info: Any) -> bool:
        return isinstance(value, PersonRow)

    @strawberry.field
    async def friends(self, first: int = 2, colours: list[Colour] | None = None) -> list["Person"]:
        await asyncio.sleep(0)
        return [PersonRow(f"{self.id}{number}") for number in range(first)]  # type: ignore[misc]  # rows, on purpose

    @strawberry.field
    def shout(self, info: strawberry.Info[Any, None], word: str | None = strawberry.UNSET) -> str:
        return f"{info.path.key} {info.context} {word is strawberry.UNSET} {word}"


@strawberry.type
class Machine(Node):
    serial: int


@strawberry.input
class Wish:
    colour: Colour = Colour.GREEN
    words: list[str] = strawberry.field(default_factory=list)


@strawberry.type
class Query:
    @strawberry.field
    def person(self, id: strawberry.ID = FIRST) -> Person | None:
        return None if id == "0" else PersonRow(id)  # type: ignore[return-value]  # rows, on purpose

    @strawberry.field
    def nodes(self) -> list[Node]:
        return [PersonRow("1"), Machine(id=strawberry.ID("2"), serial=3)]  # type: ignore[list-item]  # rows, on purpose

    @strawberry.field
    def anything(self) -> list[Annotated[Person | Machine, strawberry.union("Anything")]]:
        return [Machine(id=strawberry.ID("2"), serial=3), PersonRow("1"), 7]  # type: ignore[list-item]  # one is wrong

    @strawberry.field
    def grant(self, wish: Wish) -> str:
        return f"{wish.colour} {wish.words}"


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def write(self, text: str) -> str:
        return text


SCHEMA = strawberry.Schema(Query, Mutation, types=[Person, Machine])


@pytest.mark.parametrize(
    "text",
    [
        "{ person { id fullName colour born worth tags __typename } }",
        '{ none: person(id: "0") { id } some: person(id: 5) { id calledThis } }',
        "{ person { missing } }",
        "{ person { id secret } }",
        "{ person { friends { id friends(first: 1, colours: [RED]) { fullName shout } } } }",
        '{ person { a: shout(word: "x") b: shout(word: null) c: shout } }',
        "{ nodes { __typename id ... on Person { fullName } ... on Machine { serial } } }",
        "{ anything { ... on Person { fullName } ... on Machine { serial } } }",
        '{ grant(wish: {words: ["a"]}) b: grant(wish: {colour: RED}) }',
        'mutation { a: write(text: "1") b: write(text: "2") }',
        get_introspection_query(),
        '{ __schema { queryType { name } } __type(name: "Person") { fields { name type { name ofType { name } } } } }',
    ],
)
async def test_answers_as_with_graphql_core(text: str) -> None:
    executor = Executor(SCHEMA, limits=Limits(suggestions=True))
    outcome = execute(SCHEMA._schema, parse(text), None, "context")
    expected: Any = await outcome if isawaitable(outcome) else outcome

    result = await executor.run(executor.prepare(Request(text)), {}, "context")

    assert repr(result.data) == repr(expected.data)
    assert [(error.message, error.path, error.locations) for error in result.causes] == [
        (error.message, error.path, error.locations) for error in expected.errors or ()
    ]
