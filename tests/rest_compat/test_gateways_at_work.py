"""Gateways from outside: set up over REST, asked by OpenAI's clients, with tools that run on our side."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any  # Bodies are open JSON.

import httpx
import pytest

import models
from domain import keys
from domain.identity import KeyKind
from tests.serving import Served, serving
from tests.upstream import Reply, Thought, ToolPiece, Upstream

HI = [{"role": "user", "content": "What time is it?"}]


@dataclass
class Account:
    served: Served
    client: httpx.AsyncClient

    @property
    def upstream(self) -> Upstream:
        return self.served.upstream

    async def gateway(self, **parameters: Any) -> str:
        given = {"baseAddress": "@integrated", "modelName": "test-model", **parameters}
        answer = await self.client.post("/api/v1/ai-gateways", json={"name": "Support", "parameters": given})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["aiGatewayId"])

    async def ask(self, model: str, **more: Any) -> httpx.Response:
        return await self.client.post("/v1/chat/completions", json={"model": model, "messages": HI, **more})

    async def watch(self, model: str, **more: Any) -> list[Any]:
        answer = await self.ask(model, stream=True, **more)
        assert answer.status_code == 200, answer.text
        data = [line.removeprefix("data: ") for line in answer.text.split("\n") if line.startswith("data: ")]
        assert data.pop() == "[DONE]"
        return [json.loads(each) for each in data]


@pytest.fixture
async def account(database: dict[str, Any], upstream: Upstream) -> AsyncIterator[Account]:
    async with serving(database, upstream, env="production", allow_private_urls=True) as served:
        _, key = await keys.create(served.runtime.workspace.id, KeyKind.SK)
        served.client.headers["authorization"] = f"Bearer {key}"
        yield Account(served, served.client)


def function(account: Account) -> dict[str, Any]:
    return {
        "name": "clock",
        "description": "Tells the time.",
        "callbackUrl": f"{account.upstream.origin}/clock",
        "headers": {"x-secret": "s3cret"},
        "contentFormat": {"type": "object", "properties": {"zone": {"type": "string"}}, "required": ["zone"]},
    }


async def test_a_tool_runs_here_and_its_progress_is_told(account: Account) -> None:
    gateway = await account.gateway(protocolFunctions=[function(account)], toolInvocationExplanations=True)
    arguments = '{"zone":"UTC","_tool_reason":"asked","_tool_goal":"the time"}'
    account.upstream.will(
        Reply("Let me see. ", ToolPiece(0, "call_1", "clock", arguments), finish="tool_calls"),
        Reply(body=b"12:00", headers={"content-type": "text/plain"}),
        Reply("Noon."),
    )

    chunks = await account.watch(gateway, user="ann", metadata={"ticket": "7"})

    text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks if chunk["choices"])
    assert text == "Let me see. Noon."
    states = [chunk["servertool"]["state"] for chunk in chunks if "servertool" in chunk]
    assert states == ["Created", "Running", "Finished"]
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["generation_context"]["runned_functions"][0]["result"] == "12:00"
    asked, called, again = account.upstream.calls
    assert asked.json["tools"][0]["function"]["name"] == "clock"
    assert called.path == "/clock"
    assert called.headers["x-secret"] == "s3cret"
    assert called.headers["x-request-nonce"].startswith("$2b$")
    assert called.json["function"] == {"name": "clock", "content": {"zone": "UTC"}}
    assert called.json["context"]["externalUserId"] == "ann"
    assert called.json["context"]["metadata"] == {"ticket": "7"}
    assert again.json["messages"][-1]["content"] == "12:00"


async def test_a_plain_answer_tells_which_functions_ran(account: Account) -> None:
    gateway = await account.gateway(protocolFunctions=[function(account)])
    account.upstream.will(
        Reply(ToolPiece(0, "call_1", "clock", '{"zone":"UTC"}'), finish="tool_calls"),
        Reply(body=b"12:00"),
        Reply("Noon."),
    )

    answer = (await account.ask(gateway)).json()

    assert answer["choices"][0]["message"]["content"] == "Noon."
    assert answer["choices"][0]["message"]["tool_calls"] == []
    assert answer["generation_context"]["runned_functions"] == [
        {"name": "clock", "arguments": {"zone": "UTC"}, "result": "12:00"}
    ]


async def test_a_key_goes_to_its_own_address_and_never_comes_back(account: Account) -> None:
    gateway = await account.gateway(
        baseAddress=f"{account.upstream.origin}/own/v1", modelName="their-model", apiKey="sk-provider"
    )

    answer = await account.ask(gateway)
    seen = await account.client.get(f"/api/v1/ai-gateways/{gateway}")

    [call] = account.upstream.calls
    assert call.path == "/own/v1/chat/completions"
    assert call.headers["Authorization"] == "Bearer sk-provider"
    assert call.json["model"] == answer.json()["model"] == "their-model"
    assert "sk-provider" not in seen.text
    assert seen.json()["parameters"]["apiKey"] == "********"


async def test_what_a_gateway_is_set_to_is_asked(account: Account) -> None:
    gateway = await account.gateway(
        systemInstruction="Be brief.",
        temperature=0.3,
        topP=0.9,
        stop="END",
        maxCompletionTokens=50,
        reasoningEffort="low",
        userPromptTemplate="Q: {prompt}",
        flags=["NoTemperature"],
    )

    await account.ask(gateway, top_p=0.5)

    [call] = account.upstream.calls
    assert [message["content"] for message in call.json["messages"]] == ["Be brief.", "Q: What time is it?"]
    assert "temperature" not in call.json
    assert (call.json["top_p"], call.json["stop"], call.json["reasoning_effort"]) == (0.5, ["END"], "low")
    assert call.json["max_tokens"] == 50


async def test_thoughts_are_told_where_the_gateway_is_set_to(account: Account) -> None:
    silent, open_ = await account.gateway(), await account.gateway(flags=["ReturnReasoningTokens"])
    account.upstream.always = Reply(Thought("Hm."), "Noon.")

    hidden, told = (await account.ask(silent)).json(), (await account.ask(open_)).json()
    streams = [await account.watch(name) for name in (silent, open_)]

    assert "reasoning_content" not in hidden["choices"][0]["message"]
    assert told["choices"][0]["message"]["reasoning_content"] == "Hm."
    assert ["Hm." in json.dumps(chunks) for chunks in streams] == [False, True]


async def test_thoughts_written_into_the_text_are_told_apart(account: Account) -> None:
    gateway = await account.gateway(flags=["ThinkingProcess", "ReturnReasoningTokens"])
    account.upstream.always = Reply("<thi", "nk>Hm.</think>", "Noon.")

    answer = (await account.ask(gateway)).json()["choices"][0]["message"]
    chunks = await account.watch(gateway)

    assert (answer["content"], answer["reasoning"]) == ("Noon.", "Hm.")
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert "".join(delta.get("reasoning", "") for delta in deltas) == "Hm."
    assert "".join(delta.get("content", "") for delta in deltas) == "Noon."


async def test_the_model_is_chosen_by_the_question(account: Account) -> None:
    provider = await models.Provider.get(workspace_id=account.served.runtime.workspace.id)
    for name in ("small", "large"):
        await models.Model.create(
            workspace_id=provider.workspace_id, provider_id=provider.id, name=name, vendor="Toy", input_price=1
        )
    gateway = await account.gateway(
        modelName="@platform/router",
        modelRoutingParameters={
            "lowComplexityModelName": "small",
            "mediumComplexityModelName": "small",
            "highComplexityModelName": "@toy/large",
            "highComplexityModelReasoningEffort": "high",
        },
    )
    account.upstream.will(Reply("high"), Reply("Deep."))

    answer = await account.ask(gateway)

    assert answer.headers["x-model-routed-complexity"] == "high"
    assert answer.json()["model"] == "@toy/large"
    assert [call.json["model"] for call in account.upstream.calls] == ["small", "large"]
    assert account.upstream.calls[1].json["reasoning_effort"] == "high"
    skus = [item["sku"] for item in answer.json()["generation_context"]["generated_usage"]]
    assert skus[0] == "inference.resolving.routing_complexity.in"


async def test_what_does_not_fit_is_refused_or_cut(account: Account) -> None:
    long = [{"role": "user", "content": "x" * 4000}, {"role": "assistant", "content": "y"}, *HI]
    strict = await account.gateway(contextMaximumSize=100, contextOverflowAction="Throw")
    lenient = await account.gateway(contextMaximumSize=100, contextOverflowAction="Truncate")

    refused = await account.ask(strict, messages=long)
    cut = await account.ask(lenient, messages=long)

    assert refused.status_code == 400
    assert refused.json()["error"]["type"] == "invalid_request_error"
    assert cut.status_code == 200
    assert account.upstream.calls[0].json["messages"] == HI


async def test_a_strangers_gateway_is_no_model(account: Account) -> None:
    gateway = await account.gateway()
    other = await models.Workspace.create(name="other")
    _, key = await keys.create(other.id, KeyKind.SK)

    answer = await account.client.post(
        "/v1/chat/completions",
        json={"model": gateway, "messages": HI},
        headers={"authorization": f"Bearer {key}"},
    )

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "model"


async def test_a_gateway_is_found_by_its_slug_until_it_is_renamed(account: Account) -> None:
    gateway = await account.gateway()
    slug = (await account.client.get(f"/api/v1/ai-gateways/{gateway}")).json()["slug"]

    found = await account.ask(slug)
    await account.client.patch(f"/api/v1/ai-gateways/{gateway}", json={"name": "Sales"})
    lost = await account.ask(slug)

    assert found.status_code == 200
    assert lost.status_code == 400


async def test_a_function_nobody_can_reach_is_told_to_the_model(account: Account) -> None:
    gateway = await account.gateway(protocolFunctions=[function(account)])
    account.upstream.will(
        Reply(ToolPiece(0, "call_1", "clock", '{"zone":"UTC"}'), finish="tool_calls"),
        Reply(status=500, body=b"boom with internals"),
        Reply("I cannot tell."),
    )

    answer = (await account.ask(gateway)).json()

    assert answer["choices"][0]["message"]["content"] == "I cannot tell."
    assert "internals" not in account.upstream.calls[-1].json["messages"][-1]["content"]
