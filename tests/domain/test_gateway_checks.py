"""What parameters of a gateway may be, and what is said of those that may not."""

from collections.abc import Mapping
from dataclasses import is_dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints  # Parameters as they are sent are open JSON.
from uuid import uuid4

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from domain.gateways.checks import check
from domain.gateways.codec import read, write
from domain.gateways.parameters import INTEGRATED, Flag, Parameters
from domain.gateways.sealing import change_secrets, opener, sealer
from domain.secrets import Secrets
from errors import Invalid
from tests.conftest import SECRET_KEY
from tests.domain.test_gateways import CATALOGUED, HOST, OWN, function, nested, source

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"baseAddress": None}, "parameters.baseAddress must be given"),
    ({"modelName": " "}, "parameters.modelName must not be empty"),
    ({"temperature": 2.1}, "parameters.temperature must be between 0 and 2"),
    ({"temperature": float("nan")}, "parameters.temperature must be between 0 and 2"),
    ({"temperature": "warm"}, "parameters.temperature must be a number"),
    ({"topP": -0.1}, "parameters.topP must be between 0 and 1"),
    ({"presencePenalty": 3}, "parameters.presencePenalty must be between -2 and 2"),
    ({"frequencyPenalty": -3}, "parameters.frequencyPenalty must be between -2 and 2"),
    ({"maxCompletionTokens": 0}, "parameters.maxCompletionTokens must be between 1 and 2,147,483,647"),
    ({"maxCompletionTokens": 1.5}, "parameters.maxCompletionTokens must be an integer"),
    ({"contextMaximumSize": -1}, "parameters.contextMaximumSize must be between 1 and 2,147,483,647"),
    ({"toolContextCount": -1}, "parameters.toolContextCount must be between 0 and 2,147,483,647"),
    ({"knowledgeBaseMaximumResults": 129}, "parameters.knowledgeBaseMaximumResults must be between 1 and 128"),
    ({"knowledgeBaseMinimumScore": 1.1}, "parameters.knowledgeBaseMinimumScore must be between 0 and 1"),
    (
        {"queryStrategyParameters": {"rewriteContextSize": 0}},
        "parameters.queryStrategyParameters.rewriteContextSize must be between 1 and 100",
    ),
    (
        {"builtinFunctionsOptions": {"webSearchMaxResults": 26}},
        "parameters.builtinFunctionsOptions.webSearchMaxResults must be between 1 and 25",
    ),
    (
        {"moderationParameters": {"jailbreakThreshold": 11}},
        "parameters.moderationParameters.jailbreakThreshold must be between 0 and 10",
    ),
    ({"flags": ["PREVIEW"]}, "parameters.flags[0] must be one of NO_SYSTEM_INSTRUCT"),
    ({"contextOverflowAction": "Compact"}, "parameters.contextOverflowAction must be one of THROW, TRUNCATE"),
    ({"flags": "NO_TEMPERATURE"}, "parameters.flags must be a list"),
    ({"enableBash": "yes"}, "parameters.enableBash must be true or false"),
    ({"skills": [str(uuid4()) for _ in range(101)]}, "parameters.skills must not have more than 100 items"),
    ({"systemInstruction": "x" * 500_001}, "parameters.systemInstruction must not be longer than 500,000 characters"),
    ({"additionalSettings": {"x": 1}}, "parameters.additionalSettings cannot be given with @integrated"),
    ({"apiKey": "sk"}, "parameters.apiKey cannot be given with @integrated"),
    ({**OWN, "apiKey": "sk\n"}, "parameters.apiKey must be a key of plain characters"),
    ({**OWN, "baseAddress": f"{HOST}/?x"}, "parameters.baseAddress must not have a query"),
    ({**OWN, "additionalSettings": {"stream": True}}, "parameters.additionalSettings.stream is set by the request"),
    ({"tools": [{}]}, "parameters.tools[0].type must be given"),
    ({"tools": [{"type": "function"}]}, "parameters.tools[0].function must be an object"),
    (
        {"tools": [{"type": "function", "function": {"name": "a b"}}]},
        "parameters.tools[0].function.name must have between 1 and 64",
    ),
    (
        {"tools": [{"type": "function", "function": {"name": "x", "parameters": {"type": "objekt"}}}]},
        "parameters.tools[0].function.parameters is no JSON Schema: at $.type",
    ),
    ({"protocolFunctions": [function(name="ab")]}, "parameters.protocolFunctions[0].name must have between 3"),
    ({"protocolFunctions": [function(name="shell")]}, "parameters.protocolFunctions[0].name must not be shell"),
    (
        {"protocolFunctions": [function(contentFormat={"type": "string"})]},
        "parameters.protocolFunctions[0].contentFormat must describe an object",
    ),
    (
        {"protocolFunctions": [function(), function()]},
        "parameters.protocolFunctions[1].name must be another than 'weather'",
    ),
    (
        {
            "tools": [{"type": "function", "function": {"name": "weather"}}],
            "protocolFunctions": [function()],
        },
        "parameters.protocolFunctions[0].name must be another than 'weather'",
    ),
    (
        {"protocolFunctions": [function(callbackUrl="aivax://query-collection?top=3")]},
        "parameters.protocolFunctions[0].callbackUrl must name a collection",
    ),
    (
        {"protocolFunctions": [function(callbackUrl=f"aivax://query-collection?collection-id={uuid4()}&top=0")]},
        "parameters.protocolFunctions[0].callbackUrl must have a number between 1 and 128 for top",
    ),
    (
        {"protocolFunctions": [function(callbackUrl="aivax://other?collection-id=1")]},
        "parameters.protocolFunctions[0].callbackUrl must be a web address, or aivax://query-collection",
    ),
    ({"mcpSources": [source(cacheDuration=-1)]}, "parameters.mcpSources[0].cacheDuration must be between 0 and"),
    ({"mcpSources": [source(name=" ")]}, "parameters.mcpSources[0].name must not be empty"),
    ({"mcpSources": [{"name": "x"}]}, "parameters.mcpSources[0].url must be given"),
    ({"mcpSources": ["x"]}, "parameters.mcpSources[0] must be an object"),
    ({"mcpSources": [source(headers={"X": 1})]}, "parameters.mcpSources[0].headers.X must be a text"),
    ({"mcpSources": [source(headers={"Host": "x"})]}, "parameters.mcpSources[0].headers.Host is set by the connec"),
    ({"mcpSources": [source(headers={"a b": "x"})]}, "parameters.mcpSources[0].headers has 'a b', which is no name"),
    (
        {"mcpSources": [source(headers={"X": "a\r\nHost: b"})]},
        "parameters.mcpSources[0].headers.X must have at most 8,000 plain characters on one line",
    ),
    ({"modelRoutingParameters": {"lowComplexityModelName": "x"}}, "parameters.modelRoutingParameters.mediumCom"),
]


@pytest.mark.parametrize(("wanted", "complaint"), REFUSED, ids=lambda value: str(value)[:60])
def test_refuses_and_says_what(wanted: dict[str, Any], complaint: str) -> None:
    with pytest.raises(Invalid) as caught:
        check(read(Parameters, CATALOGUED | wanted, "parameters"))

    assert str(caught.value).startswith(complaint)


def with_schemas(*schemas: dict[str, Any]) -> Parameters:
    tools = [
        {"type": "function", "function": {"name": f"tool{number}", "parameters": schema}}
        for number, schema in enumerate(schemas)
    ]
    return read(Parameters, CATALOGUED | {"tools": tools})


@pytest.mark.parametrize(
    ("schema", "complaint"),
    [
        ({"properties": {"x": {"$ref": "#/$defs/x"}}, "$defs": {"x": {"type": "objekt"}}}, "is no JSON Schema: at"),
        ({"properties": {"x": {"pattern": "(("}}}, "is no JSON Schema: at $.properties.x.pattern, '((' is not a"),
        ({"prefixItems": [{"minimum": "low"}]}, "is no JSON Schema: at $.prefixItems[0].minimum, 'low' is not of"),
        ({"properties": {"x": {"$ref": "http://1.1.1.1/x"}}}, "must refer to parts of its own, such as #/$defs/name"),
        (nested(33), "must not be nested more than 32 deep"),
        ({"description": "x" * 65_536}, "must not be larger than 65,536 bytes"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_schemas_are_looked_into(schema: dict[str, Any], complaint: str) -> None:
    with pytest.raises(Invalid) as caught:
        check(with_schemas(schema))

    assert str(caught.value).startswith(f"parameters.tools[0].function.parameters {complaint}")


@pytest.mark.parametrize(
    "draft", ["http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft/2020-12/schema"]
)
def test_schemas_of_several_drafts_are_taken(draft: str) -> None:
    check(
        with_schemas(
            {
                "$schema": draft,
                "type": "object",
                "properties": {"x": {"$ref": "#/$defs/x"}, "y": {"items": [{"type": ["string", "null"]}]}},
                "$defs": {"x": {"prefixItems": [True], "exclusiveMinimum": 0}},
                "dependentRequired": {"x": ["y"]},
                "additionalProperties": False,
            }
        )
    )


def test_schemas_have_a_size_together_and_are_looked_at_once() -> None:
    large = {"description": "x" * 60_000}
    saved = with_schemas(*[large | {"title": str(number)} for number in range(4)])

    with pytest.raises(Invalid, match=r"tools\[4\].function.parameters must not be larger than"):
        check(with_schemas(*[large | {"title": str(number)} for number in range(5)]))
    check(with_schemas(*[large | {"title": str(number)} for number in range(5)]), saved)


@pytest.mark.parametrize("word", ["OpenAiStrictJson", "OPEN_AI_STRICT_JSON", "openaistrictjson"])
def test_reads_words_in_any_spelling(word: str) -> None:
    assert read(Parameters, CATALOGUED | {"flags": [word, word]}).flags == (Flag.OPEN_AI_STRICT_JSON,)


def test_leaves_out_what_it_does_not_know() -> None:
    """Saved by a newer release, or sent by a client of one."""
    assert read(Parameters, CATALOGUED | {"rerankerName": "lexical"}) == Parameters(INTEGRATED, "@openai/gpt-5-mini")


def test_an_empty_text_is_none() -> None:
    parameters = read(Parameters, CATALOGUED | {"systemInstruction": "", "stop": "", "apiKey": ""})

    assert (parameters.system_instruction, parameters.stop, parameters.api_key) == (None, None, None)


# ---------------------------------------------------------------- kept and read again

_TEXT = some.text(min_size=1, max_size=20)
_JSON = some.recursive(
    some.none() | some.booleans() | some.integers(-(2**31), 2**31) | _TEXT,
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=3,
)
_SIMPLE: Mapping[Any, some.SearchStrategy[Any]] = {
    str: _TEXT,
    bool: some.booleans(),
    int: some.integers(-(2**31), 2**31),
    float: some.floats(allow_nan=False, allow_infinity=False),
    NoneType: some.none(),
    Any: _JSON,
}


def values_of(hint: Any) -> some.SearchStrategy[Any]:
    origin, inside = get_origin(hint), get_args(hint)
    if origin is UnionType:
        return some.one_of(*map(values_of, inside))
    if origin is tuple:
        unique = isinstance(inside[0], type) and issubclass(inside[0], Enum)
        return some.lists(values_of(inside[0]), max_size=3, unique=unique).map(tuple)
    if origin is not None:
        return some.dictionaries(*map(values_of, inside), max_size=3)
    if is_dataclass(hint) and isinstance(hint, type):
        return some.builds(hint, **{name: values_of(each) for name, each in get_type_hints(hint).items()})
    return _SIMPLE[hint] if hint in _SIMPLE else some.sampled_from(hint)


# A hundred members take their time to be thought of on a busy machine.
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(values_of(Parameters))
def test_survives_being_kept(parameters: Parameters) -> None:
    """Every member, with what is secret in it, through JSON and the seal."""
    secrets, sealed = Secrets(lambda: [SECRET_KEY]), dict[str, str]()

    kept = orjson.dumps(write(change_secrets(parameters, sealer(secrets, ("here",), sealed))))
    read_again = change_secrets(read(Parameters, orjson.loads(kept)), opener(secrets, ("here",), sealed))

    assert read_again == parameters
