"""OpenAI's own packages, unchanged but for the address."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any  # Credentials are open here.

import openai
import pytest
from pydantic import BaseModel

import models
from domain import keys
from domain.identity import KeyKind
from tests.serving import Served, serving
from tests.transport.peers import run
from tests.upstream import Gate, Reply, ToolPiece, Upstream

NONSENSE: Any = [{"role": "user", "content": 7}]
HI: Any = [{"role": "user", "content": "Hi"}]
USED = {
    "prompt_tokens": 90,
    "completion_tokens": 3,
    "total_tokens": 93,
    "prompt_tokens_details": {"cached_tokens": 20},
}
CLOCK: Any = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object", "properties": {}}}}


@dataclass
class Known:
    served: Served
    key: str
    client: openai.AsyncOpenAI

    @property
    def upstream(self) -> Upstream:
        return self.served.upstream


@pytest.fixture
async def known(database: dict[str, Any], upstream: Upstream) -> AsyncIterator[Known]:
    async with serving(database, upstream, env="production") as served:
        _, key = await keys.create(served.runtime.workspace.id, KeyKind.SK)
        async with openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key=key, max_retries=0) as client:
            yield Known(served, key, client)


async def test_a_chat(known: Known) -> None:
    known.upstream.will(Reply("Hel", "lo", usage=USED))

    answer = await known.client.chat.completions.create(model="test-model", messages=HI)

    assert answer.choices[0].message.content == "Hello"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (70, 3, 93)
    assert answer.usage.prompt_tokens_details is not None
    assert answer.usage.prompt_tokens_details.cached_tokens == 20


async def test_a_stream(known: Known) -> None:
    known.upstream.will(Reply("Hel", "lo", usage=USED))

    chunks = [
        chunk
        async for chunk in await known.client.chat.completions.create(model="test-model", messages=HI, stream=True)
    ]

    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Hello"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] == ["stop"]
    assert [chunk.usage is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [True]


async def test_a_tool_of_the_callers(known: Known) -> None:
    pieces = (ToolPiece(0, "call_1", "clock", ""), ToolPiece(0, arguments='{"zone"'), ToolPiece(0, arguments=':"UTC"}'))
    known.upstream.will(Reply(*pieces, finish="tool_calls"), Reply("Noon."))

    async with known.client.chat.completions.stream(model="test-model", messages=HI, tools=[CLOCK]) as stream:
        asked = await stream.get_final_completion()
    message: Any = asked.choices[0].message
    result: Any = {"role": "tool", "tool_call_id": "call_1", "content": "12:00"}
    answer = await known.client.chat.completions.create(
        model="test-model", messages=[*HI, message.model_dump(exclude_none=True), result], tools=[CLOCK]
    )

    assert asked.choices[0].finish_reason == "tool_calls"
    assert message.tool_calls[0].function.name == "clock"
    assert message.tool_calls[0].function.arguments == '{"zone":"UTC"}'
    assert answer.choices[0].message.content == "Noon."
    assert known.upstream.calls[1].json["messages"][2] == result


async def test_a_structured_answer(known: Known) -> None:
    class Capital(BaseModel):
        name: str
        people: int

    known.upstream.will(Reply('{"name": "Paris",', ' "people": 2100000}'))

    answer = await known.client.chat.completions.parse(model="test-model", messages=HI, response_format=Capital)

    assert answer.choices[0].message.parsed == Capital(name="Paris", people=2_100_000)
    assert known.upstream.calls[0].json["response_format"]["json_schema"]["strict"] is True


async def test_what_only_the_model_knows_reaches_it(known: Known) -> None:
    await known.client.chat.completions.create(
        model="test-model", messages=HI, logit_bias={"7": 1}, extra_body={"frobnicate": {"deep": [1.5]}}
    )

    sent = known.upstream.calls[0].json
    assert sent["logit_bias"] == {"7": 1}
    assert sent["frobnicate"] == {"deep": [1.5]}


async def test_lists_models(known: Known) -> None:
    assert [model.id async for model in known.client.models.list()] == ["@unknown/test-model"]


async def test_a_model_is_found_by_its_tag(known: Known) -> None:
    answer = await known.client.chat.completions.create(model="@unknown/test-model", messages=HI)

    assert answer.model == "@unknown/test-model"
    assert known.upstream.calls[0].json["model"] == "test-model"


async def test_failures_are_of_the_right_kind(known: Known) -> None:
    client = known.client
    with pytest.raises(openai.BadRequestError) as unknown:
        await client.chat.completions.create(model="nobody", messages=HI)
    with pytest.raises(openai.BadRequestError) as malformed:
        await client.chat.completions.create(model="test-model", messages=NONSENSE)
    with pytest.raises(openai.AuthenticationError) as stranger:
        await client.with_options(api_key="sk-nobodys").chat.completions.create(model="test-model", messages=HI)
    known.upstream.will(Reply.error(429, "Slow down.", headers={"retry-after": "7"}))
    with pytest.raises(openai.RateLimitError) as hurried:
        await client.chat.completions.create(model="test-model", messages=HI)
    known.upstream.will(Reply.error(500, "Out of order."))
    with pytest.raises(openai.InternalServerError) as broken:
        await client.chat.completions.create(model="test-model", messages=HI)

    assert (unknown.value.code, unknown.value.param) == ("invalid", "model")
    assert malformed.value.param == "messages[0].content"
    assert stranger.value.code == "invalid_api_key"
    assert (hurried.value.code, hurried.value.response.headers["retry-after"]) == ("rate_limit_exceeded", "7")
    assert broken.value.status_code == 502


async def test_limits_are_told_as_such(known: Known) -> None:
    workspace_id = known.served.runtime.workspace.id
    hurried, hurried_key = await keys.create(workspace_id, KeyKind.SK)
    hurried.requests_per_minute = 1
    await hurried.save()
    poor, poor_key = await keys.create(workspace_id, KeyKind.SK)
    await models.Budget.create(workspace_id=workspace_id, api_key_id=poor.id, amount=1, spent=1)
    hurrying = known.client.with_options(api_key=hurried_key).chat.completions.create
    await hurrying(model="test-model", messages=HI)

    with pytest.raises(openai.RateLimitError) as too_many:
        await hurrying(model="test-model", messages=HI)
    with pytest.raises(openai.APIStatusError) as used_up:
        await known.client.with_options(api_key=poor_key).chat.completions.create(model="test-model", messages=HI)

    assert too_many.value.code == "rate_limit_exceeded"
    assert int(too_many.value.response.headers["retry-after"]) > 0
    assert (used_up.value.status_code, used_up.value.code) == (402, "insufficient_quota")


async def test_a_stream_that_breaks_says_so(known: Known) -> None:
    gate = Gate()
    known.upstream.will(Reply("Hel", gate, finish=None, done=False))

    heard: list[str] = []

    async def listen() -> None:
        async for chunk in await known.client.chat.completions.create(model="test-model", messages=HI, stream=True):
            heard.append(chunk.choices[0].delta.content or "")
            gate.open()

    with pytest.raises(openai.APIError) as broken:
        await listen()

    assert "".join(heard) == "Hel"
    assert broken.value.code == "server_error"


async def test_a_stream_ends_with_the_key_it_was_opened_with(known: Known) -> None:
    gate, runtime = Gate(), known.served.runtime
    known.upstream.will(Reply("Hel", gate, "lo"))
    principal = await runtime.keys.authenticate(known.key, None)
    stream = await known.client.chat.completions.create(model="test-model", messages=HI, stream=True)
    await anext(stream)

    assert principal.key_id is not None
    await keys.revoke(principal, principal.key_id)
    with pytest.raises(openai.APIError, match="The key is not valid any more"):
        await anext(stream)

    await asyncio.wait_for(known.upstream.calls[0].left.wait(), 10)


@pytest.mark.parametrize("stream", [True, False])
async def test_leaving_stops_the_provider(known: Known, stream: bool) -> None:
    gate = Gate()
    known.upstream.will(Reply("Hel", gate, "lo"))

    ask: Any = known.client.chat.completions.create
    asking = asyncio.create_task(ask(model="test-model", messages=HI, stream=stream))
    call = await known.upstream.arrived()
    await gate.reached.wait()
    if stream:
        await (await asking).close()
    else:
        asking.cancel()

    await asyncio.wait_for(call.left.wait(), 10)


async def test_the_javascript_package(known: Known) -> None:
    run.install()
    call = ToolPiece(0, "call_1", "clock", "{}")
    known.upstream.will(
        Reply("Hel", "lo", usage=USED),
        Reply("Hel", "lo", usage=USED),
        Reply(call, finish="tool_calls"),
        Reply("Hel", finish=None, done=False),
    )

    seen = await run.node("openai.js", f"{known.served.url}/v1", known.key)

    usage = {
        "prompt_tokens": 70,
        "completion_tokens": 3,
        "total_tokens": 93,
        "prompt_tokens_details": {"cached_tokens": 20},
    }
    assert seen == {
        "models": ["@unknown/test-model"],
        "plain": {"text": "Hello", "usage": usage},
        "stream": {"text": "Hello", "reason": "stop", "usage": usage},
        "calls": [{"name": "clock", "arguments": "{}"}],
        "unknownModel": {"kind": "BadRequestError", "status": 400, "code": "invalid", "param": "model"},
        "unknownKey": {"kind": "AuthenticationError", "status": 401, "code": "invalid_api_key", "param": None},
        "broken": {"kind": "APIError", "code": "server_error"},
    }
