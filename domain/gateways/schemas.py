"""JSON Schemas in parameters: whether they are any, and not so large that nobody would get to the end of them."""

from collections.abc import Iterator, Mapping
from typing import Any  # Schemas are open JSON.

import orjson
from jsonschema import Draft7Validator
from jsonschema.protocols import Validator

from domain.gateways.parameters import Parameters
from errors import Invalid

__all__ = ["check_schemas"]

_MOST_DEPTH, _MOST_BYTES, _MOST_BYTES_TOGETHER = 32, 64 * 1024, 256 * 1024


def check_schemas(parameters: Parameters, before: Parameters | None, path: str) -> None:
    known = [schema for schema, _ in _schemas(before)] if before else []
    new = [(schema, f"{path}.{where}") for schema, where in _schemas(parameters) if schema not in known]
    total = 0
    for schema, where in new:
        if _depth(schema) > _MOST_DEPTH:
            raise Invalid(where, f"must not be nested more than {_MOST_DEPTH} deep")
        size = len(orjson.dumps(schema))
        total += size
        if size > _MOST_BYTES or total > _MOST_BYTES_TOGETHER:
            limit = f"{_MOST_BYTES:,} bytes, nor all of a gateway together larger than {_MOST_BYTES_TOGETHER:,}"
            raise Invalid(where, f"must not be larger than {limit}")
    for schema, where in new:
        if (reference := _reference_elsewhere(schema)) is not None:
            problem = f"must refer to parts of its own, such as #/$defs/name, and not to {reference[:200]!r}"
            raise Invalid(where, problem)
        if (error := next(_CHECKER.iter_errors(schema), None)) is not None:
            raise Invalid(where, f"is no JSON Schema: at {error.json_path}, {error.message[:200]}")


def _schemas(parameters: Parameters) -> Iterator[tuple[Mapping[str, Any], str]]:
    for number, function in enumerate(parameters.protocol_functions):
        if function.content_format is not None:
            yield function.content_format, f"protocolFunctions[{number}].contentFormat"
    for number, tool in enumerate(parameters.tools or ()):
        if tool["type"] == "function" and (schema := tool["function"].get("parameters")) is not None:
            yield schema, f"tools[{number}].function.parameters"


def _checker() -> Validator:
    """For draft 7 and what came after it: the later drafts' own description takes fifteen times as long to follow."""
    schema, schemas, number = {"$ref": "#"}, {"$ref": "#/definitions/schemaArray"}, {"type": "integer", "minimum": 0}
    by_name = {"type": "object", "additionalProperties": schema}
    since = {
        "$defs": by_name,
        "prefixItems": schemas,
        "dependentSchemas": by_name,
        "dependentRequired": {"type": "object", "additionalProperties": {"$ref": "#/definitions/stringArray"}},
        "unevaluatedItems": schema,
        "unevaluatedProperties": schema,
        "minContains": number,
        "maxContains": number,
    }
    described: dict[str, Any] = {**Draft7Validator.META_SCHEMA}
    described["properties"] = {**described["properties"], **since}
    return Draft7Validator(described, format_checker=Draft7Validator.FORMAT_CHECKER)


_CHECKER = _checker()


def _reference_elsewhere(part: Any) -> str | None:
    """Nobody fetches what it refers to, neither here nor at a provider."""
    if isinstance(part, list):
        return next((found for each in part if (found := _reference_elsewhere(each))), None)
    if not isinstance(part, dict):
        return None
    reference = part.get("$ref")
    if isinstance(reference, str) and not reference.startswith("#"):
        return reference
    return _reference_elsewhere(list(part.values()))


def _depth(value: Any) -> int:
    """Level by level: what is nested too deeply would exhaust the stack of a function that calls itself."""
    depth, level = 0, [value]
    while level and depth <= _MOST_DEPTH + 1:
        depth += 1
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, dict | list)
        ]
    return depth
