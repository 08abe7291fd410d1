"""What a request may hold, as OpenAPI says it: parameters and bodies, from the bindings that read them."""

import re
from collections.abc import Sequence
from typing import Any  # OpenAPI documents are open JSON.

from rest_compat.bindings import Binding
from rest_compat.compiler import Endpoint
from rest_compat.conditions import Absent, Equals, Prefix, Present, Test
from rest_compat.schemas import Schemas
from rest_compat.vocabulary import Place, Source

__all__ = ["body_of", "parameters_of"]

Json = dict[str, Any]

_TEXTUAL = (Place.PATH, Place.QUERY, Place.HEADER)
_MEDIA_TYPES = {Place.BODY: "application/json", Place.PART: "multipart/form-data"}


def parameters_of(together: Sequence[Endpoint], schemas: Schemas) -> list[Json]:
    found: dict[Source, Json] = {}
    for endpoint in together:
        for binding in endpoint.bindings:
            for source in binding.sources:
                if source.place in _TEXTUAL:
                    certain = all(_needs(each, source) for each in together)
                    found.setdefault(source, _parameter(binding, source, schemas, certain=certain))
    if together[0].method in ("GET", "DELETE"):
        for key in dict.fromkeys(key for each in together if each.condition for key in each.condition.tests):
            found.setdefault(Source(Place.QUERY, key), _telling_parameter(key, together))
    for name in together[0].parameters:
        found.setdefault(Source(Place.PATH, name), _key_parameter(name))
    return list(found.values())


def _needs(endpoint: Endpoint, source: Source) -> bool:
    """What only one of several operations needs is not needed by their route."""
    return any(binding.required and binding.sources == (source,) for binding in endpoint.bindings)


def _telling_parameter(key: str, together: Sequence[Endpoint]) -> Json:
    """One that no operation takes: it tells them apart."""
    tests = [test for each in together if each.condition for test in each.condition.tests.get(key, ())]
    told = all(each.condition and key in each.condition.tests for each in together)
    schema: Json = {"type": "string"}
    if told and all(isinstance(test, Equals) for test in tests):
        schema["enum"] = [test.value for test in tests if isinstance(test, Equals)]
    required = told and not any(isinstance(test, Absent) for test in tests)
    return {"name": key, "in": "query", "required": required, "schema": schema}


def _parameter(binding: Binding, source: Source, schemas: Schemas, *, certain: bool) -> Json:
    required = source.place is Place.PATH or certain
    printed: Json = {"name": source.name, "in": source.place.value, "required": required}
    if binding.description:
        printed["description"] = binding.description
    schema = schemas.of_binding(binding, as_text=True)
    if source.place is Place.PATH and schema.get("type") == "string":
        schema.setdefault("minLength", 1)
    return printed | {"schema": schema}


def _key_parameter(name: str) -> Json:
    schema = {"type": "string", "minLength": 1}
    return {"name": name, "in": "path", "required": True, "description": "The key.", "schema": schema}


def body_of(together: Sequence[Endpoint], schemas: Schemas) -> Json | None:
    place = _payload(together)
    if place is None:
        return None
    if place is Place.RAW:
        # A file may be empty.
        return {"required": False, "content": {"application/octet-stream": {}}}
    printed = [_body(endpoint, together, place, schemas) for endpoint in together]
    required = all(schema.get("required") or "allOf" in schema or "properties" not in schema for schema in printed)
    distinct = [each for place, each in enumerate(printed) if each not in printed[:place]]
    schema = distinct[0] if len(distinct) == 1 else {"anyOf": distinct}
    return {"required": required, "content": {_MEDIA_TYPES[place]: {"schema": schema}}}


def _payload(together: Sequence[Endpoint]) -> Place | None:
    places = {source.place for each in together for binding in each.bindings for source in binding.sources}
    for place in (Place.BODY, Place.PART, Place.RAW):
        if place in places:
            return place
    told_apart = any(each.condition for each in together) and together[0].method not in ("GET", "DELETE")
    return Place.BODY if told_apart else None


def _body(endpoint: Endpoint, together: Sequence[Endpoint], place: Place, schemas: Schemas) -> Json:
    schema: Json = {"type": "object", "properties": {}}
    for binding in endpoint.bindings:
        match [(source.name, _value(binding, source, schemas)) for source in binding.sources if source.place is place]:
            case [("*", value)]:
                return value
            case [(name, value)]:
                _insert(schema, name, value, required=binding.required and len(binding.sources) == 1)
            case [_, _, *_] as written:
                ways = [_insert({"type": "object", "properties": {}}, *way, required=True) for way in written]
                schema.setdefault("allOf", []).append({"anyOf": ways if binding.required else [*ways, {}]})
    _tell_apart(schema, endpoint, together)
    return schema


def _value(binding: Binding, source: Source, schemas: Schemas) -> Json:
    value = schemas.of_binding(binding, as_text=source.place is Place.PART)
    if source.separator is not None:
        value = {"type": ["string", "null"] if isinstance(value["type"], list) else "string"}
        if binding.limits.least:
            value["minLength"] = 1
    return value | ({"description": binding.description} if binding.description else {})


def _insert(schema: Json, path: str, value: Json, *, required: bool) -> Json:
    """With one more property, in objects within objects when its path says so; null for one of these gives nothing."""
    *above, last = path.split(".")
    inner = schema
    for key in above:
        if required:
            _require(inner, key)
        inner = inner["properties"].setdefault(key, {"type": ["object", "null"], "properties": {}})
        if required:
            inner["type"] = "object"
    inner["properties"].setdefault(last, value)
    if required:
        _require(inner, last)
    return schema


def _require(schema: Json, key: str) -> None:
    required = schema.setdefault("required", [])
    if key not in required:
        required.append(key)


def _tell_apart(schema: Json, endpoint: Endpoint, together: Sequence[Endpoint]) -> None:
    """Writes `when:` into the schema of the operation it chooses, and its opposite into that of the one left over."""
    properties = schema["properties"]
    if endpoint.condition is not None:
        for key, tests in endpoint.condition.tests.items():
            properties[key] = properties.get(key, {}) | _any_of(tests)
            if not any(isinstance(test, Absent) for test in tests):
                _require(schema, key)
        return
    for other in together:
        if other.condition is not None and len(other.condition.tests) == 1:
            key, tests = next(iter(other.condition.tests.items()))
            properties[key] = properties.get(key, {}) | _opposite(tests)


def _any_of(tests: Sequence[Test]) -> Json:
    schemas = [_of_test(test) for test in tests]
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def _of_test(test: Test) -> Json:
    match test:
        case Equals(value):
            return {"const": value}
        case Prefix(text):
            return {"type": "string", "pattern": f"^{re.escape(text)}"}
        case Present():
            return {"not": {"type": "null"}}
        case Absent():
            return {"type": "null"}


def _opposite(tests: Sequence[Test]) -> Json:
    wanted = {test.value for test in tests if isinstance(test, Equals) and isinstance(test.value, bool)}
    if len(wanted) == len(tests):
        return {"enum": [value for value in (True, False, None) if value not in wanted]}
    return {"not": _any_of(tests)}
