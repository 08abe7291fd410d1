"""OpenAPI 3.1 of a dialect, printed from the same values that answer its requests."""

import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from pathlib import PurePath
from typing import Any  # OpenAPI documents are open JSON.

from rest_compat.bindings import Binding
from rest_compat.compiler import Endpoint
from rest_compat.conditions import Absent, Equals, Prefix, Present, Test
from rest_compat.dialect import Dialect, EventNames, Frame
from rest_compat.schemas import Schemas
from rest_compat.selections import Event
from rest_compat.shapes import Fetch, Members
from rest_compat.vocabulary import Form, Place

__all__ = ["openapi", "routes"]

Json = dict[str, Any]

_TEXTUAL = (Place.PATH, Place.QUERY, Place.HEADER)
_BODIES = {Place.BODY: "application/json", Place.PART: "multipart/form-data", Place.RAW: "application/octet-stream"}


def routes(endpoints: Iterable[Endpoint]) -> list[str]:
    """The compiled table, a line for each endpoint: method, path, API, operation."""
    return [f"{each.method:<7}{each.path}  {each.api}  {each.name}" for each in endpoints]


def openapi(dialect: Dialect, endpoints: Sequence[Endpoint]) -> Json:
    printer = _Printer(dialect)
    paths: dict[str, Json] = {}
    sharing: dict[tuple[str, str], list[Endpoint]] = {}
    for endpoint in endpoints:
        sharing.setdefault((endpoint.path, endpoint.method), []).append(endpoint)
    for (path, method), together in sorted(sharing.items(), key=lambda item: item[0][0]):
        paths.setdefault(path, {})[method.lower()] = printer.operation(together)
    tags = sorted({_tag(endpoint) for endpoint in endpoints})
    document: Json = {
        "openapi": "3.1.0",
        "info": {
            "title": dialect.title or dialect.name,
            "version": dialect.version,
            "description": dialect.description or f"The endpoints of {dialect.title or dialect.name}.",
            "contact": {"name": "Whoever runs this server"},
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag, "description": tag.replace("_", " ").capitalize()} for tag in tags],
        "paths": paths,
        "components": {"schemas": dict(sorted(printer.components().items()))},
    }
    document["security"] = [{name: []} for name in dialect.security]
    if dialect.security:
        document["components"]["securitySchemes"] = dict(dialect.security)
    return document


class _Printer:
    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._schemas = Schemas(dialect.spell)
        self._errors: dict[str, Json] = {}
        self._json = dialect.json_media_type.partition(";")[0]

    def components(self) -> dict[str, Json]:
        return self._schemas.components | self._errors

    def operation(self, together: Sequence[Endpoint]) -> Json:
        first = together[0]
        operation: Json = {
            "operationId": first.name,
            "tags": [_tag(first)],
            "summary": _summary(first),
            "description": "\n\n".join(each.description or _summary(each) + "." for each in together),
        }
        if parameters := self._parameters(together):
            operation["parameters"] = parameters
        if body := self._body(together):
            operation["requestBody"] = body
        operation["responses"] = self._responses(together)
        if self._dialect.security and set(first.parameters) & self._dialect.key_parameters:
            operation["security"] = []
        operation["x-graphql-operation"] = "\n\n".join(_shown_operation(each) for each in together)
        return operation

    # ---------------------------------------------------------------- what comes in

    def _parameters(self, together: Sequence[Endpoint]) -> list[Json]:
        found: dict[tuple[str, str], Json] = {}
        for endpoint in together:
            for binding in endpoint.bindings:
                for source in binding.sources:
                    if source.place in _TEXTUAL:
                        in_all = len(together) == 1
                        printed = self._parameter(binding, source.place, source.name, certain=in_all)
                        found.setdefault((source.place, source.name), printed)
        for name in together[0].parameters:
            found.setdefault((Place.PATH, name), _key_parameter(name))
        return list(found.values())

    def _parameter(self, binding: Binding, place: Place, name: str, *, certain: bool) -> Json:
        required = place is Place.PATH or (binding.required and certain and len(binding.sources) == 1)
        printed: Json = {"name": name, "in": place.value, "required": required}
        if binding.description:
            printed["description"] = binding.description
        schema = self._schemas.of_binding(binding, as_text=True)
        if place is Place.PATH and schema.get("type") == "string":
            schema.setdefault("minLength", 1)
        return printed | {"schema": schema}

    def _body(self, together: Sequence[Endpoint]) -> Json | None:
        place = next((source.place for each in together for source in _payload_sources(each)), None)
        told_apart = any(each.condition for each in together)
        if place is None and told_apart and together[0].method not in ("GET", "DELETE"):
            place = Place.BODY
        if place is None:
            return None
        if place is Place.RAW:
            return {"required": True, "content": {"application/octet-stream": {}}}
        schemas = [self._body_schema(each, together, place) for each in together]
        schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
        required = all("required" in each or "type" not in each for each in schemas)
        return {"required": required, "content": {_BODIES[place]: {"schema": schema}}}

    def _body_schema(self, endpoint: Endpoint, together: Sequence[Endpoint], place: Place) -> Json:
        schema: Json = {"type": "object", "properties": {}}
        for binding in endpoint.bindings:
            sources = [source for source in binding.sources if source.place is place]
            for source in sources:
                if source.name == "*":
                    return self._schemas.of_binding(binding)
                value = self._schemas.of_binding(binding, as_text=place is Place.PART)
                if binding.description:
                    value["description"] = binding.description
                _insert(schema, source.name.split("."), value, required=binding.required and len(sources) == 1)
        _tell_apart(schema, endpoint, together)
        return schema

    # ---------------------------------------------------------------- what goes out

    def _responses(self, together: Sequence[Endpoint]) -> Json:
        responses: Json = {}
        for endpoint in together:
            for success, response in self._successes(endpoint).items():
                known = responses.setdefault(success, response)
                known.setdefault("content", {}).update(response.get("content", {}))
                if not known["content"]:
                    del known["content"]
        error = self._error(together[0].path)
        for status, meaning in sorted(self._refusals(together).items()):
            responses[str(status)] = {"description": meaning, "content": error}
        responses["4XX"] = {"description": "Any other request that cannot be answered.", "content": error}
        responses["5XX"] = {"description": "A failure that is not the caller's.", "content": error}
        return responses

    def _successes(self, endpoint: Endpoint) -> dict[str, Json]:
        statuses = [endpoint.status, *(each.status for each in endpoint.selected.readings if each.status)]
        response: Json = {}
        if content := self._content(endpoint):
            response["content"] = content
        headers = [reading.header for reading in endpoint.selected.readings if reading.header]
        if headers:
            response["headers"] = {name: {"schema": {"type": "string"}} for name in headers}
        return {str(status): {"description": HTTPStatus(status).phrase + ".", **response} for status in statuses}

    def _content(self, endpoint: Endpoint) -> Json:
        match endpoint.form:
            case Form.JSON:
                return {self._json: {"schema": self._answer(endpoint)}}
            case Form.JSONL:
                item = self._schemas.of_shape(endpoint.selected.shape)
                item = item.get("items", item) if endpoint.kind != "subscription" else item
                return {"application/jsonl": {"schema": {"type": "string"}, "x-itemSchema": item}}
            case Form.SSE:
                events = {"schema": {"type": "string"}, "x-itemSchema": {"anyOf": self._events(endpoint)}}
                return {"text/event-stream": events}
            case Form.FILE:
                return {"*/*": {"schema": {"type": "string", "contentMediaType": "application/octet-stream"}}}
            case Form.EMPTY:
                return {}

    def _answer(self, endpoint: Endpoint) -> Json:
        shape = endpoint.selected.shape
        if endpoint.paging is None:
            return self._schemas.of_shape(shape)
        assert isinstance(shape, Fetch)
        assert isinstance(shape.shape, Members)
        nodes = next(member for name, member in shape.shape.items if name == "nodes")
        items = self._schemas.of_shape(nodes)
        page = self._dialect.page_schema
        return dict(page(endpoint.paging.name, items)) if page else {"type": "object"}

    def _events(self, endpoint: Endpoint) -> list[Json]:
        style = self._dialect.events
        frames = [self._frame(frame) for frame in (*style.opening, *style.closing)]
        if not endpoint.selected.events:
            return [
                *frames,
                {"type": "object", "properties": {"data": self._schemas.of_shape(endpoint.selected.shape)}},
            ]
        return [*frames, *(self._event(event) for event in endpoint.selected.events if not event.fails)]

    def _frame(self, frame: Frame) -> Json:
        data: object = frame.data.decode() if isinstance(frame.data, bytes) else frame.data
        return self._named_event(frame.name, {"const": data})

    def _event(self, event: Event) -> Json:
        shapes = [self._schemas.of_shape(shape) for shape in event.shapes.values()]
        return self._named_event(event.name, shapes[0] if len(shapes) == 1 else {"anyOf": shapes})

    def _named_event(self, name: str | None, data: Json) -> Json:
        names = self._dialect.events.names
        properties: Json = {"data": data}
        if name is not None and names is EventNames.LINE:
            properties["event"] = {"const": name}
        elif name is not None and names is EventNames.TYPE_KEY and "properties" in data:
            members = {"type": {"const": name}, **data["properties"]}
            properties["data"] = {**data, "properties": members, "required": ["type", *data.get("required", ())]}
        return {"type": "object", "properties": properties, "required": sorted(properties)}

    def _error(self, path: str) -> Json:
        prefix = max((each for each in self._dialect.error_schemas if path.startswith(each)), key=len, default=None)
        name = "Error" if prefix is None else f"Error{list(self._dialect.error_schemas).index(prefix) + 2}"
        self._errors[name] = dict(self._dialect.error_schemas[prefix] if prefix else self._dialect.error_schema)
        return {self._json: {"schema": {"$ref": f"#/components/schemas/{name}"}}}

    def _refusals(self, together: Sequence[Endpoint]) -> dict[int, str]:
        statuses = dict(self._dialect.statuses)
        if any(endpoint.bindings or endpoint.condition for endpoint in together):
            statuses.setdefault(400, "The request makes no sense.")
        if together[0].parameters:
            statuses.setdefault(404, "There is no such thing, or it is not yours.")
        for endpoint in together:
            for status in endpoint.errors:
                statuses.setdefault(status, HTTPStatus(status).phrase + ".")
        return statuses


def _tag(endpoint: Endpoint) -> str:
    """The feature: what the document is called."""
    return PurePath(endpoint.place.rpartition(":")[0]).stem


def _summary(endpoint: Endpoint) -> str:
    first = endpoint.description.strip().partition(". ")[0]
    if first:
        return first.split("\n")[0].removesuffix(".")
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", endpoint.name).split()
    return " ".join([words[0], *(word.lower() for word in words[1:])])


def _shown_operation(endpoint: Endpoint) -> str:
    if endpoint.condition is None:
        return endpoint.document
    tests = (f"{key} is {' or '.join(map(str, tests))}" for key, tests in endpoint.condition.tests.items())
    return f"# When {' and '.join(tests)}\n{endpoint.document}"


def _payload_sources(endpoint: Endpoint) -> list[Any]:
    return [source for binding in endpoint.bindings for source in binding.sources if source.place in _BODIES]


def _key_parameter(name: str) -> Json:
    schema = {"type": "string", "minLength": 1}
    return {"name": name, "in": "path", "required": True, "description": "The key.", "schema": schema}


def _insert(schema: Json, path: Sequence[str], value: Json, *, required: bool) -> None:
    """A property, in objects within objects when its path says so."""
    *above, last = path
    for key in above:
        if required and key not in schema.setdefault("required", []):
            schema["required"].append(key)
        schema = schema["properties"].setdefault(key, {"type": "object", "properties": {}})
        schema.setdefault("properties", {})
    schema["properties"][last] = value
    if required:
        schema.setdefault("required", []).append(last)


def _tell_apart(schema: Json, endpoint: Endpoint, together: Sequence[Endpoint]) -> None:
    """Writes `when:` into the schema of the operation it chooses, and its opposite into that of the one left over."""
    properties = schema["properties"]
    if endpoint.condition is not None:
        for key, tests in endpoint.condition.tests.items():
            properties[key] = properties.get(key, {}) | _any_of(tests)
            if not any(isinstance(test, Absent) for test in tests):
                schema.setdefault("required", []).append(key)
                schema["required"] = list(dict.fromkeys(schema["required"]))
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
