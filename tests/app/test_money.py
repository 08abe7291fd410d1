"""Budgets and limits where they are met: by callers of the real application."""

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from typing import Any  # Answers are open JSON.

import pytest

import models
from domain import keys
from domain.identity import KeyKind, Limits
from tests.serving import Served

ASKED = {"model": "test-model", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 100}


@pytest.fixture
async def priced(palaver: Served) -> Served:
    await models.Model.all().update(input_price=Decimal(100), output_price=Decimal(100))
    return palaver


async def graph(served: Served, document: str) -> Any:
    answer = (await served.client.post("/graphql", json={"query": document})).json()
    assert "errors" not in answer, answer
    return answer["data"]


async def key(served: Served, limits: Limits | None = None) -> Mapping[str, str]:
    _, secret = await keys.create(served.runtime.workspace.id, KeyKind.SK, limits=limits or Limits())
    return {"authorization": f"Bearer {secret}"}


async def test_a_used_up_budget_is_402(priced: Served) -> None:
    as_account = await key(priced)
    await graph(priced, "mutation { createBudget(input: {amount: 0.002, period: TOTAL}) { budget { id } } }")

    first = await priced.client.post("/v1/chat/completions", json=ASKED, headers=as_account)
    refused = await priced.client.post("/v1/chat/completions", json=ASKED, headers=as_account)
    streamed = await priced.client.post("/v1/chat/completions", json=ASKED | {"stream": True}, headers=as_account)

    # What it would cost was not known; now it is.
    assert first.status_code == 200
    for answer in (refused, streamed):
        assert answer.status_code == 402
        assert answer.json() == {
            "error": {
                "message": "The budget of this workspace is used up.",
                "type": "insufficient_quota",
                "param": None,
                "code": "insufficient_quota",
            }
        }
        assert "retry-after" not in answer.headers
    assert priced.upstream.seen["started"] == 1


async def test_what_a_question_costs_more_than_is_402_at_once(priced: Served) -> None:
    await graph(priced, "mutation { createBudget(input: {amount: 0.000001, period: DAY}) { budget { id } } }")

    refused = await priced.client.post("/v1/chat/completions", json=ASKED, headers=await key(priced))
    turn = await priced.client.post("/ai/chat", json={"message": "Hello"})

    assert (refused.status_code, turn.status_code) == (402, 402)
    assert refused.json()["error"]["message"] == "Today's budget of this workspace is used up."
    assert priced.upstream.seen["started"] == 0


async def test_too_many_requests_are_429(priced: Served) -> None:
    limited = await key(priced, Limits(requests_per_minute=2))

    answers = [await priced.client.post("/v1/chat/completions", json=ASKED, headers=limited) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json()["error"] == {
        "message": "The limit of 2 requests a minute is used up.",
        "type": "rate_limit_error",
        "param": None,
        "code": "rate_limit_exceeded",
    }
    assert 1 <= int(answers[2].headers["retry-after"]) <= 65


async def test_a_limit_taken_away_counts_at_once(priced: Served) -> None:
    limited = await key(priced, Limits(requests_per_minute=1))
    [row] = await models.ApiKey.all()
    for status in (200, 429):
        assert (await priced.client.post("/v1/chat/completions", json=ASKED, headers=limited)).status_code == status

    await graph(
        priced,
        f'mutation {{ updateKey(input: {{id: "{row.id}", requestsPerMinute: null}}) {{ key {{ id }} }} }}',
    )

    assert (await priced.client.post("/v1/chat/completions", json=ASKED, headers=limited)).status_code == 200


async def test_a_call_costs_what_its_budgets_lose(priced: Served) -> None:
    as_account = await key(priced)
    await graph(priced, "mutation { createBudget(input: {amount: 5, period: MONTH}) { budget { id } } }")

    await asyncio.gather(
        *(priced.client.post("/v1/chat/completions", json=ASKED, headers=as_account) for _ in range(20))
    )
    await priced.runtime.ledger.flush()

    told = await graph(priced, "{ budgets { nodes { spent remaining } } usageReport(groupBy: KEY) { total { cost } } }")
    [budget] = told["budgets"]["nodes"]
    records = await models.UsageRecord.all()
    assert len(records) == 20
    assert budget["spent"] == pytest.approx(float(sum(record.cost for record in records)))
    assert budget["spent"] == pytest.approx(told["usageReport"]["total"]["cost"])
    assert budget["remaining"] == pytest.approx(5 - budget["spent"])
