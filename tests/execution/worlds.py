"""Random schemas, rows and documents: whatever a server could be made of, misbehaviour included."""

import asyncio
import re
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLError,
    GraphQLField,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLString,
    GraphQLUnionType,
    get_named_type,
    is_composite_type,
    is_list_type,
    is_non_null_type,
)

MAX_DEPTH = 3


class Row:
    """An object whose fields are attributes, and which knows its type as Strawberry's types would."""

    def __init__(self, typename: str) -> None:
        self.typename = typename

    def __repr__(self) -> str:
        return f"<{self.typename}>"


class Raises:
    """A row whose attributes cannot all be read."""

    def __init__(self, typename: str, **attributes: Any) -> None:
        self.__dict__ |= {"typename": typename, "_attributes": attributes}

    def __repr__(self) -> str:
        return f"<{self.typename} that raises>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        value = self._attributes.get(name)
        if isinstance(value, Exception):
            raise value
        return value


def odd(value: Any) -> Any:
    if value == "odd":
        raise ValueError("odd is not a scalar")
    if value == "nothing":
        return None
    return f"<{value}>"


class Later:
    """An awaitable that minds neither being awaited twice nor not at all."""

    def __init__(self, value: Any, *, suspends: bool) -> None:
        self.value, self.suspends = value, suspends

    def __repr__(self) -> str:
        return "<later>"

    def __await__(self) -> Generator[Any, None, Any]:
        if self.suspends:
            yield from asyncio.sleep(0).__await__()
        return self.value


class Method:
    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return "<method>"

    def __call__(self, _info: Any, **_arguments: Any) -> Any:
        return self.value


async def later(value: Any) -> Any:
    if isinstance(value, Exception):
        raise value
    return value


@dataclass
class World:
    """One schema. `rows` gives the same root every time it is called, in new objects."""

    random: Random
    is_async: bool
    objects: list[GraphQLObjectType] = field(default_factory=list)
    abstract: list[Any] = field(default_factory=list)
    schema: GraphQLSchema = field(init=False)
    objects_left: int = 0

    def __post_init__(self) -> None:
        self.enum = GraphQLEnumType("Colour", {"RED": 1, "GREEN": 2, "NONE": 3})
        self.scalar = GraphQLScalarType("Odd", coerce_output_value=odd)
        names = ["Query", *(f"T{number}" for number in range(self.random.randint(1, 3)))]
        interface_fields = {f"i{number}": self.kind(leaf=True) for number in range(2)}
        faces_fields = {name: GraphQLField(kind) for name, kind in interface_fields.items()}
        interface = GraphQLInterfaceType("Face", faces_fields, resolve_type=self.type_resolver())
        for name in names:
            faces = [interface] if self.random.random() < 0.6 and name != "Query" else []
            self.objects.append(
                GraphQLObjectType(
                    name,
                    self.fields_of(name, interface_fields if faces else {}),
                    interfaces=faces,
                    is_type_of=self.type_check(name),
                )
            )
        members = self.random.sample(self.objects[1:], k=self.random.randint(1, len(names) - 1))
        self.abstract = [GraphQLUnionType("Any", members, resolve_type=self.type_resolver())]
        if any(interface in kind.interfaces for kind in self.objects):
            self.abstract.append(interface)
        self.schema = GraphQLSchema(self.objects[0], mutation=self.mutation(), types=[*self.objects, *self.abstract])
        self.kinds = {kind.name: kind.fields for kind in self.objects}

    def mutation(self) -> GraphQLObjectType:
        return GraphQLObjectType("Mutation", self.fields_of("Mutation", {}))

    def fields_of(self, name: str, inherited: dict[str, Any]) -> Callable[[], dict[str, GraphQLField]]:
        seed = self.random.random()

        def make() -> dict[str, GraphQLField]:
            random = Random(seed)
            kinds = {f"f{number}": self.kind(random) for number in range(random.randint(2, 5))} | inherited
            return {key: self.field(random, key, kind) for key, kind in kinds.items()}

        return make

    def field(self, random: Random, name: str, kind: Any) -> GraphQLField:
        args = {"a": GraphQLArgument(GraphQLInt), "b": GraphQLArgument(GraphQLList(GraphQLInt))}
        resolve = random.choice([None, None, None, self.resolver(random, name, kind)])
        return GraphQLField(kind, args if random.random() < 0.3 else None, resolve=resolve)

    def resolver(self, random: Random, name: str, kind: Any) -> Callable[..., Any]:
        seed, behaviour = random.random(), random.choice(["value", "value", "value", "raise", "exception", "argument"])
        slow = self.is_async and random.random() < 0.6

        def resolve(source: Any, info: Any, **arguments: Any) -> Any:
            depth = len(info.path.as_list())
            value: Any
            if behaviour == "raise":
                value = KeyError(f"{name} failed")
                if not slow:
                    raise value
            elif behaviour == "exception":
                value = GraphQLError("as a value", extensions={"code": "odd"})
            elif behaviour == "argument":
                value = arguments.get("a")
            else:
                # The same at the same place, whoever asks and in whatever order.
                self.objects_left = 10
                value = self.value(Random(f"{seed}{info.path.as_list()}"), kind, depth)
            return later(value) if slow else value

        return resolve

    def kind(self, random: Random | None = None, *, leaf: bool = False) -> Any:
        random = random or self.random
        leaves = [GraphQLInt, GraphQLFloat, GraphQLString, GraphQLBoolean, GraphQLID, self.enum, self.scalar]
        kind: Any = random.choice(leaves)
        if not leaf and random.random() < 0.5:
            kind = random.choice([*self.objects[1:], *self.abstract])
        for _ in range(random.choice([0, 0, 0, 1, 1, 2])):
            kind = GraphQLList(GraphQLNonNull(kind) if random.random() < 0.4 else kind)
        return GraphQLNonNull(kind) if random.random() < 0.4 else kind

    def type_resolver(self) -> Any:
        behaviour = self.random.choice(["default", "default", "name", "name", "later", "wrong"])

        def resolve_type(value: Any, _info: Any, _kind: Any) -> Any:
            name = value.get("__typename") if isinstance(value, dict) else getattr(value, "typename", None)
            if behaviour == "wrong" and name == "T1":
                return "Colour"
            return Later(name, suspends=False) if behaviour == "later" and self.is_async else name

        return None if behaviour == "default" else resolve_type

    def type_check(self, name: str) -> Any:
        behaviour = self.random.choice(["none", "none", "check", "later"])

        def is_type_of(value: Any, _info: Any) -> Any:
            fits = name == (value.get("__typename") if isinstance(value, dict) else getattr(value, "typename", None))
            return Later(fits, suspends=False) if behaviour == "later" and self.is_async else fits

        return None if behaviour == "none" or name in {"Query"} else is_type_of

    def rows(self, seed: int) -> Any:
        self.objects_left = 60
        return self.object(Random(seed), self.objects[0], 0)

    def value(self, random: Random, kind: Any, depth: int) -> Any:
        """A value for a field of a type: most often a fitting one."""
        whim = random.random()
        if whim < 0.03:
            return random.choice([ValueError("a value"), "wrong", 7.5, {"a": 1}, [1]])
        if whim < 0.08 and self.is_async:
            return Later(self.value(random, kind, depth), suspends=random.random() < 0.3)
        if is_non_null_type(kind):
            return None if whim < 0.09 else self.value(random, kind.of_type, depth)
        if whim < 0.2:
            return None
        if is_list_type(kind):
            items = [self.value(random, kind.of_type, depth) for _ in range(random.choice([0, 1, 1, 2]))]
            return self.iterable(random, items)
        if is_composite_type(kind):
            self.objects_left -= 1
            if depth > MAX_DEPTH or self.objects_left < 0:
                return None
            possible = [kind] if isinstance(kind, GraphQLObjectType) else self.schema.get_possible_types(kind)
            return self.object(random, random.choice(list(possible)), depth + 1)
        return random.choice(LEAVES.get(kind.name, [1]))

    def iterable(self, random: Random, items: list[Any]) -> Any:
        shape = random.random()
        if shape < 0.8:
            return items
        if shape < 0.9:
            return tuple(items)
        if shape < 0.95:
            return iter(items)
        if not self.is_async:
            return items
        return stream(items)

    def object(self, random: Random, kind: GraphQLObjectType, depth: int) -> Any:
        values = {name: self.value(random, field.type, depth) for name, field in kind.fields.items()}
        for name, value in values.items():
            if random.random() < 0.05:
                values[name] = Method(value)
        shape = random.random()
        if shape < 0.3:
            return {"__typename": kind.name, "typename": kind.name, **values}
        if shape < 0.35:
            return Raises(kind.name, **values)
        row = Row(kind.name)
        row.__dict__ |= {name: value for name, value in values.items() if random.random() < 0.97}
        return row


LEAVES: dict[str, list[Any]] = {
    "Int": [0, 1, -5, 2**31, 2**31 - 1, 1.0, 1.5, True, "3", "x"],
    "Float": [0.5, 1, float("inf"), float("nan"), "2.5", True, -0.0],
    "String": ["", "text", 5, 1.5, True, b"bytes"],
    "Boolean": [True, False, 0, 1, 2.5, "yes"],
    "ID": ["id", 5, 1.5, True],
    "Colour": [1, 2, 3, 4, "RED"],
    "Odd": ["odd", "nothing", "even", 1],
}


async def stream(items: list[Any]) -> Any:
    for item in items:
        yield item


@dataclass
class Writer:
    """Writes a document for a world. It is almost always valid."""

    world: World
    random: Random
    fragments: dict[str, str] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    aliases: int = 0
    parts_left: int = 40

    def document(self) -> str:
        kind = self.random.choice(["query", "query", "query", "mutation"])
        root = self.world.schema.query_type if kind == "query" else self.world.schema.mutation_type
        body = " ".join([self.selection(root, 0), *self.fragments.values()])
        return f"{kind} Q{self.declared(body)} {body}"

    def declared(self, body: str) -> str:
        """Declares the variables that are used, and gives them values."""
        self.variables = {"yes": self.random.choice([True, True, False, False, None]), "no": self.random.random() < 0.5}
        if self.random.random() < 0.5:
            self.variables["n"] = self.random.choice([1, None, 5])
        kinds = {"yes": "Boolean = true", "no": "Boolean!", "n": "Int", "list": "[Int] = [3]"}
        used = [f"${name}: {of}" for name, of in kinds.items() if f"${name})" in body]
        return f"({', '.join(used)})" if used else ""

    def selection(self, kind: Any, depth: int) -> str:
        parts = [self.part(kind, depth) for _ in range(self.random.randint(1, 4))]
        return "{ " + " ".join(parts) + " }"

    def part(self, kind: Any, depth: int) -> str:
        self.parts_left -= 1
        if self.parts_left < 0:
            return "__typename"
        choice = self.random.random()
        conditions = self.condition()
        if choice < 0.1:
            return f"... {conditions} {self.selection(kind, depth)}"
        if choice < 0.25:
            inner = self.random.choice(self.overlapping(kind))
            return f"... on {inner.name} {conditions} {self.selection(inner, depth)}"
        if choice < 0.35:
            inner = self.random.choice(self.overlapping(kind))
            name = f"F{len(self.fragments)}"
            self.fragments[name] = ""
            self.fragments[name] = f"fragment {name} on {inner.name} {self.selection(inner, depth)}"
            return f"...{name} {conditions}"
        if choice < 0.42 or isinstance(kind, GraphQLUnionType):
            return f"__typename {conditions}"
        return self.one_field(kind, depth, conditions)

    def one_field(self, kind: Any, depth: int, conditions: str) -> str:
        name, definition = self.random.choice(list(kind.fields.items()))
        arguments = ""
        if definition.args and self.random.random() < 0.7:
            arguments = self.random.choice(["(a: 1)", "(a: $n)", "(b: [1, 2])", "(b: $list)", "(a: null)"])
        self.aliases += 1
        alias = self.random.choice([f"{name}_{self.aliases}: "] * 3 + [f"{kind}{name}{len(arguments)}: "])
        if not arguments and self.random.random() < 0.3:
            alias = ""
        inner = get_named_type(definition.type)
        if not is_composite_type(inner):
            return f"{alias}{name}{arguments} {conditions}"
        if depth >= MAX_DEPTH:
            return f"{alias}{name}{arguments} {conditions} {{ __typename }}"
        return f"{alias}{name}{arguments} {conditions} {self.selection(inner, depth + 1)}"

    def condition(self) -> str:
        return self.random.choice([""] * 8 + ["@skip(if: $no)", "@include(if: $yes)", "@include(if: true)"])

    def overlapping(self, kind: Any) -> list[Any]:
        if isinstance(kind, GraphQLObjectType):
            return [kind, *(one for one in self.world.abstract if self.world.schema.is_sub_type(one, kind))]
        return [kind, *self.world.schema.get_possible_types(kind)]


def comparable(data: Any, errors: list[GraphQLError]) -> tuple[str, list[Any]]:
    """`repr` tells 1 from True and keeps the order of keys; addresses of objects are nobody's business."""
    told = [(error.message, error.path, error.locations) for error in errors]
    return re.sub(r"0x[0-9a-f]+", "", repr(data)), told
