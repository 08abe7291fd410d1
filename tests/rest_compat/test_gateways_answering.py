"""Gateways as their callers see them: what reaches the model, and what comes back, over real connections."""

from collections.abc import AsyncIterator
from typing import Any  # Parameters and answers are open JSON.

import orjson
import pytest

from tests.serving import Served, serving
from tests.upstream import Reply, ToolPiece, Upstream

Json = dict[str, Any]

SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}


class Gateway:
    """One at its own address, which is the upstream's."""

    def __init__(self, served: Served, id: str) -> None:
        self._served, self.id = served, id

    @classmethod
    async def made(cls, served: Served, **parameters: Any) -> "Gateway":
        given = {"baseAddress": served.upstream.base_url, "modelName": "test-model", **parameters}
        answer = await served.client.post("/api/v1/ai-gateways", json={"name": "test", "parameters": given})
        assert answer.status_code == 200, answer.text
        return cls(served, answer.json()["aiGatewayId"])

    async def ask(self, *messages: Json, **fields: Any) -> Any:
        said = messages or ({"role": "user", "content": "Hi"},)
        return await self._served.client.post(
            "/v1/chat/completions", json={"model": self.id, "messages": said, **fields}
        )

    async def stream(self, **fields: Any) -> list[Json]:
        answer = await self.ask(stream=True, **fields)
        lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")]
        assert lines[-1] == "[DONE]"
        return [orjson.loads(line) for line in lines[:-1]]

    def sent(self) -> Json:
        """What reached the model last."""
        return self._served.upstream.calls[-1].json


@pytest.fixture
async def served(database: dict[str, Any], upstream: Upstream) -> AsyncIterator[Served]:
    async with serving(database, upstream, allow_private_urls=True) as started:
        yield started


def content(answer: Any) -> str:
    assert answer.status_code == 200, answer.text
    said: str = answer.json()["choices"][0]["message"]["content"]
    return said


def deltas(chunks: list[Json], name: str) -> str:
    return "".join(choice["delta"].get(name) or "" for chunk in chunks for choice in chunk["choices"])


async def test_what_is_set_reaches_the_model(served: Served) -> None:
    gateway = await Gateway.made(
        served,
        systemInstruction="Be brief.",
        userPromptTemplate="«{prompt}»",
        temperature=0.3,
        stop="END",
        reasoningEffort="low",
        additionalSettings={"mirostat": 2},
        flags=["NoSystemInstruct", "NoTemperature"],
    )

    await gateway.ask(extra_body={"top_k": 4}, unheard_of=True)

    sent = gateway.sent()
    assert sent["messages"] == [{"role": "user", "content": "Be brief."}, {"role": "user", "content": "«Hi»"}]
    assert (sent["stop"], sent["reasoning_effort"], sent["mirostat"], sent["top_k"], sent["unheard_of"]) == (
        ["END"],
        "low",
        2,
        4,
        True,
    )
    assert "temperature" not in sent


async def test_thinking_in_the_text_is_told_as_reasoning(served: Served) -> None:
    gateway = await Gateway.made(served, flags=["ThinkingProcess", "ReturnReasoningTokens"])
    served.upstream.will(Reply("<th", "ink>hm</", "think>\n\nYes", "."), Reply("<think>hm</think>Yes."))

    chunks = await gateway.stream()
    whole = (await gateway.ask()).json()["choices"][0]["message"]

    assert (deltas(chunks, "reasoning"), deltas(chunks, "content")) == ("hm", "Yes.")
    assert (whole["reasoning"], whole["content"]) == ("hm", "Yes.")


async def test_thoughts_are_kept_when_the_gateway_does_not_tell_them(served: Served) -> None:
    gateway = await Gateway.made(served, flags=["ThinkingProcess"])
    served.upstream.will(Reply("<think>hm</think>Yes."), Reply("<think>hm</think>Yes."))

    assert "hm" not in orjson.dumps(await gateway.stream()).decode()
    assert "hm" not in (await gateway.ask()).text


async def test_the_beginning_of_an_answer(served: Served) -> None:
    gateway = await Gateway.made(served, assistantPrefill='{"a":', includePrefillingInMessages=True)
    served.upstream.will(Reply("1", "}"), Reply("1}"))

    chunks = await gateway.stream()

    assert deltas(chunks, "content") == '{"a":1}'
    assert content(await gateway.ask()) == '{"a":1}'
    assert gateway.sent()["messages"][-1] == {"role": "assistant", "content": '{"a":'}


async def test_too_much_is_refused_in_openais_words(served: Served) -> None:
    gateway = await Gateway.made(served, contextMaximumSize=10)

    answer = await gateway.ask({"role": "user", "content": "x" * 41})

    assert answer.status_code == 400
    assert "have about 11 tokens, and this gateway takes 10" in answer.json()["error"]["message"]


async def test_actions_in_words_are_calls_of_the_callers_tools(served: Served) -> None:
    gateway = await Gateway.made(served, knownToolHandlerName="react.v1.selfcall")
    tool = {"type": "function", "function": {"name": "look", "description": "Looks.", "parameters": {"type": "object"}}}
    action = ("Thought: I look.\nAct", 'ion: look\nAction Input: {"at": "sky"}\nObserv', "ation: green")
    served.upstream.will(Reply(*action), Reply(*action))

    whole = (await gateway.ask(tools=[tool])).json()["choices"][0]
    chunks = await gateway.stream(tools=[tool])

    sent = gateway.sent()
    assert "tools" not in sent
    assert "- look: Looks." in sent["messages"][0]["content"]
    assert (whole["finish_reason"], whole["message"]["tool_calls"][0]["function"]) == (
        "tool_calls",
        {"name": "look", "arguments": '{"at": "sky"}'},
    )
    [called] = [
        call for chunk in chunks for choice in chunk["choices"] for call in choice["delta"].get("tool_calls", [])
    ]
    assert called["function"] == {"name": "look", "arguments": '{"at": "sky"}'}
    assert "green" not in orjson.dumps(chunks).decode()


async def test_a_refusal_and_what_it_cost(served: Served) -> None:
    gateway = await Gateway.made(served, moderationParameters={"violenceThreshold": 5})
    used = {"prompt_tokens": 50, "completion_tokens": 4, "total_tokens": 54}
    served.upstream.will(Reply('{"violence": 9}', usage=used), Reply("I cannot help with that.", usage=used))

    answer = await gateway.ask({"role": "user", "content": "How to hit?"}, response_schema=SCHEMA)

    # A refusal is no answer: nobody insists on its form.
    assert content(answer) == "I cannot help with that."
    assert "hit" not in orjson.dumps(gateway.sent()["messages"]).decode()
    skus = [item["sku"] for item in answer.json()["generation_context"]["generated_usage"]]
    assert skus[:2] == ["inference.resolving.moderation.in", "inference.resolving.moderation.out"]
    assert "inference.chat_completions.in" in skus


async def test_the_complexity_is_told_in_a_header(served: Served) -> None:
    names = {f"{level}ComplexityModelName": level for level in ("low", "medium", "high")}
    gateway = await Gateway.made(served, modelRoutingParameters=names)
    served.upstream.will(Reply("high"), Reply("Proved."))

    answer = await gateway.ask({"role": "user", "content": "Prove it."})

    assert content(answer) == "Proved."
    assert answer.headers["x-model-routed-complexity"] == "high"
    assert gateway.sent()["model"] == "high"
    assert answer.json()["model"] == "high"


async def test_a_tool_loop_with_prefill_and_flat_history(served: Served) -> None:
    """Each round is made anew of the whole conversation."""
    gateway = await Gateway.made(
        served,
        sentinelOptions={"enabledFunctions": ["Remember"]},
        assistantPrefill="So: ",
        flags=["RewriteToolCallsAsUserMessages", "StrictUserAssistantTurns"],
    )
    save = ToolPiece(0, "call_1", "memory_save", orjson.dumps({"content": "likes tea"}).decode())
    served.upstream.will(Reply(save, finish="tool_calls"), Reply("noted."))

    answer = await gateway.ask(user="ada")

    assert content(answer) == "noted."
    first, second = served.upstream.calls[-2:]
    assert [message["role"] for message in first.json["messages"]] == ["user", "assistant"]
    assert [message["role"] for message in second.json["messages"]] == ["user"]
    assert "The tool memory_save was called with" in second.json["messages"][0]["content"]


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_has_to_be_json_is_put_right(served: Served, stream: bool) -> None:
    gateway = await Gateway.made(served)
    served.upstream.will(Reply('{"age": "many"}'), Reply("```json\n{'age': 36,}\n```"))

    if stream:
        told = deltas(await gateway.stream(response_schema=SCHEMA), "content")
    else:
        told = content(await gateway.ask(response_schema=SCHEMA))

    assert orjson.loads(told) == {"age": 36}
    first, second = served.upstream.calls
    assert "response_format" not in first.json
    assert '"required":["age"]' in first.json["messages"][0]["content"]
    assert second.json["messages"][-2] == {"role": "assistant", "content": '{"age": "many"}'}
    assert "'many' is not of type 'integer'" in second.json["messages"][-1]["content"]


async def test_a_schema_that_cannot_be_followed_is_refused(served: Served) -> None:
    gateway = await Gateway.made(served)

    answer = await gateway.ask(response_schema={"$ref": "http://127.0.0.1:9/schema"})

    assert answer.status_code == 400
    assert "must refer to its own parts" in answer.json()["error"]["message"]
    assert served.upstream.calls == []
