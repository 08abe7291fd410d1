"""What a chat completion is asked with: the request for the model, and what is said to us beside it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar  # Requests are open JSON: what we do not know is the model's.

from domain.gateways.parameters import BuiltinFunction, BuiltinOptions, ImageQuality, Media, WebSearchMode
from domain.preparing import Overrides
from engine import ChatRequest, wire
from errors import Invalid

__all__ = ["Asked", "Healing", "read"]

W = TypeVar("W", bound=StrEnum)

_LONGEST_MODEL = 512
_LONGEST_KEY = 128
_LONGEST_USER = 256
_MOST_METADATA = 64
_LONGEST_METADATA = 10_000
_MOST_ATTEMPTS = 10

# Said to us, and no business of the model's.
_OURS = frozenset(
    {
        *("model", "prompt", "stream", "stream_options", "metadata", "idempotency_key", "builtin_tools"),
        *("response_schema", "json_only", "multimodal_preprocess", "tool_invocation_explanations"),
        *("rendering_mode", "extra_body"),
    }
)


@dataclass(frozen=True, slots=True)
class Healing:
    """The answer has to be JSON of this schema; until it is, the model is asked again."""

    schema: Mapping[str, Any] | None
    max_attempts: int
    # Whether it was asked for in so many words, or comes of a `response_format` that the account wants healed.
    explicit: bool = True
    # Where the schema was given.
    field: str = "response_schema"


@dataclass(frozen=True, slots=True)
class Asked:
    model: str
    request: ChatRequest
    stream: bool = False
    metadata: Mapping[str, str] | None = None
    user: str | None = None
    idempotency_key: str | None = None
    # What it wants otherwise than the gateway has it, beside what stands in the request.
    overrides: Overrides = field(default_factory=Overrides)
    healing: Healing | None = None
    json_only: bool = False
    textual_blocks: bool = False


def read(body: Mapping[str, Any]) -> Asked:
    model = _text(body, "model", _LONGEST_MODEL)
    if not model:
        raise Invalid("model", "is required")
    rendering = body.get("rendering_mode")
    if rendering not in (None, "textual_blocks"):
        raise Invalid("rendering_mode", "must be textual_blocks, or left out")
    return Asked(
        model,
        _request(body, model),
        stream=_flag(body, "stream") or False,
        metadata=_metadata(body.get("metadata")),
        user=_text(body, "user", _LONGEST_USER) or None,
        idempotency_key=_key(body),
        overrides=_overrides(body),
        healing=_healing(body),
        json_only=_flag(body, "json_only") or False,
        textual_blocks=rendering is not None,
    )


def _overrides(body: Mapping[str, Any]) -> Overrides:
    functions, options = _builtin(body.get("builtin_tools"))
    return Overrides(
        functions,
        options,
        multimodal=_word(body.get("multimodal_preprocess"), Media, "multimodal_preprocess"),
        explanations=_flag(body, "tool_invocation_explanations"),
        extra_body=_object(body.get("extra_body"), "extra_body"),
    )


def _request(body: Mapping[str, Any], model: str) -> ChatRequest:
    said = {name: value for name, value in body.items() if name not in _OURS}
    prompt = body.get("prompt")
    if said.get("messages") is None:
        if prompt is None:
            raise Invalid("messages", "is required, unless there is a prompt")
        if not isinstance(prompt, str):
            raise Invalid("prompt", "must be a text")
        said["messages"] = [{"role": "user", "content": prompt}]
    elif prompt is not None:
        raise Invalid("prompt", "must be left out when there are messages")
    if said["messages"] == []:
        raise Invalid("messages", "must not be empty")
    if body.get("response_schema") is not None:
        schema = _object(body["response_schema"], "response_schema")
        said["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    else:
        said["response_format"] = _without_healing(said.get("response_format"))
    # Absent and null are the same on this wire.
    said = {name: value for name, value in said.items() if value is not None}
    return wire.request_of({**said, "model": model})


def _without_healing(format: Any) -> Any:
    """Vendors refuse what they do not know, and this is ours."""
    shape = format.get("json_schema") if isinstance(format, Mapping) else None
    if not isinstance(shape, Mapping) or "healing_options" not in shape:
        return format
    kept = {name: value for name, value in shape.items() if name != "healing_options"}
    return {**format, "json_schema": {"name": "answer", **kept}}


def _healing(body: Mapping[str, Any]) -> Healing | None:
    if body.get("response_schema") is not None:
        return Healing(_object(body["response_schema"], "response_schema"), 3)
    format = _object(body.get("response_format"), "response_format") or {}
    if format.get("type") == "json_object":
        return Healing(None, 1, explicit=False)
    if format.get("type") != "json_schema":
        return None
    shape = _object(format.get("json_schema"), "response_format.json_schema") or {}
    where = "response_format.json_schema.schema"
    schema = _object(shape.get("schema"), where)
    options = _object(shape.get("healing_options"), "response_format.json_schema.healing_options")
    if options is None:
        return Healing(schema, 3, explicit=False, field=where)
    attempts = options.get("max_attempts", 3)
    field = "response_format.json_schema.healing_options.max_attempts"
    return Healing(schema, _within(attempts, field, 1, _MOST_ATTEMPTS), field=where)


def _builtin(given: Any) -> tuple[tuple[BuiltinFunction, ...], BuiltinOptions | None]:
    tools = _object(given, "builtin_tools")
    if tools is None:
        return (), None
    names = tools.get("tools") or []
    if not isinstance(names, list):
        raise Invalid("builtin_tools.tools", "must be a list")
    functions = tuple(
        function
        for place, name in enumerate(names)
        if (function := _word(name, BuiltinFunction, f"builtin_tools.tools[{place}]")) is not None
    )
    options = _object(tools.get("options"), "builtin_tools.options")
    if options is None:
        return functions, None
    at = "builtin_tools.options."
    default = BuiltinOptions()
    return functions, BuiltinOptions(
        web_search_mode=_word(options.get("web_search_mode"), WebSearchMode, at + "web_search_mode")
        or default.web_search_mode,
        web_search_max_results=_within(options.get("web_search_max_results", 10), at + "web_search_max_results", 1, 25),
        image_generation_max_results=_within(
            options.get("image_generation_max_results", 1), at + "image_generation_max_results", 1, 4
        ),
        image_generation_quality=_word(
            options.get("image_generation_quality"), ImageQuality, at + "image_generation_quality"
        )
        or default.image_generation_quality,
        image_generation_allow_mature_content=_flag(options, "image_generation_allow_mature_content", at) or False,
        image_generation_allow_reference_usage=_flag(options, "image_generation_allow_reference_usage", at) or False,
        image_generation_model_name=_text(options, "image_generation_model_name", _LONGEST_MODEL, at) or None,
        include_all_memory_context=_flag(options, "include_all_memory_context", at) or False,
    )


# ---------------------------------------------------------------- kinds of values


def _text(body: Mapping[str, Any], name: str, longest: int, at: str = "") -> str:
    value = body.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Invalid(at + name, "must be a text")
    if len(value) > longest:
        raise Invalid(at + name, f"must not be longer than {longest} characters")
    if "\0" in value:
        raise Invalid(at + name, "must not contain the character U+0000")
    return value


def _key(body: Mapping[str, Any]) -> str | None:
    if body.get("idempotency_key") == "":
        raise Invalid("idempotency_key", "must have at least one character")
    return _text(body, "idempotency_key", _LONGEST_KEY) or None


def _flag(body: Mapping[str, Any], name: str, at: str = "") -> bool | None:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise Invalid(at + name, "must be true or false")
    return value


def _within(value: Any, field: str, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise Invalid(field, f"must be an integer between {least} and {most}")
    return value


def _object(value: Any, field: str) -> Mapping[str, Any] | None:
    if value is not None and not isinstance(value, Mapping):
        raise Invalid(field, "must be an object")
    return value


def _metadata(value: Any) -> Mapping[str, str] | None:
    metadata = _object(value, "metadata")
    if metadata is None:
        return None
    if len(metadata) > _MOST_METADATA:
        raise Invalid("metadata", f"must not have more than {_MOST_METADATA} members")
    for name, text in metadata.items():
        if not isinstance(text, str):
            raise Invalid(f"metadata.{name}", "must be a text")
        if len(text) > _LONGEST_METADATA:
            raise Invalid(f"metadata.{name}", f"must not be longer than {_LONGEST_METADATA:,} characters")
    return metadata


def _word(value: Any, words: type[W], field: str) -> W | None:
    """`WebSearch`, `web_search` and `WEB_SEARCH` are the same word."""
    if value is None:
        return None
    if isinstance(value, str):
        plain = value.replace("_", "").replace("-", "").lower()
        for word in words:
            if word.value.replace("_", "").lower() == plain:
                return word
    known = ", ".join(word.value.lower() for word in words)
    raise Invalid(field, f"must be one of {known}")
