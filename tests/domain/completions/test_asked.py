"""What a chat completion is asked with, and what of it is the model's."""

from typing import Any  # Requests are open JSON.

import pytest

from domain.completions.asked import Asked, Healing, read
from domain.gateways.parameters import BuiltinFunction, Media, WebSearchMode
from engine import wire
from errors import Invalid

HI = [{"role": "user", "content": "Hi"}]
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}}


def asked(**given: Any) -> Asked:
    return read({"model": "m", "messages": HI, **given})


def test_what_nobody_here_knows_is_the_models() -> None:
    found = asked(logit_bias={"1": 2}, top_k=4, parallel_tool_calls=False, frobnicate={"deep": [1]})

    sent = wire.request_json(found.request)
    assert sent["logit_bias"] == {"1": 2}
    assert sent["top_k"] == 4
    assert sent["parallel_tool_calls"] is False
    assert sent["frobnicate"] == {"deep": [1]}


def test_what_is_said_to_us_is_not_said_to_the_model() -> None:
    found = asked(
        metadata={"a": "b"},
        idempotency_key="k",
        builtin_tools={"tools": ["web_search"]},
        json_only=True,
        multimodal_preprocess="image",
        tool_invocation_explanations=True,
        rendering_mode="textual_blocks",
        extra_body={"x": 1},
        stream=True,
        stream_options={"include_usage": True},
    )

    assert set(wire.request_json(found.request)) == {"model", "messages"}
    assert found.metadata == {"a": "b"}
    assert (found.idempotency_key, found.json_only, found.stream, found.textual_blocks) == ("k", True, True, True)
    assert found.overrides.builtin_functions == (BuiltinFunction.WEB_SEARCH,)
    assert found.overrides.multimodal is Media.IMAGE
    assert found.overrides.explanations is True
    assert found.overrides.extra_body == {"x": 1}


def test_a_prompt_is_one_message() -> None:
    assert read({"model": "m", "prompt": "Hi"}).request == asked().request


def test_null_is_as_good_as_absent() -> None:
    nothing = dict.fromkeys(
        ["stream", "metadata", "prompt", "temperature", "tools", "response_format", "builtin_tools", "user", "stop"]
    )

    assert asked(**nothing) == asked()


@pytest.mark.parametrize("word", ["WebSearch", "web_search", "WEB_SEARCH", "websearch"])
def test_words_are_read_in_any_spelling(word: str) -> None:
    assert asked(builtin_tools={"tools": [word]}).overrides.builtin_functions == (BuiltinFunction.WEB_SEARCH,)


def test_reads_the_options_of_builtin_tools() -> None:
    options = asked(
        builtin_tools={
            "tools": ["web_search"],
            "options": {
                "web_search_mode": "summarized",
                "web_search_max_results": 25,
                "include_all_memory_context": True,
            },
        }
    ).overrides.builtin_options

    assert options is not None
    assert options.web_search_mode is WebSearchMode.SUMMARIZED
    assert options.web_search_max_results == 25
    assert options.include_all_memory_context is True


@pytest.mark.parametrize(
    ("given", "healing"),
    [
        ({"response_schema": SCHEMA}, Healing(SCHEMA, 3)),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"schema": SCHEMA, "healing_options": {"max_attempts": 10}},
                }
            },
            Healing(SCHEMA, 10, field="response_format.json_schema.schema"),
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}},
            Healing(SCHEMA, 3, explicit=False, field="response_format.json_schema.schema"),
        ),
        ({"response_format": {"type": "json_object"}}, Healing(None, 1, explicit=False)),
        ({"response_format": {"type": "text"}}, None),
        ({}, None),
    ],
)
def test_knows_what_is_to_be_healed(given: dict[str, Any], healing: Healing | None) -> None:
    assert asked(**given).healing == healing


def test_vendors_do_not_hear_of_healing() -> None:
    shape = {"schema": SCHEMA, "strict": True, "healing_options": {"max_attempts": 2}}

    found = asked(response_format={"type": "json_schema", "json_schema": shape})

    assert wire.request_json(found.request)["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True},
    }


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({}, "model is required."),
        ({"model": 7, "messages": HI}, "model must be a text."),
        ({"model": "m"}, "messages is required, unless there is a prompt."),
        ({"model": "m", "messages": []}, "messages must not be empty."),
        ({"model": "m", "messages": HI, "prompt": "Hi"}, "prompt must be left out when there are messages."),
        ({"model": "m", "messages": HI, "stream": "yes"}, "stream must be true or false."),
        ({"model": "m", "messages": HI, "metadata": {"a": 1}}, "metadata.a must be a text."),
        ({"model": "m", "messages": HI, "metadata": []}, "metadata must be an object."),
        ({"model": "m", "messages": HI, "idempotency_key": "k" * 129}, "idempotency_key must not be longer than 128"),
        ({"model": "m", "messages": HI, "idempotency_key": ""}, "idempotency_key must have at least one character."),
        (
            {"model": "m", "messages": HI, "multimodal_preprocess": "smell"},
            "multimodal_preprocess must be one of",
        ),
        ({"model": "m", "messages": HI, "builtin_tools": {"tools": [1]}}, r"builtin_tools.tools\[0\] must be one of"),
        (
            {"model": "m", "messages": HI, "builtin_tools": {"options": {"web_search_max_results": 26}}},
            "builtin_tools.options.web_search_max_results must be an integer between 1 and 25.",
        ),
        ({"model": "m", "messages": HI, "user": "a\0"}, r"user must not contain the character U\+0000."),
        ({"model": "m", "messages": HI, "idempotency_key": "\0"}, "idempotency_key must not contain"),
        ({"model": "m", "messages": HI, "rendering_mode": "html"}, "rendering_mode must be textual_blocks"),
        ({"model": "m", "messages": [{"role": "user", "content": 7}]}, r"messages\[0\].content must be"),
    ],
)
def test_tells_what_is_wrong(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(Invalid, match=problem):
        read(given)
