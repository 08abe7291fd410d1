"""What an endpoint may answer, as OpenAPI says it: statuses, bodies and events, from the shapes that make them."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any  # OpenAPI documents are open JSON.

from rest_compat.compiler import Endpoint
from rest_compat.dialect import Dialect, EventNames, Failure, Frame
from rest_compat.frames import is_many
from rest_compat.schemas import Schemas
from rest_compat.shapes import Fetch, Members
from rest_compat.vocabulary import Form

__all__ = ["Answers"]

Json = dict[str, Any]


class Answers:
    def __init__(self, dialect: Dialect, schemas: Schemas) -> None:
        self._dialect, self._schemas = dialect, schemas
        self._json = dialect.json_media_type.partition(";")[0]
        self.error_components: dict[str, Json] = {}

    def of(self, together: Sequence[Endpoint]) -> Json:
        responses: Json = {}
        for endpoint in together:
            for status, response in self._successes(endpoint).items():
                known = responses.setdefault(status, response)
                if known is not response and "content" in response:
                    known["content"] = _either(known.get("content", {}), response["content"])
        error = {self._json: {"schema": self._error(together[0].path)}}
        for code, meaning in sorted(self._refusals(together).items()):
            told = responses.get(str(code), {}).get("content", {})
            responses[str(code)] = {"description": meaning, "content": _either(told, error)}
        responses["4XX"] = {"description": "Any other request that cannot be answered.", "content": error}
        responses["5XX"] = {"description": "A failure that is not the caller's.", "content": error}
        return responses

    # ---------------------------------------------------------------- success

    def _successes(self, endpoint: Endpoint) -> dict[str, Json]:
        readings = endpoint.selected.readings
        response: Json = {}
        if content := self._content(endpoint):
            response["content"] = content
        if headers := [reading.header for reading in readings if reading.header]:
            response["headers"] = {name: {"schema": {"type": "string"}} for name in headers}
        statuses = [endpoint.status, *(reading.status for reading in readings if reading.status)]
        return {str(status): {"description": HTTPStatus(status).phrase + ".", **response} for status in statuses}

    def _content(self, endpoint: Endpoint) -> Json:
        match endpoint.form:
            case Form.JSON:
                return {self._json: {"schema": self._answer(endpoint)}}
            case Form.JSONL:
                return {"application/jsonl": {"schema": {"type": "string"}, "x-itemSchema": self._line(endpoint)}}
            case Form.SSE:
                # OpenAPI 3.1 has no word for the items of a stream, and its tools take the schema to be that of each.
                return {"text/event-stream": {"schema": {"anyOf": self._events(endpoint)}}}
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
        items = self._schemas.of_shape(dict(shape.shape.items)["nodes"])
        page = self._dialect.page_schema
        return dict(page(endpoint.paging.name, items)) if page else {"type": "object"}

    def _line(self, endpoint: Endpoint) -> Json:
        schema = self._schemas.of_shape(endpoint.selected.shape)
        return schema if endpoint.kind == "subscription" else schema.get("items", schema)

    # ---------------------------------------------------------------- events

    def _events(self, endpoint: Endpoint) -> list[Json]:
        style = self._dialect.events
        events = [self._frame(frame) for frame in style.opening]
        if endpoint.selected.events:
            for event in endpoint.selected.events:
                if not event.fails:
                    events += [self._event(event.name, self._schemas.of_shape(each)) for each in event.shapes.values()]
        else:
            events.append(self._event(None, self._streamed(endpoint)))
        events += [self._frame(frame) for frame in (*style.closing, *style.closing_after_error)]
        events += [self._event(frame.name, {"type": "object"}) for frame in style.error(_ANY_FAILURE)]
        return [event for place, event in enumerate(events) if event not in events[:place]]

    def _streamed(self, endpoint: Endpoint) -> Json:
        root = endpoint.selected.shape
        schema = self._schemas.of_shape(root)
        several = isinstance(root, Fetch) and is_many(root.shape)
        return schema.get("items", schema) if several else schema

    def _frame(self, frame: Frame) -> Json:
        if isinstance(frame.data, bytes):
            return _event_object(None, {"const": frame.data.decode()})
        return self._event(frame.name, {"const": frame.data})

    def _event(self, name: str | None, data: Json) -> Json:
        names = self._dialect.events.names
        if names is EventNames.TYPE_KEY and name is not None:
            kind = {"type": "object", "properties": {"type": {"const": name}}, "required": ["type"]}
            data = {"allOf": [kind, data]}
        text = {"type": "string", "contentMediaType": "application/json", "contentSchema": data}
        return _event_object(name if names is EventNames.LINE else None, text)

    # ---------------------------------------------------------------- failure

    def _error(self, path: str) -> Json:
        """Where a dialect has several envelopes, the path decides."""
        special = self._dialect.error_schemas
        prefix = max((each for each in special if path.startswith(each)), key=len, default=None)
        name = "Error" if prefix is None else f"Error{list(special).index(prefix) + 2}"
        self.error_components[name] = dict(self._dialect.error_schema if prefix is None else special[prefix])
        return {"$ref": f"#/components/schemas/{name}"}

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


def _either(content: Json, other: Json) -> Json:
    """What one operation answers or another one, by media type."""
    merged = content | other
    for media_type in content.keys() & other.keys():
        schemas = [*content[media_type]["schema"].get("anyOf", [content[media_type]["schema"]])]
        schemas += [schema for schema in [other[media_type]["schema"]] if schema not in schemas]
        merged[media_type] = {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}}
    return merged


_ANY_FAILURE = Failure("internal", "Something went wrong.", 500, "/")


def _event_object(name: str | None, data: Json) -> Json:
    properties = {"data": data} if name is None else {"event": {"const": name}, "data": data}
    return {"type": "object", "properties": properties, "required": list(properties)}
