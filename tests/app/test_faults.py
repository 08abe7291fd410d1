"""Clients that leave, providers that fail and a database that goes away, over real sockets."""

import asyncio
from collections.abc import Callable, Coroutine

import httpx
import pytest

import models
from domain.turns import TurnOutcome
from models.database import connection
from tests.serving import Served
from tests.upstream import Cut, Gate, Reply

STREAM = "/ai/chat/stream"
SUBSCRIPTION = """subscription { reply(input: {text: "Hi"}) { sequence ... on TextAdded { text } } }"""
MUTATION = """mutation { reply(input: {text: "Hi"}) { answer { text } } }"""
GRAPHQL_SSE = {"accept": "text/event-stream"}

Ask = Callable[[httpx.AsyncClient], Coroutine[None, None, None]]


async def ask_aegis_stream(client: httpx.AsyncClient) -> None:
    async with client.stream("POST", STREAM, json={"message": "Hi"}) as response:
        async for _ in response.aiter_bytes():
            pass


async def ask_aegis(client: httpx.AsyncClient) -> None:
    await client.post("/ai/chat", json={"message": "Hi"})


async def ask_graphql_stream(client: httpx.AsyncClient) -> None:
    async with client.stream("POST", "/graphql", json={"query": SUBSCRIPTION}, headers=GRAPHQL_SSE) as response:
        async for _ in response.aiter_bytes():
            pass


async def ask_graphql(client: httpx.AsyncClient) -> None:
    await client.post("/graphql", json={"query": MUTATION})


async def outcome_of_only_turn(palaver: Served) -> TurnOutcome:
    [run] = palaver.runtime.turns.running.values()
    return await run.task


@pytest.mark.parametrize("ask", [ask_aegis_stream, ask_aegis, ask_graphql_stream, ask_graphql])
@pytest.mark.parametrize("held", ["before headers", "after a word"])
async def test_leaving_stops_the_provider(palaver: Served, ask: Ask, held: str) -> None:
    gate = Gate()
    palaver.upstream.will(Reply("never", before_headers=gate) if held == "before headers" else Reply("Half", gate, "x"))
    asking = asyncio.create_task(ask(palaver.client))
    call = await palaver.upstream.arrived()
    await gate.reached.wait()
    ending = asyncio.create_task(outcome_of_only_turn(palaver))

    asking.cancel()
    await asyncio.wait_for(call.left.wait(), 5)
    outcome = await ending

    assert outcome.turn.status is models.TurnStatus.CANCELLED
    assert await models.UsageRecord.all().count() == 1


async def test_what_was_said_before_leaving_is_kept(palaver: Served) -> None:
    gate = Gate()
    palaver.upstream.will(Reply("Half an ", gate, "answer"))
    async with palaver.client.stream("POST", STREAM, json={"message": "Hi"}) as response:
        async for line in response.aiter_lines():
            if "Half an " in line:
                ending = asyncio.create_task(outcome_of_only_turn(palaver))
                break
    outcome = await ending

    assert outcome.answer is not None
    assert outcome.answer.text == "Half an "


async def test_a_provider_that_refuses_is_a_bad_gateway(palaver: Served) -> None:
    palaver.upstream.will(Reply.error(429, "Rate limit exceeded", headers={"retry-after": "3600"}))

    response = await palaver.client.post("/ai/chat", json={"message": "Hi"})

    assert (response.status_code, response.json()) == (502, {"detail": "AI provider error: Rate limit exceeded"})


async def test_a_question_that_is_too_long_for_the_model_is_the_providers_refusal(palaver: Served) -> None:
    palaver.upstream.will(Reply.context_too_long())

    response = await palaver.client.post("/ai/chat", json={"message": "Hi"})

    assert response.status_code == 502
    assert response.json()["detail"].startswith("AI provider error: This model's maximum context length")


async def test_a_provider_that_hangs_up_ends_the_stream_with_an_error(palaver: Served) -> None:
    palaver.upstream.will(Reply("Once upon", Cut()))

    response = await palaver.client.post(STREAM, json={"message": "Hi"})
    names = [line.removeprefix("event: ") for line in response.text.splitlines() if line.startswith("event: ")]

    assert names == ["connect", "chunk", "error"]
    assert '"error":"AI provider error"' in response.text
    assert (await models.Turn.get()).status is models.TurnStatus.FAILED
    assert (await models.Message.get(role="assistant")).text == "Once upon"


async def test_other_requests_are_served_while_answers_are_made(palaver: Served) -> None:
    gate = Gate()
    palaver.upstream.will(Reply(gate, "late"))
    slow = asyncio.create_task(palaver.client.post("/ai/chat", json={"message": "Hi"}))
    await gate.reached.wait()

    assert (await palaver.client.get("/ai/health")).json()["total_conversations"] == 1
    gate.open()
    assert (await slow).json()["content"] == "late"


async def test_lost_connections_to_the_database_are_replaced(palaver: Served) -> None:
    """Every connection is cut at once, as when the database restarts; a running answer survives it."""
    gate = Gate()
    palaver.upstream.will(Reply("It ", gate, "survives"))
    asking = asyncio.create_task(palaver.client.post(STREAM, json={"message": "Hi"}))
    await gate.reached.wait()

    async with connection() as bare:
        await bare.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    gate.open()
    response = await asking
    ready = await palaver.client.get("/readyz")

    assert "It survives" in response.text
    assert "event: complete" in response.text
    assert ready.status_code == 200
