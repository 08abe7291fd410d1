"""Several models under one name, over real sockets: what a client of the gateway sees when one of them fails."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any  # JSON

import orjson
import pytest

from domain import catalog, keys, routes
from domain.catalog import NewModel
from domain.identity import SCOPES, KeyKind, Principal, PrincipalKind
from domain.providers import ProviderWire
from domain.routes import NewTarget
from tests.serving import Served, serving
from tests.upstream import Cut, Gate, Json, Reply, Upstream

either_way = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "plain"])


@dataclass(frozen=True)
class Gateway:
    """A client with its key; `first` is asked before `second`."""

    served: Served
    first: Upstream
    second: Upstream
    headers: dict[str, str]

    async def ask(self, *, stream: bool, **more: Any) -> tuple[int, Json, str]:
        """Status, whole answer or last chunk, and the text of all."""
        body = {"model": "ours", "messages": [{"role": "user", "content": "Hi"}], "stream": stream, **more}
        response = await self.served.client.post("/v1/chat/completions", json=body, headers=self.headers)
        if response.headers["content-type"].startswith("application/json"):
            whole = response.json()
            said = whole["choices"][0]["message"]["content"] if "choices" in whole else ""
            return response.status_code, whole, said
        chunks = [
            orjson.loads(line[6:])
            for line in response.text.splitlines()
            if line.startswith("data: ") and line != "data: [DONE]"
        ]
        pieces = [choice["delta"].get("content") or "" for chunk in chunks for choice in chunk.get("choices") or ()]
        return response.status_code, chunks[-1], "".join(pieces)


@pytest.fixture
async def gateway(database: dict[str, Any], upstream: Upstream) -> AsyncIterator[Gateway]:
    async with (
        serving(database, upstream, allow_private_urls=True) as served,
        Upstream() as first,
        Upstream() as second,
    ):
        first.always, second.always = Reply("First"), Reply("Second")
        workspace, targets = served.runtime.workspace, []
        principal = Principal(workspace.id, PrincipalKind.LOCAL, SCOPES[PrincipalKind.LOCAL])
        for tier, one in enumerate((first, second)):
            provider = await served.runtime.providers.create(
                principal, name=f"provider {tier}", wire=ProviderWire.OPENAI, base_url=one.base_url, credential=None
            )
            model = await catalog.add(principal, str(provider.id), NewModel(f"model-{tier}"))
            targets.append(NewTarget(str(model.id), tier))
        await routes.create(principal, "ours", targets)
        _, key = await keys.create(workspace.id, KeyKind.SK)
        yield Gateway(served, first, second, {"authorization": f"Bearer {key}"})


@either_way
async def test_another_answers_for_the_first(gateway: Gateway, stream: bool) -> None:
    gateway.first.always = Reply.error(429, "Slow down", headers={"retry-after": "30"})

    answers = [await gateway.ask(stream=stream) for _ in range(3)]

    assert [(status, text) for status, _, text in answers] == [(200, "Second")] * 3
    # It wanted to be left alone.
    assert (len(gateway.first.calls), len(gateway.second.calls)) == (1, 3)


@either_way
async def test_what_nobody_here_knows_arrives_as_it_was_written(gateway: Gateway, stream: bool) -> None:
    said = {
        "messages": [
            {
                "role": "developer",
                "content": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
                "name": "boss",
            },
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
                    {"type": "hologram", "hologram": {"of": [1, 2.5, None]}},
                ],
            },
        ],
        "logit_bias": {"50256": -100},
        "max_completion_tokens": 5,
        "provider": {"order": ["a", "b"]},
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {}, "description": "y"}},
        "tools": [{"type": "web_search", "web_search": {"depth": 2}}],
        "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}},
    }

    status, _, _ = await gateway.ask(stream=stream, **said)

    sent = gateway.first.calls[0].json
    assert status == 200
    assert {name: sent[name] for name in said} == said
    assert sent["model"] == "model-0"


async def test_a_cut_in_the_middle_is_told(gateway: Gateway) -> None:
    gateway.first.always = Reply("Fir", Cut())

    status, last, text = await gateway.ask(stream=True)

    assert (status, text) == (200, "Fir")
    assert last["choices"][0]["finish_reason"] == "error"
    assert "provider 0" in last["error"]["message"]
    assert gateway.second.calls == []


@either_way
async def test_a_request_that_the_vendor_rejects_is_the_callers_mistake(gateway: Gateway, stream: bool) -> None:
    gateway.first.always = Reply.error(400, "temperature must be at most 2")

    status, answer, _ = await gateway.ask(stream=stream)

    assert status == 400
    assert "temperature must be at most 2" in answer["error"]["message"]
    assert gateway.second.calls == []


@either_way
async def test_leaving_closes_the_one_that_answers(gateway: Gateway, stream: bool) -> None:
    gateway.first.always = Reply.error(503, "Busy")
    gateway.second.will(Reply(gate := Gate(), "Second"))
    asking = asyncio.create_task(gateway.ask(stream=stream))
    call = await gateway.second.arrived()
    await gate.reached.wait()

    asking.cancel()

    await asyncio.wait_for(call.left.wait(), 5)
