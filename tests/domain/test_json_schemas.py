"""Schemas that mean well, and schemas that do not."""

import time
from typing import Any

import pytest

from domain.json_schemas import JsonSchema
from errors import Invalid

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string", "pattern": "^[A-Z]"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("value", "complaints"),
    [
        ({"name": "Ada", "age": 36}, []),
        ({"name": "Ada"}, ["the whole: 'age' is a required property"]),
        (
            {"name": "ada", "age": "36", "x": 1},
            [
                "name: 'ada' does not match '^[A-Z]'",
                "age: '36' is not of type 'integer'",
                "the whole: 'x' is not one of the properties that it may have",
            ],
        ),
        ([], ["the whole: [] is not of type 'object'"]),
    ],
)
def test_says_what_is_wrong(value: Any, complaints: list[str]) -> None:
    assert sorted(JsonSchema(PERSON).complaints(value)) == sorted(complaints)


def test_follows_references_to_its_own_parts() -> None:
    tree = {"$defs": {"node": {"type": "array", "items": {"$ref": "#/$defs/node"}}}, "$ref": "#/$defs/node"}

    assert JsonSchema(tree).complaints([[], [[]]]) == []
    assert JsonSchema(tree).complaints([[], [1]]) == ["[1][0]: 1 is not of type 'array'"]


@pytest.mark.parametrize(
    "draft", ["http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft/2020-12/schema"]
)
def test_knows_the_draft_that_it_is_of(draft: str) -> None:
    pair = {"$schema": draft, "$id": "https://example.com/pair", "items": [{"type": "integer"}]}

    if "draft-07" in draft:
        assert JsonSchema(pair).complaints(["1"]) == ["[0]: '1' is not of type 'integer'"]
    else:
        with pytest.raises(Invalid, match="must name the schemas of single items in prefixItems"):
            JsonSchema(pair)


def test_patterns_of_names_and_the_rest() -> None:
    schema = JsonSchema({"patternProperties": {"^n_": {"type": "integer"}}, "additionalProperties": {"type": "string"}})

    assert schema.complaints({"n_1": 1, "x": "y"}) == []
    assert schema.complaints({"n_1": "1", "x": 2}) == [
        "n_1: '1' is not of type 'integer'",
        "x: 2 is not of type 'string'",
    ]


def test_the_same_twice() -> None:
    unique = JsonSchema({"uniqueItems": True})

    assert unique.complaints([1, True, "1", {"a": 1, "b": 2}, [1]]) == []
    for twice in ([1, 1.0], [{"a": 1, "b": 2}, {"b": 2, "a": 1}], ["x", "x"]):
        assert unique.complaints(twice) == ["the whole: it has items that are the same"]


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(depth):
        schema = {"not": schema}
    return schema


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({"type": "strng"}, "must be a JSON schema"),
        ({"properties": 5}, "must be a JSON schema"),
        ({"$ref": "http://169.254.169.254/latest"}, "must refer to its own parts"),
        ({"properties": {"a": {"$ref": "file:///etc/passwd"}}}, "must refer to its own parts"),
        ({"$dynamicRef": "#meta"}, "must refer to its own parts"),
        ({"items": {"$schema": "http://json-schema.org/draft-07/schema#"}}, r"must not have \$schema inside"),
        ({"items": {"$id": "http://example.com"}}, r"must not have \$id inside"),
        ({"unevaluatedProperties": False}, "must not use unevaluatedProperties"),
        ({"pattern": "(?=a)"}, "look-around"),
        ({"pattern": "("}, "unclosed group"),
        ({"pattern": "(?:x{1000}){1000}"}, "size limit"),
        ({"patternProperties": {r"(a)\1": {}}}, "backreferences"),
        ({"description": "x" * 100_001}, "must not be larger than 100,000 bytes"),
        (nested(101), "must not be nested deeper than 100 levels"),
    ],
)
def test_refuses_what_it_cannot_follow(schema: dict[str, Any], problem: str) -> None:
    with pytest.raises(Invalid, match=problem) as caught:
        JsonSchema(schema, "response_schema")

    assert caught.value.field == "response_schema"


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "#/$defs/nowhere"},
        {"$ref": "#/enum/0", "enum": [{"properties": 5}]},
        {"$ref": "#/default", "default": {"type": "strng"}},
    ],
)
def test_a_reference_that_leads_nowhere_is_told(schema: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match="refers to itself without end, or to what is no schema"):
        JsonSchema(schema).complaints({"a": 1})


def doubling(keyword: str) -> dict[str, Any]:
    """Each part asks for the next one twice."""
    parts: dict[str, Any] = {"0": {"type": "string"}}
    for number in range(1, 60):
        parts[str(number)] = {keyword: [{"$ref": f"#/$defs/{number - 1}"}] * 2}
    return {"$defs": parts, "$ref": "#/$defs/59"}


@pytest.mark.parametrize("keyword", ["allOf", "anyOf", "oneOf"])
def test_gives_up_on_what_doubles_with_each_line(keyword: str) -> None:
    schema = JsonSchema(doubling(keyword))

    began = time.process_time()
    with pytest.raises(Invalid, match="takes too long to check"):
        schema.complaints("x" if keyword != "anyOf" else 1)

    assert time.process_time() - began < 5


def test_gives_up_on_long_complaints_as_well() -> None:
    """Every alternative that fails writes down the whole value."""
    schema = JsonSchema(
        {"$defs": {"no": {"anyOf": [{"type": "string"}] * 100}}, "anyOf": [{"$ref": "#/$defs/no"}] * 100}
    )

    began = time.process_time()
    with pytest.raises(Invalid, match="takes too long to check"):
        schema.complaints(list(range(100_000)))

    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "part", [{"not": {"not": {"not": {}}}}, {"items": {"items": {"items": {}}}}, {"enum": [1, "1", None]}], ids=str
)
def test_a_long_schema_is_looked_through_in_time(part: dict[str, Any]) -> None:
    began = time.process_time()
    JsonSchema({"allOf": [part] * (90_000 // len(str(part)))})

    assert time.process_time() - began < 2


def test_a_list_of_all_kinds_is_looked_through_in_time() -> None:
    began = time.process_time()
    with pytest.raises(Invalid, match="must be a JSON schema"):
        JsonSchema({"required": [*range(8_000), *map(str, range(8_000))]})

    assert time.process_time() - began < 1


def test_a_pattern_takes_no_longer_than_the_text_is_long() -> None:
    schema = JsonSchema({"pattern": "^(a+)+$", "additionalProperties": {"pattern": "^(a|a)*$"}})

    began = time.process_time()
    assert len(schema.complaints("a" * 1_000_000 + "!")) == 1

    assert time.process_time() - began < 1


def test_many_different_items_are_compared_by_how_they_are_written() -> None:
    many = [{"n": number} for number in range(100_000)]

    began = time.process_time()
    assert JsonSchema({"uniqueItems": True}).complaints(many) == []

    assert time.process_time() - began < 1
