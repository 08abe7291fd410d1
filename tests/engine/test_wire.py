"""OpenAI's JSON to our values and back."""

import contextlib
import json
from typing import Any  # JSON in and out

import pytest
from hypothesis import given
from hypothesis import strategies as some

from engine import AnswerShape, Audio, FilePart, Image, Message, Raw, Role, Tool, ToolCall, Video
from engine.wire import message_json, message_of, request_json, request_of, tool_of
from errors import Invalid

Json = dict[str, Any]

HI: Json = {"role": "user", "content": "Hi"}

words = some.text(min_size=1, max_size=12)
anything = some.recursive(
    some.none()
    | some.booleans()
    | some.integers(-(2**53), 2**53)
    | some.floats(allow_nan=False)
    | some.text(max_size=9),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)


def unknown(prefix: str) -> some.SearchStrategy[Json]:
    """Members that nobody here has heard of."""
    return some.dictionaries(words.map(lambda word: prefix + word), anything, max_size=2)


def merged(*several: some.SearchStrategy[Json]) -> some.SearchStrategy[Json]:
    return some.tuples(*several).map(lambda them: {name: value for one in them for name, value in one.items()})


def kind(name: str, **members: some.SearchStrategy[Any]) -> some.SearchStrategy[Json]:
    return merged(some.fixed_dictionaries({"type": some.just(name), **members}), unknown("x_"))


parts = some.one_of(
    kind("text", text=some.text(max_size=9)),
    kind("image_url", image_url=words | merged(some.fixed_dictionaries({"url": words}), unknown("x_"))),
    kind("video_url", video_url=some.fixed_dictionaries({"url": words})),
    kind("input_audio", input_audio=some.fixed_dictionaries({"data": words, "format": words})),
    kind("file", file=some.fixed_dictionaries({"file_data": words}, optional={"filename": words})),
    kind("file", file=some.fixed_dictionaries({"file_id": words})),
    kind("hologram", hologram=anything),
)
calls = some.one_of(
    kind("function", id=words, function=some.fixed_dictionaries({"name": words, "arguments": some.text(max_size=9)})),
    kind("custom", id=words, custom=some.fixed_dictionaries({"name": words, "input": some.text(max_size=9)})),
)
contents = some.text(max_size=9) | some.lists(parts, min_size=1, max_size=3)
messages = some.one_of(
    merged(
        some.fixed_dictionaries({"role": some.sampled_from(["system", "developer", "user"]), "content": contents}),
        unknown("x_"),
    ),
    merged(
        some.fixed_dictionaries(
            {"role": some.just("assistant")},
            optional={
                "content": contents | some.none() | some.just([]),
                "tool_calls": some.lists(calls, max_size=2) | some.none(),
                "refusal": some.none() | words,
            },
        ),
        unknown("x_"),
    ),
    some.fixed_dictionaries(
        {"role": some.sampled_from(["tool", "function"]), "content": contents}, optional={"tool_call_id": words}
    ),
)
tools = some.one_of(
    kind(
        "function",
        function=merged(
            some.fixed_dictionaries(
                {"name": words},
                optional={
                    "description": some.text(max_size=9),
                    "parameters": some.dictionaries(words, anything, max_size=2),
                    "strict": some.booleans() | some.none(),
                },
            ),
            unknown("x_"),
        ),
    ),
    kind("web_search", web_search=some.dictionaries(words, anything, max_size=2)),
)
bodies = merged(
    some.fixed_dictionaries(
        {"model": words, "messages": some.lists(messages, min_size=1, max_size=3)},
        optional={
            "tools": some.lists(tools, min_size=1, max_size=2),
            "tool_choice": some.sampled_from(["auto", "any"]) | some.dictionaries(words, anything, max_size=2),
            "response_format": some.one_of(
                some.just({"type": "json_object"}),
                kind(
                    "json_schema",
                    json_schema=merged(
                        some.fixed_dictionaries({"schema": some.dictionaries(words, anything, max_size=2)}),
                        unknown("x_"),
                    ),
                ),
            ),
            "temperature": some.floats(0, 2),
            "top_p": some.floats(0, 1),
            "max_tokens": some.integers(1, 9),
            "stop": some.lists(words, min_size=1, max_size=2),
            "seed": some.integers(0, 9),
            "n": some.integers(1, 3),
            "logprobs": some.booleans(),
            "stream_options": some.dictionaries(words, anything, max_size=2),
        },
    ),
    unknown("x_"),
)


@given(bodies)
def test_what_was_written_is_sent(body: Json) -> None:
    # As text, because 1 == 1.0 == True.
    assert as_text(request_json(request_of(body))) == as_text(body)


def as_text(body: Json) -> str:
    return json.dumps(body, sort_keys=True)


def test_fields_are_understood() -> None:
    request = request_of(
        {
            "model": "m",
            "messages": [HI],
            "temperature": 0,
            "stop": "END",
            "max_completion_tokens": 7,
            "max_tokens": 9,
            "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {}, "strict": True}},
            "tool_choice": "required",
            "logit_bias": {"50256": -100},
            "stream": True,
        }
    )

    assert (request.model, request.messages) == ("m", (Message.user("Hi"),))
    assert (request.temperature, request.stop, request.tool_choice) == (0, ("END",), "required")
    assert (request.max_tokens, request.max_tokens_name) == (7, "max_completion_tokens")
    assert request.answer_shape == AnswerShape({}, "a", strict=True)
    assert request.extra == {"logit_bias": {"50256": -100}}


def test_parts_are_understood() -> None:
    message = message_of(
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look "},
                {"type": "text", "text": "here", "cache_control": {"type": "ephemeral"}},
                {"type": "image_url", "image_url": {"url": "https://a/b.png"}},
                {"type": "image_url", "image_url": {"url": "https://a/c.png", "detail": "low"}},
                {"type": "image_url", "image_url": "https://a/d.png"},
                {"type": "video_url", "video_url": {"url": "https://a/b.mp4"}},
                {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}},
                {"type": "file", "file": {"file_id": "file-1"}},
            ],
        }
    )

    assert message.text == "Look here"
    assert [type(part) for part in message.parts] == [str, Raw, Image, Image, Image, Video, Audio, FilePart, Raw]
    assert [part.url for part in message.parts if isinstance(part, Image)] == [
        *("https://a/b.png", "https://a/c.png", "https://a/d.png"),
    ]


def test_other_names_of_a_role_are_kept() -> None:
    message = message_of({"role": "developer", "content": "Be brief."})

    assert message.role is Role.SYSTEM
    assert message_json(message)["role"] == "developer"


def test_a_signed_call_keeps_its_signature() -> None:
    call = {
        "id": "a",
        "type": "function",
        "function": {"name": "weather", "arguments": "{}"},
        "extra_content": {"google": {"thought_signature": "c2ln"}},
    }

    message = message_of({"role": "assistant", "content": None, "tool_calls": [call]})

    assert message.tool_calls == (ToolCall("a", "weather", "{}", call),)
    assert message_json(message)["tool_calls"] == [call]


def test_a_tool_that_is_no_function_has_a_name() -> None:
    grammar = {"type": "custom", "custom": {"name": "code", "format": {"type": "grammar"}}}

    assert tool_of(grammar) == Tool("code", kind="custom", wire=grammar)
    assert tool_of({"type": "web_search"}).name == "web_search"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"messages": [HI]}, "model"),
        ({"model": 7, "messages": [HI]}, "model"),
        ({"model": "m"}, "messages"),
        ({"model": "m", "messages": []}, "messages"),
        ({"model": "m", "messages": {"role": "user"}}, "messages"),
        ({"model": "m", "messages": ["Hi"]}, "messages[0]"),
        ({"model": "m", "messages": [{"role": "king", "content": "Hi"}]}, "messages[0].role"),
        ({"model": "m", "messages": [HI, HI, {"role": "user", "content": 7}]}, "messages[2].content"),
        ({"model": "m", "messages": [{"role": "user"}]}, "messages[0].content"),
        ({"model": "m", "messages": [{"role": "user", "content": ["Hi"]}]}, "messages[0].content[0]"),
        ({"model": "m", "messages": [{"role": "user", "content": [{"text": "Hi"}]}]}, "messages[0].content[0].type"),
        (
            {"model": "m", "messages": [{"role": "user", "content": [{"type": "text"}]}]},
            "messages[0].content[0].text",
        ),
        (
            {"model": "m", "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            "messages[0].content[0].image_url.url",
        ),
        (
            {"model": "m", "messages": [{"role": "assistant", "tool_calls": [{"id": "a", "type": "function"}]}]},
            "messages[0].tool_calls[0].function",
        ),
        ({"model": "m", "messages": [{**HI, "tool_call_id": 7}]}, "messages[0].tool_call_id"),
        ({"model": "m", "messages": [HI], "temperature": "hot"}, "temperature"),
        ({"model": "m", "messages": [HI], "temperature": True}, "temperature"),
        ({"model": "m", "messages": [HI], "max_tokens": 1.5}, "max_tokens"),
        ({"model": "m", "messages": [HI], "stop": [7]}, "stop"),
        ({"model": "m", "messages": [HI], "tools": {}}, "tools"),
        ({"model": "m", "messages": [HI], "tools": [{"type": "function"}]}, "tools[0].function"),
        ({"model": "m", "messages": [HI], "tools": [{"function": {"name": ""}}]}, "tools[0].function.name"),
        ({"model": "m", "messages": [HI], "tool_choice": 7}, "tool_choice"),
        ({"model": "m", "messages": [HI], "response_format": "json"}, "response_format"),
        ({"model": "m", "messages": [HI], "response_format": {"type": "json_schema"}}, "response_format.json_schema"),
    ],
)
def test_names_what_is_malformed(body: Json, path: str) -> None:
    with pytest.raises(Invalid) as caught:
        request_of(body)

    assert caught.value.field == path


@given(some.dictionaries(some.sampled_from(["model", "messages", "tools", "stop", "response_format"]), anything))
def test_nonsense_is_invalid_and_nothing_else(body: Json) -> None:
    with contextlib.suppress(Invalid):
        request_of(body)
