"""MCP's own package as a client, over the real application."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any  # Credentials and results are open JSON.

import httpx2
import mcp_types
import orjson
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

import models
from domain import keys
from domain.identity import KeyKind
from tests.serving import Served, serving
from tests.upstream import Gate, Reply, Upstream

Json = dict[str, Any]


@dataclass
class Known:
    served: Served
    key: str

    @property
    def upstream(self) -> Upstream:
        return self.served.upstream

    @asynccontextmanager
    async def client(self, path: str, mode: str = "auto", **headers: str) -> AsyncIterator[Client]:
        told = {f"x-mcp-{name.replace('_', '-')}": value for name, value in headers.items()}
        told["authorization"] = f"Bearer {self.key}"
        sent = [(name.encode(), value.encode()) for name, value in told.items()]
        async with httpx2.AsyncClient(headers=sent, timeout=30) as http:
            transport = streamable_http_client(f"{self.served.url}/v1/mcp/{path}", http_client=http)
            async with Client(transport, mode=mode, cache=None) as client:
                yield client

    async def collection(self, *texts: str, name: str = "Handbook", context: str | None = None) -> str:
        made = await self.send("POST", "/api/v1/collections", {"collectionName": name, "context": context})
        documents = f"/api/v1/collections/{made['collectionId']}/documents"
        for number, text in enumerate(texts):
            await self.send("PUT", documents, {"name": f"{number}.md", "contents": text})
        await self.indexed(made["collectionId"], len(texts))
        return str(made["collectionId"])

    async def indexed(self, collection_id: str, documents: int) -> None:
        async with asyncio.timeout(20):
            while (await self.send("GET", f"/api/v1/collections/{collection_id}"))["state"]["indexed"] != documents:
                pass

    async def send(self, method: str, path: str, body: Json | None = None) -> Json:
        headers = {"authorization": f"Bearer {self.key}"}
        answer = await self.served.client.request(method, path, json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found


@pytest.fixture
async def known(database: dict[str, Any], upstream: Upstream) -> AsyncIterator[Known]:
    async with serving(database, upstream, env="production") as served:
        _, key = await keys.create(served.runtime.workspace.id, KeyKind.SK)
        yield Known(served, key)


def said(result: mcp_types.CallToolResult) -> str:
    [block] = result.content
    assert isinstance(block, mcp_types.TextContent)
    return block.text


def found(result: mcp_types.CallToolResult) -> Any:
    assert not result.is_error, said(result)
    return orjson.loads(said(result))


def failure(result: mcp_types.CallToolResult) -> str:
    assert result.is_error
    return said(result)


# ---------------------------------------------------------------- a model


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_asks_a_model(known: Known, mode: str) -> None:
    known.upstream.will(Reply("Rain, ", "as ever."))

    async with known.client("inference", mode, model_name="test-model") as client:
        [tool] = (await client.list_tools()).tools
        result = await client.call_tool("invoke_ai_model", {"prompt": "What is the weather like?"})

    assert tool.name == "invoke_ai_model"
    assert tool.input_schema["required"] == ["prompt"]
    assert (said(result), result.is_error) == ("Rain, as ever.", False)
    [call] = known.upstream.calls
    assert call.json["messages"] == [{"role": "user", "content": "What is the weather like?"}]


async def test_a_tool_is_called_as_its_client_says(known: Known) -> None:
    named = {"tool_name": "Data assistant!", "tool_title": "Análise", "tool_description": "Knows the figures."}
    async with known.client("inference", model_name="test-model", **named) as client:
        [tool] = (await client.list_tools()).tools

    assert (tool.name, tool.title, tool.description) == ("invoke_Data_assistant", "Análise", "Knows the figures.")


async def test_asks_a_gateway_of_ones_own(known: Known) -> None:
    parameters = {"modelName": "test-model", "baseAddress": "@integrated", "systemInstruction": "You sell bicycles."}
    made = await known.send("POST", "/api/v1/ai-gateways", {"name": "shop", "parameters": parameters})
    stranger = await models.Workspace.create(name="theirs")
    _, theirs = await keys.create(stranger.id, KeyKind.SK)

    async with known.client("inference", model_name=made["aiGatewayId"]) as client:
        result = await client.call_tool("invoke_ai_model", {"prompt": "Hi"})
    refused = await known.served.client.post(
        "/v1/mcp/inference",
        json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"},
        headers={"authorization": f"Bearer {theirs}", "x-mcp-model-name": made["aiGatewayId"]},
    )

    assert not result.is_error
    [call] = known.upstream.calls
    assert call.json["messages"][0] == {"role": "system", "content": "You sell bicycles."}
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "X-Mcp-Model-Name")


async def test_asking_is_billed_like_any_call(known: Known) -> None:
    async with known.client("inference", model_name="test-model", user="customer-7") as client:
        await client.call_tool("invoke_ai_model", {"prompt": "Hi"})
    await known.served.runtime.ledger.flush()

    record = await models.UsageRecord.get(workspace_id=known.served.runtime.workspace.id)
    assert record.external_user == "customer-7"


async def test_a_model_that_fails_is_a_tool_that_failed(known: Known) -> None:
    known.upstream.will(Reply.error(500, "Out of order."))

    async with known.client("inference", model_name="test-model") as client:
        broken = await client.call_tool("invoke_ai_model", {"prompt": "Hi"})
        wrong = await client.call_tool("invoke_ai_model", {"question": "Hi"})
        with pytest.raises(MCPError) as unknown:
            await client.call_tool("invoke_nobody", {"prompt": "Hi"})

    assert "Out of order" in failure(broken)
    assert "'prompt' is a required property" in failure(wrong)
    assert unknown.value.error.code == mcp_types.INVALID_PARAMS


async def test_a_used_up_budget_is_told_to_the_model(known: Known) -> None:
    workspace_id = known.served.runtime.workspace.id
    await models.Budget.create(workspace_id=workspace_id, amount=1, spent=1)

    async with known.client("inference", model_name="test-model") as client:
        result = await client.call_tool("invoke_ai_model", {"prompt": "Hi"})

    assert "is used up" in failure(result)
    assert known.upstream.calls == []


async def test_leaving_stops_the_model(known: Known) -> None:
    gate = Gate()
    known.upstream.will(Reply("Hel", gate, "lo"))

    async def ask() -> None:
        async with known.client("inference", model_name="test-model") as client:
            await client.call_tool("invoke_ai_model", {"prompt": "Hi"})

    asking = asyncio.create_task(ask())
    call = await known.upstream.arrived()
    await gate.reached.wait()
    asking.cancel()

    await asyncio.wait_for(call.left.wait(), 10)
    with pytest.raises(asyncio.CancelledError):
        await asking


# ---------------------------------------------------------------- collections


async def test_searches_a_collection(known: Known) -> None:
    id = await known.collection("The office opens at nine.", "Dogs are welcome.", context="How we work")

    async with known.client("collections", collection_id=id, collection_name="handbook", top_k="1") as client:
        [tool] = (await client.list_tools()).tools
        result = await client.call_tool("handbook_search", {"search_terms": ["When does the office open?"]})

    assert tool.name == "handbook_search"
    assert "How we work" in (tool.description or "")
    [hit] = found(result)
    assert (hit["name"], hit["text"]) == ("0.md", "The office opens at nine.")


async def test_terms_are_few_and_short(known: Known) -> None:
    id = await known.collection()

    async with known.client("collections", collection_id=id) as client:
        many = await client.call_tool("collection_search", {"search_terms": ["x"] * 11})
        long = await client.call_tool("collection_search", {"search_terms": ["x" * 251, "y" * 250]})
        fitting = await client.call_tool("collection_search", {"search_terms": ["x" * 250, "y" * 250]})

    assert "is too long" in failure(many)
    assert failure(long) == "search_terms must not be longer than 500 characters together."
    assert found(fitting) == []


async def test_writes_and_deletes_where_it_may(known: Known) -> None:
    id = await known.collection()

    async with known.client("collections", collection_id=id, allow_write="yes") as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        new = {"name": "dogs.md", "contents": "Dogs are welcome.", "tags": ["pets"]}
        written = found(await client.call_tool("collection_write", new))
        again = found(await client.call_tool("collection_write", new))
        await known.indexed(id, 1)
        [hit] = found(await client.call_tool("collection_search", {"search_terms": ["Dogs are welcome."]}))
        deleted = found(await client.call_tool("collection_delete", {"document_id": hit["document_id"]}))
        gone = await client.call_tool("collection_delete", {"document_id": hit["document_id"]})

    assert names == ["collection_search", "collection_write", "collection_delete"]
    assert written["outcome"] == "created"
    assert again == {"document_id": written["document_id"], "outcome": "unchanged"}
    assert deleted == {"document_id": written["document_id"], "outcome": "deleted"}
    assert failure(gone) == f"There is no document '{written['document_id']}'."


async def test_of_several_collections_one_is_named(known: Known) -> None:
    here, there, elsewhere = [await known.collection(name=name) for name in ("Here", "There", "Elsewhere")]
    other = await known.collection("Not yours to delete.", name="Other")
    document = await models.KnowledgeDocument.get(collection_id=other)

    headers = {"collection_id": f"{here},{there}", "allow_write": "yes", "naming_convention": "agent"}
    async with known.client("collections", **headers) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        new = {"name": "a.md", "contents": "A"}
        unsaid = await client.call_tool("write_collection", new)
        outside = await client.call_tool("write_collection", {**new, "collection_id": elsewhere})
        written = found(await client.call_tool("write_collection", {**new, "collection_id": there}))
        kept = await client.call_tool("delete_collection", {"document_id": str(document.id)})

    assert names == ["read_collection", "write_collection", "delete_collection"]
    assert all(map(failure, (unsaid, outside, kept)))
    row = await models.KnowledgeDocument.get(id=written["document_id"])
    assert str(row.collection_id) == there


async def test_what_shares_a_reference_comes_along(known: Known) -> None:
    id = await known.collection()
    async with known.client("collections", collection_id=id, allow_write="yes") as client:
        for name, text in (("a.md", "The engine has 1.8 litres."), ("b.md", "Change the tires each spring.")):
            await client.call_tool("collection_write", {"name": name, "contents": text, "reference": "civic"})
    await known.indexed(id, 2)

    async with known.client("collections", collection_id=id, use_references="none", top_k="1") as client:
        result = await client.call_tool("collection_search", {"search_terms": ["The engine has 1.8 litres."]})

    [hit] = found(result)
    assert hit["references"] == [{"name": "b.md", "text": "Change the tires each spring."}]
