"""`when:`, which of several operations on one route a request means."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any  # Request values are open JSON.

import orjson
from graphql import EnumValueNode, ListValueNode, ObjectValueNode, ValueNode, value_from_ast_untyped

from rest_compat.mistakes import Mistakes

__all__ = ["Absent", "Condition", "Equals", "Prefix", "Present", "Said", "Test", "read_condition"]


class Said(str):
    """A value that came as a text, from a query, a header or a form, so that `true` may be the word or the truth."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Equals:
    value: object

    def __str__(self) -> str:
        return orjson.dumps(self.value).decode()

    def holds(self, given: object) -> bool:
        if isinstance(given, Said) and not isinstance(self.value, str):
            return given.lower() == str(self)
        # `True == 1` in Python; `{"stream": 1}` is not `{"stream": true}`.
        return given == self.value and isinstance(given, bool) is isinstance(self.value, bool)


@dataclass(frozen=True, slots=True)
class Prefix:
    text: str

    def __str__(self) -> str:
        return f"{self.text}…"

    def holds(self, given: object) -> bool:
        return isinstance(given, str) and given.startswith(self.text)


@dataclass(frozen=True, slots=True)
class Present:
    def __str__(self) -> str:
        return "there"

    def holds(self, given: object) -> bool:
        return given is not None


@dataclass(frozen=True, slots=True)
class Absent:
    def __str__(self) -> str:
        return "absent"

    def holds(self, given: object) -> bool:
        return given is None


Test = Equals | Prefix | Present | Absent


@dataclass(frozen=True, slots=True)
class Condition:
    """Every key must pass one of its tests."""

    tests: Mapping[str, tuple[Test, ...]]

    def holds(self, given: Callable[[str], Any]) -> bool:
        return all(any(test.holds(given(key)) for test in tests) for key, tests in self.tests.items())

    def excludes(self, other: "Condition") -> bool:
        """No request can satisfy both."""
        return any(
            all(_disjoint(ours, theirs) for ours in self.tests[key] for theirs in other.tests[key])
            for key in self.tests.keys() & other.tests.keys()
        )

    def narrows(self, other: "Condition") -> bool:
        """It asks for everything the other one asks for, and for more."""
        return len(self.tests) > len(other.tests) and all(
            self.tests.get(key) == other.tests[key] for key in other.tests
        )


def _disjoint(one: Test, other: Test) -> bool:
    match one, other:
        case Equals(value), test:
            return not test.holds(value)
        case test, Equals(value):
            return not test.holds(value)
        case Prefix(a), Prefix(b):
            return not (a.startswith(b) or b.startswith(a))
        case Absent(), test:
            return not isinstance(test, Absent)
        case test, Absent():
            return True
        case _:
            return False


def read_condition(node: ValueNode, mistakes: Mistakes) -> Condition:
    if not isinstance(node, ObjectValueNode) or not node.fields:
        mistakes.at(node, "`when:` is an object of keys and what they must be, such as {stream: true}.")
        return Condition({})
    return Condition({field.name.value: _tests(field.value, mistakes) for field in node.fields})


def _tests(node: ValueNode, mistakes: Mistakes) -> tuple[Test, ...]:
    nodes = node.values if isinstance(node, ListValueNode) else (node,)
    return tuple(_test(each, mistakes) for each in nodes)


def _test(node: ValueNode, mistakes: Mistakes) -> Test:
    if isinstance(node, EnumValueNode):
        if node.value not in {"present", "absent"}:
            mistakes.at(node, f"`when:` knows the words present and absent, not {node.value}; texts go in quotes.")
        return Absent() if node.value == "absent" else Present()
    value = value_from_ast_untyped(node)
    if value is None:
        return Absent()
    if isinstance(value, str) and value.endswith("*"):
        return Prefix(value[:-1])
    return Equals(value)
