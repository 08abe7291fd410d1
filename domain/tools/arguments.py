"""Whether what a model wrote fits the schema of the tool it calls."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any  # Schemas and arguments are open JSON.

import orjson
from jsonschema import Draft202012Validator
from jsonschema.exceptions import UnknownType, best_match
from jsonschema.protocols import Validator
from jsonschema.validators import extend, validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable

from errors import ToolFailed

__all__ = ["NOTHING", "check"]

NOTHING: Mapping[str, Any] = {"type": "object", "properties": {}}

# What comes of schemas that are none, or refer to what is not in them. To look at all of a large one beforehand would
# take seconds; this way only the parts that matter are.
_NO_SCHEMA = (Unresolvable, UnknownType, RecursionError, TypeError, AttributeError, ValueError, LookupError)


def check(tool: str, schema: Mapping[str, Any], arguments: Any) -> None:
    """Raises what tells the model how to do better."""
    if not isinstance(arguments, Mapping):
        raise ToolFailed(tool, "takes a JSON object as its arguments")
    try:
        mistake = best_match(_validator(orjson.dumps(schema)).iter_errors(arguments))
    except _NO_SCHEMA as exc:
        raise ToolFailed(tool, "has a schema that cannot be followed") from exc
    if mistake is not None:
        where = mistake.json_path.removeprefix("$").lstrip(".") or "the arguments"
        raise ToolFailed(tool, f"was called with wrong arguments: {where}: {mistake.message[:500]}")


@lru_cache(maxsize=256)
def _validator(schema: bytes) -> Validator:
    read = orjson.loads(schema)
    found = validator_for(read, default=Draft202012Validator)
    # Without patterns: some take a regular expression for ever, and nobody else would be answered meanwhile.
    # With a registry of its own: the one that is there otherwise fetches any address that a schema refers to.
    # `extend` has no types.
    without_patterns: type[Validator] = extend(found, {"pattern": None, "patternProperties": None})  # type: ignore[no-untyped-call]
    return without_patterns(read, registry=Registry())
