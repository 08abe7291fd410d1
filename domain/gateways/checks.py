"""What parameters may be, as far as they say it themselves."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any  # Parameters as JSON, and the schemas in them, are open.

import orjson

from domain.gateways.callbacks import is_collection_query, read_collection_query
from domain.gateways.codec import write
from domain.gateways.parameters import INTEGRATED, Parameters, ProtocolFunction, RemoteSource
from errors import Invalid

__all__ = ["check", "check_function", "check_headers", "check_size", "check_source"]

_MOST_BYTES = 1024 * 1024
_INT_MAX = 2**31 - 1

_RANGES: Mapping[str, tuple[float, float]] = {
    "knowledgeBaseMaximumResults": (1, 128),
    "knowledgeBaseMinimumScore": (0, 1),
    "queryStrategyParameters.rewriteContextSize": (1, 100),
    "queryStrategyParameters.concatenateContextSize": (1, 100),
    "temperature": (0, 2),
    "topP": (0, 1),
    "presencePenalty": (-2, 2),
    "frequencyPenalty": (-2, 2),
    "maxCompletionTokens": (1, _INT_MAX),
    "contextMaximumSize": (1, _INT_MAX),
    "toolContextCount": (0, _INT_MAX),
    "builtinFunctionsOptions.webSearchMaxResults": (1, 25),
    "builtinFunctionsOptions.imageGenerationMaxResults": (1, 4),
    "moderationParameters.violenceThreshold": (0, 10),
    "moderationParameters.sexualExplicitThreshold": (0, 10),
    "moderationParameters.politicalThreshold": (0, 10),
    "moderationParameters.dangerousContentThreshold": (0, 10),
    "moderationParameters.jailbreakThreshold": (0, 10),
}
_ITEMS: Mapping[str, int] = {
    "skills": 100,
    "alwaysVisibleTools": 256,
    "knowledgeCollections": 100,
    "tools": 128,
    "protocolFunctions": 128,
    "protocolFunctionSources": 32,
    "mcpSources": 32,
    "systemInstructionsSources": 32,
    "bashOptions.toolList": 256,
}
_CHARACTERS: Mapping[str, int] = {
    "baseAddress": 2_000,
    "modelName": 256,
    "apiKey": 8_000,
    "systemInstruction": 500_000,
    "userPromptTemplate": 100_000,
    "assistantPrefill": 100_000,
    "stop": 1_000,
    "reasoningEffort": 64,
    "verbosity": 64,
    "workerScriptSource": 2_000,
    "knownToolHandlerName": 64,
    "builtinFunctionsOptions.imageGenerationModelName": 256,
    "modelRoutingParameters.lowComplexityModelName": 256,
    "modelRoutingParameters.mediumComplexityModelName": 256,
    "modelRoutingParameters.highComplexityModelName": 256,
    "modelRoutingParameters.lowComplexityModelReasoningEffort": 64,
    "modelRoutingParameters.mediumComplexityModelReasoningEffort": 64,
    "modelRoutingParameters.highComplexityModelReasoningEffort": 64,
}
_NAMED = (
    "baseAddress",
    "modelName",
    "modelRoutingParameters.lowComplexityModelName",
    "modelRoutingParameters.mediumComplexityModelName",
    "modelRoutingParameters.highComplexityModelName",
)
_LABEL_CHARACTERS, _DESCRIPTION_CHARACTERS, _URL_CHARACTERS = 256, 10_000, 2_000
_LONGEST_CACHE_SECONDS = 30 * 24 * 3600
_MOST_HEADERS, _HEADER_CHARACTERS = 32, 8_000

_TOOL_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_FUNCTION_NAME = re.compile(r"[A-Za-z0-9_.-]{3,64}")
# As JSON has it; after an escaped backslash it is but a text about it.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
# The tools that every gateway may have: a function of the same name would never be called.
_RESERVED = frozenset({"shell", "read_skill"})
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
# They belong to the connection, which is ours.
_HEADERS_OF_OURS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect"}
)
_SETTINGS_OF_OURS = frozenset({"model", "messages", "stream", "stream_options"})


def check(parameters: Parameters, before: Parameters | None = None, path: str = "parameters") -> None:
    """Raises for the first thing that is wrong. Masks are no secrets here: they have been replaced before.

    Large schemas take seconds: it is called in a thread of its own, and does not look twice at those there were before.
    """
    given: dict[str, Any] = write(parameters)
    check_size(given, path)
    for name, (least, greatest) in _RANGES.items():
        value = _at(given, name)
        if value is not None and not least <= value <= greatest:
            raise Invalid(f"{path}.{name}", f"must be between {least:,} and {greatest:,}")
    for name, most in _ITEMS.items():
        if len(_at(given, name) or ()) > most:
            raise Invalid(f"{path}.{name}", f"must not have more than {most} items")
    for name, most in _CHARACTERS.items():
        if len(_at(given, name) or "") > most:
            raise Invalid(f"{path}.{name}", f"must not be longer than {most:,} characters")
    for name in _NAMED:
        if (text := _at(given, name)) is not None and not text.strip():
            raise Invalid(f"{path}.{name}", "must not be empty")
    for name in ("alwaysVisibleTools", "bashOptions.toolList"):
        _check_words(_at(given, name) or (), f"{path}.{name}")
    for number, source in enumerate(parameters.mcp_sources):
        check_source(source, f"{path}.mcpSources[{number}]")
    for number, source in enumerate(parameters.system_instructions_sources):
        check_source(source, f"{path}.systemInstructionsSources[{number}]")
    for number, function in enumerate(parameters.protocol_functions):
        check_function(function, f"{path}.protocolFunctions[{number}]")
    for number, tool in enumerate(parameters.tools or ()):
        _check_tool(tool, f"{path}.tools[{number}]")
    _check_names(parameters, path)
    # It weighs 13 MB, and most processes never keep a gateway.
    from domain.gateways.schemas import check_schemas

    check_schemas(parameters, before, path)
    _check_ownership(parameters, path)


def check_size(given: Any, path: str) -> None:
    try:
        written = orjson.dumps(given)
    except (orjson.JSONEncodeError, RecursionError):
        raise Invalid(path, "is nested too deeply, or holds half a surrogate pair") from None
    if len(written) > _MOST_BYTES:
        raise Invalid(path, f"must not be larger than {_MOST_BYTES:,} bytes altogether")
    if _NUL.search(written):
        raise Invalid(path, "must not contain the character U+0000")


def check_function(function: ProtocolFunction, path: str) -> None:
    if not _FUNCTION_NAME.fullmatch(function.name):
        raise Invalid(f"{path}.name", "must have between 3 and 64 letters, digits, _, . or -")
    if function.name in _RESERVED:
        raise Invalid(f"{path}.name", f"must not be {function.name}, which is a tool of the gateway itself")
    _check_length(function.description, _DESCRIPTION_CHARACTERS, f"{path}.description")
    _check_length(function.callback_url, _URL_CHARACTERS, f"{path}.callbackUrl")
    if is_collection_query(function.callback_url):
        read_collection_query(function.callback_url, f"{path}.callbackUrl")
    check_headers(function.headers, f"{path}.headers")
    if function.content_format is not None and function.content_format.get("type", "object") != "object":
        raise Invalid(f"{path}.contentFormat", "must describe an object: a function takes arguments by name")


def check_source(source: RemoteSource, path: str) -> None:
    if not source.name.strip():
        raise Invalid(f"{path}.name", "must not be empty")
    _check_length(source.name, _LABEL_CHARACTERS, f"{path}.name")
    _check_length(source.description or "", _DESCRIPTION_CHARACTERS, f"{path}.description")
    _check_length(source.url, _URL_CHARACTERS, f"{path}.url")
    if not 0 <= source.cache_duration <= _LONGEST_CACHE_SECONDS:
        raise Invalid(f"{path}.cacheDuration", f"must be between 0 and {_LONGEST_CACHE_SECONDS:,} seconds")
    check_headers(source.headers, f"{path}.headers")


def check_headers(headers: Mapping[str, str], path: str) -> None:
    if len(headers) > _MOST_HEADERS:
        raise Invalid(path, f"must not have more than {_MOST_HEADERS} members")
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise Invalid(path, f"has {name[:64]!r}, which is no name of a header")
        if name.lower() in _HEADERS_OF_OURS:
            raise Invalid(f"{path}.{name}", "is set by the connection itself")
        if len(value) > _HEADER_CHARACTERS or not (value.isprintable() and value.isascii()):
            raise Invalid(f"{path}.{name}", f"must have at most {_HEADER_CHARACTERS:,} plain characters on one line")


def _check_tool(tool: Mapping[str, Any], path: str) -> None:
    """A definition as OpenAI has it. Kinds of tools that we do not know are the provider's to understand."""
    if not isinstance(tool.get("type"), str):
        raise Invalid(f"{path}.type", "must be given, as in OpenAI's API")
    if tool["type"] != "function":
        return
    function = tool.get("function")
    if not isinstance(function, dict):
        raise Invalid(f"{path}.function", "must be an object")
    if not (isinstance(function.get("name"), str) and _TOOL_NAME.fullmatch(function["name"])):
        raise Invalid(f"{path}.function.name", "must have between 1 and 64 letters, digits, _, . or -")
    if not isinstance(function.get("parameters"), dict | None):
        raise Invalid(f"{path}.function.parameters", "must be an object")


def _check_names(parameters: Parameters, path: str) -> None:
    seen: set[str] = set()
    for name, where in _tool_names(parameters):
        if name in seen:
            raise Invalid(f"{path}.{where}", f"must be another than {name!r}, which a tool before it has")
        seen.add(name)


def _tool_names(parameters: Parameters) -> Iterator[tuple[str, str]]:
    for number, tool in enumerate(parameters.tools or ()):
        if tool["type"] == "function":
            yield tool["function"]["name"], f"tools[{number}].function.name"
    for number, function in enumerate(parameters.protocol_functions):
        yield function.name, f"protocolFunctions[{number}].name"


def _check_ownership(parameters: Parameters, path: str) -> None:
    """What goes only with a provider of one's own."""
    if parameters.base_address == INTEGRATED:
        if parameters.api_key is not None:
            raise Invalid(f"{path}.apiKey", f"cannot be given with {INTEGRATED}: its models have their own keys")
        if parameters.additional_settings:
            raise Invalid(f"{path}.additionalSettings", f"cannot be given with {INTEGRATED}")
    elif any(sign in parameters.base_address for sign in "?#"):
        raise Invalid(f"{path}.baseAddress", "must not have a query or a fragment")
    if parameters.api_key is not None and not (parameters.api_key.isascii() and parameters.api_key.isprintable()):
        raise Invalid(f"{path}.apiKey", "must be a key of plain characters, as the vendor gave it")
    for name in _SETTINGS_OF_OURS & (parameters.additional_settings or {}).keys():
        raise Invalid(f"{path}.additionalSettings.{name}", "is set by the request itself")


def _check_words(words: Sequence[str], path: str) -> None:
    for number, word in enumerate(words):
        if not word.strip():
            raise Invalid(f"{path}[{number}]", "must not be empty")
        _check_length(word, _LABEL_CHARACTERS, f"{path}[{number}]")


def _check_length(text: str, most: int, path: str) -> None:
    if len(text) > most:
        raise Invalid(path, f"must not be longer than {most:,} characters")


def _at(given: Mapping[str, Any], name: str) -> Any:
    value: Any = given
    for step in name.split("."):
        value = value.get(step) if value is not None else None
    return value
