"""JSON schemas of what comes in, from GraphQL input types, and of what goes out, from shapes."""

from collections.abc import Callable, Mapping
from typing import Any  # JSON schemas are open JSON.

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLScalarType,
    GraphQLType,
    Undefined,
    is_list_type,
    is_non_null_type,
)

from rest_compat.bindings import Binding
from rest_compat.shapes import Constant, Fetch, Leaf, Member, Members, OneOf, Places, Shape
from rest_compat.vocabulary import Limits

__all__ = ["Schemas"]

Schema = dict[str, Any]
Spell = Callable[[str, str], str]

_SCALARS: Mapping[str, Schema] = {
    "String": {"type": "string"},
    "ID": {"type": "string"},
    "Int": {"type": "integer"},
    "Float": {"type": "number"},
    "Boolean": {"type": "boolean"},
    "JSONObject": {"type": "object"},
    "DateTime": {"type": "string", "format": "date-time"},
    "Date": {"type": "string", "format": "date"},
    "File": {"type": "string", "format": "binary"},
    "Upload": {"type": "string", "format": "binary"},
}
_NULL: Schema = {"type": "null"}
_SIZES = {"string": ("minLength", "maxLength"), "array": ("minItems", "maxItems")}


class Schemas:
    """Makes schemas, and keeps those that have a name as components to be referred to."""

    def __init__(self, spell: Spell, scalars: Mapping[str, Mapping[str, object]] | None = None) -> None:
        self._spell, self._scalars = spell, scalars or {}
        self.components: dict[str, Schema] = {}

    # ---------------------------------------------------------------- what comes in

    def of_binding(self, binding: Binding, *, as_text: bool = False) -> Schema:
        """As text (in a path, a query, a header or a form) nothing is null, and what has no type is JSON in a text."""
        schema = dict(self.of_type(binding.type))
        if as_text:
            schema = _without_null(schema) if "type" in schema else {"type": "string"}
        schema = _bounds(binding) | schema | _limits(binding.limits, schema)
        if binding.default is not None:
            schema["default"] = self._spelled_default(binding)
        return schema

    def of_type(self, type_: GraphQLType) -> Schema:
        if is_non_null_type(type_):
            return self._not_null(type_.of_type)
        return _with_null(self._not_null(type_))

    def _not_null(self, type_: GraphQLType) -> Schema:
        if is_list_type(type_):
            return {"type": "array", "items": self.of_type(type_.of_type)}
        match type_:
            case GraphQLEnumType():
                words = dict.fromkeys(self._spell(type_.name, value) for value in type_.values)
                return {"type": "string", "enum": list(words)}
            case GraphQLInputObjectType():
                return self._input_object(type_)
            case GraphQLScalarType(name=name) if name in self._scalars:
                self.components[name] = dict(self._scalars[name])
                return {"$ref": f"#/components/schemas/{name}"}
            case GraphQLScalarType():
                return dict(_SCALARS.get(type_.name, {}))
        raise TypeError(f"{type_} has no schema of its own")

    def _input_object(self, type_: GraphQLInputObjectType) -> Schema:
        if type_.name not in self.components:
            self.components[type_.name] = {}  # It may hold itself.
            fields = type_.fields
            required = [name for name, field in fields.items() if _is_required(field)]
            self.components[type_.name] = {
                "type": "object",
                "properties": {
                    name: self.of_type(field.type) | _described(field.description) for name, field in fields.items()
                },
                **({"required": required} if required else {}),
            }
        return {"$ref": f"#/components/schemas/{type_.name}"}

    def _spelled_default(self, binding: Binding) -> object:
        named = binding.type.of_type if is_non_null_type(binding.type) else binding.type
        if isinstance(named, GraphQLEnumType) and isinstance(binding.default, str):
            return self._spell(named.name, binding.default)
        return binding.default

    # ---------------------------------------------------------------- what goes out

    def of_shape(self, shape: Shape | Member) -> Schema:
        match shape:
            case Constant(value):
                return {"const": value}
            case Fetch():
                return self._of_fetch(shape)
            case Places(items):
                kinds = _distinct([self.of_shape(item) for item in items])
                inner = kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
                return {"type": "array", "items": inner, "minItems": len(items), "maxItems": len(items)}
            case OneOf(by_type):
                return {"anyOf": _distinct([self.of_shape(each) for each in by_type.values()])}
            case Members():
                return self._named(shape)
            case Leaf():
                return {}

    def _of_fetch(self, fetch: Fetch) -> Schema:
        schema = self._wrapped(fetch.type, fetch.shape)
        if fetch.template is not None:
            schema = {"type": ["string", "null"] if isinstance(schema.get("type"), list) else "string"}
        return schema | _described(fetch.description)

    def _wrapped(self, type_: GraphQLType, shape: Shape) -> Schema:
        if is_non_null_type(type_):
            return self._inner(type_.of_type, shape)
        return _with_null(self._inner(type_, shape))

    def _inner(self, type_: GraphQLType, shape: Shape) -> Schema:
        if is_list_type(type_):
            return {"type": "array", "items": self._wrapped(type_.of_type, shape)}
        return self._not_null(type_) if isinstance(shape, Leaf) else self.of_shape(shape)

    def _named(self, shape: Members) -> Schema:
        if shape.fragment is None:
            return self._object(shape)
        self.components.setdefault(shape.fragment, self._object(shape))
        return {"$ref": f"#/components/schemas/{shape.fragment}"}

    def _object(self, shape: Members) -> Schema:
        required = [name for name, member in shape.items if not _may_be_missing(member)]
        return {
            "type": "object",
            "properties": {name: self.of_shape(member) for name, member in shape.items},
            **({"required": required} if required else {}),
        }


def _may_be_missing(member: Member) -> bool:
    return isinstance(member, Fetch) and (member.optional or member.conditional)


def _is_required(field: Any) -> bool:  # The default's attribute differs between releases of graphql-core.
    return is_non_null_type(field.type) and getattr(field, "default_value", Undefined) is Undefined


def _described(description: str | None) -> Schema:
    return {"description": description} if description else {}


def _with_null(schema: Schema) -> Schema:
    if not schema or isinstance(schema.get("type"), list) or _NULL in schema.get("anyOf", ()):
        return schema
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], _NULL]}
    if "$ref" in schema or "const" in schema:
        return {"anyOf": [schema, _NULL]}
    schema = {**schema, "type": [schema["type"], "null"]}
    return schema | {"enum": [*schema["enum"], None]} if "enum" in schema else schema


def _without_null(schema: Schema) -> Schema:
    if isinstance(schema.get("type"), list):
        schema = {**schema, "type": schema["type"][0]}
        if "enum" in schema:
            schema["enum"] = [value for value in schema["enum"] if value is not None]
    if "items" in schema:
        schema = {**schema, "items": _without_null(schema["items"])}
    return schema


def _limits(limits: Limits, schema: Schema) -> Schema:
    kind = schema.get("type")
    least, greatest = _SIZES.get(kind[0] if isinstance(kind, list) else kind or "", ("minimum", "maximum"))
    found: Schema = {}
    if limits.least is not None:
        found[least] = _whole(limits.least)
    if limits.greatest is not None:
        found[greatest] = _whole(limits.greatest)
    if limits.pattern is not None:
        found["pattern"] = f"^(?:{limits.pattern})$"
    return found


def _bounds(binding: Binding) -> Schema:
    """GraphQL's integers have 32 bits; whoever sends one should know."""
    bare = binding.type.of_type if is_non_null_type(binding.type) else binding.type
    is_integer = isinstance(bare, GraphQLScalarType) and bare.name == "Int"
    return {"minimum": -(2**31), "maximum": 2**31 - 1} if is_integer else {}


def _whole(number: float) -> float:
    return int(number) if float(number).is_integer() else number


def _distinct(schemas: list[Schema]) -> list[Schema]:
    return [schema for place, schema in enumerate(schemas) if schema not in schemas[:place]]
