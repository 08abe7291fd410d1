"""What a call of the gateway leaves behind: who answered, what it cost, what is kept. Once, however it ended."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from decimal import Decimal
from typing import Any  # Requests are open JSON.

import orjson
import pytest

import models
from domain import routes
from domain.identity import Principal
from domain.routes import NewTarget
from engine import wire
from engine.events import End, EndReason, Text, ToolCall, Usage
from engine.testing import Hold, ScriptedProvider, saying
from errors import BudgetExceeded, Invalid, ProviderFailed, ProviderUnavailable
from tests.conftest import MakeTalk, Talk

NAME = "scripted-1"
SAY = {"model": NAME, "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture
async def priced(workspace: models.Workspace) -> models.Model:
    row = await models.Model.get(workspace_id=workspace.id, name=NAME)
    row.input_price, row.output_price, row.cached_price = Decimal(1), Decimal(2), Decimal("0.1")
    await row.save()
    return row


@pytest.fixture
async def talk(process: MakeTalk, priced: models.Model) -> AsyncIterator[Talk]:
    async with process(ScriptedProvider(saying("Hel", "lo"))) as talk:
        yield talk


async def recorded(talk: Talk) -> list[models.UsageRecord]:
    await talk.ledger.flush()
    return await models.UsageRecord.all().order_by("id")


async def streamed(talk: Talk, principal: Principal, **more: Any) -> list[Any]:
    found: list[Any] = []
    async with aclosing(talk.completions.stream(principal, {**SAY, "stream": True, **more})) as answer:
        async for chunks in answer:
            found += chunks
    return found


async def test_a_call_is_written_down_with_its_price(talk: Talk, principal: Principal) -> None:
    talk.provider._scripts[0] = [Text("Hi"), Usage(1000, 500, 400), End(EndReason.STOP)]

    answer = await talk.completions.complete(principal, SAY)

    [row] = await recorded(talk)
    assert str(row.turn_id) == answer.id
    assert (row.input_tokens, row.output_tokens, row.cached_tokens, row.estimated) == (1000, 500, 400, False)
    assert row.cost == Decimal("0.00164")
    assert (row.provider_name, row.model_name, row.action, row.success) == ("scripted", NAME, "completion", True)
    usage = answer.body["generation_context"]["generated_usage"]
    assert [(item["sku"], item["quantity"]) for item in usage] == [
        ("inference.chat_completions.in", 600),
        ("inference.chat_completions.out", 500),
        ("inference.chat_completions.in.cached", 400),
    ]
    assert sum(Decimal(str(item["amount"])) for item in usage) == row.cost


@pytest.mark.parametrize(("asked", "times"), [({"n": 3}, 3), ({"n": "3"}, 1), ({"max_tokens": -1}, 1)])
async def test_puts_aside_what_every_answer_may_cost(
    talk: Talk, principal: Principal, asked: dict[str, Any], times: int
) -> None:
    agent = await talk.completions._means.names.find(principal, NAME)

    plain = agent.likely(wire.request_of(SAY))
    likely = agent.likely(wire.request_of({**SAY, **asked}))

    assert likely.most - likely.least == times * (plain.most - plain.least)


async def test_zero_is_a_report(talk: Talk, principal: Principal) -> None:
    talk.provider._scripts[0] = [Text("Hi"), Usage(0, 0), End(EndReason.STOP)]

    await talk.completions.complete(principal, SAY)

    [row] = await recorded(talk)
    assert (row.input_tokens, row.output_tokens, row.cost, row.estimated) == (0, 0, Decimal(0), False)


async def test_what_is_not_reported_is_estimated_and_says_so(talk: Talk, principal: Principal) -> None:
    talk.provider._scripts[0] = [Text("x" * 400), End(EndReason.STOP)]

    await streamed(talk, principal)

    [row] = await recorded(talk)
    assert row.estimated is True
    assert row.output_tokens >= 100


@pytest.mark.parametrize("stream", [True, False])
async def test_leaving_is_paid_for_once(talk: Talk, principal: Principal, stream: bool) -> None:
    """Many leave: each stops the provider, and each is written down once, with what was heard."""
    hold = Hold()
    talk.provider._scripts[0] = [Text("x" * 400), hold, *saying("never")]

    async def leave() -> None:
        if stream:
            answer = talk.completions.stream(principal, {**SAY, "stream": True})
            await anext(answer)
            await answer.aclose()
        else:
            asking = asyncio.create_task(talk.completions.complete(principal, SAY))
            await hold.reached.wait()
            asking.cancel()
            await asyncio.wait([asking])

    await asyncio.gather(*(leave() for _ in range(50)))

    rows = await recorded(talk)
    asked = len(talk.provider.requests)
    assert talk.provider.left == asked
    assert len(rows) == asked
    assert all(row.estimated and row.success for row in rows)


async def test_leaving_before_anybody_is_asked_costs_nothing(talk: Talk, principal: Principal) -> None:
    answer = talk.completions.stream(principal, {**SAY, "stream": True})
    await answer.aclose()

    assert await recorded(talk) == []


async def test_a_failure_is_written_down_as_one(talk: Talk, principal: Principal) -> None:
    talk.provider._scripts[0] = [ProviderUnavailable("scripted", "is out of order", retry_after_seconds=99)]

    with pytest.raises(ProviderUnavailable):
        await talk.completions.complete(principal, SAY)

    [row] = await recorded(talk)
    assert (row.success, row.error_code, row.cost) == (False, "provider_unavailable", Decimal(0))


async def test_a_failure_in_the_middle_is_told_and_paid_for(talk: Talk, principal: Principal) -> None:
    talk.provider._scripts[0] = [Text("x" * 400), ProviderUnavailable("scripted", "broke off")]

    with pytest.raises(ProviderUnavailable):
        await streamed(talk, principal)

    [row] = await recorded(talk)
    assert (row.success, row.estimated) == (False, True)
    assert row.output_tokens >= 100


async def test_a_budget_that_is_used_up_lets_nobody_in(talk: Talk, principal: Principal) -> None:
    await models.Budget.create(workspace_id=principal.workspace_id, amount=Decimal("0.001"), spent=Decimal("0.001"))

    with pytest.raises(BudgetExceeded):
        await talk.completions.complete(principal, SAY)

    assert talk.provider.requests == []


async def test_a_conversation_is_kept_where_that_is_allowed(talk: Talk, principal: Principal) -> None:
    await talk.completions.complete(principal, {**SAY, "user": "ann", "metadata": {"ticket": "7"}})
    await talk.ledger.flush()

    conversation = await models.Conversation.get()
    assert (conversation.external_user, conversation.metadata) == ("ann", {"ticket": "7"})
    messages = await models.Message.filter(conversation_id=conversation.id).order_by("id")
    assert [(message.role, message.text) for message in messages] == [("user", "Hello"), ("assistant", "Hello")]


async def test_nothing_is_kept_where_it_is_not(talk: Talk, principal: Principal) -> None:
    await models.Workspace.filter(id=principal.workspace_id).update(allows_logging=False)

    await talk.completions.complete(principal, SAY)

    assert len(await recorded(talk)) == 1
    assert await models.Conversation.all().count() == 0


async def test_a_conversation_that_is_named_goes_on(talk: Talk, principal: Principal) -> None:
    first = await talk.completions.complete(principal, {**SAY, "idempotency_key": "k"})
    said = [*SAY["messages"], {"role": "assistant", "content": first.text}, {"role": "user", "content": "More"}]
    await talk.completions.complete(principal, {**SAY, "messages": said, "idempotency_key": "k"})
    await talk.ledger.flush()

    conversation = await models.Conversation.get()
    assert conversation.message_count == 4


async def test_the_next_model_of_a_route_answers(talk: Talk, principal: Principal, priced: models.Model) -> None:
    """And is the one that is named, and paid for."""
    other = await models.Model.create(
        workspace_id=principal.workspace_id,
        provider_id=priced.provider_id,
        name="cheaper",
        vendor="Scripted",
        input_price=Decimal("0.5"),
        output_price=Decimal(0),
    )
    await routes.create(principal, "any", [NewTarget(str(priced.id)), NewTarget(str(other.id), tier=1)])
    talk.provider._scripts.clear()
    talk.provider._scripts.extend([[ProviderUnavailable("scripted", "is full")], saying("From", " the", " other")])

    answer = await talk.completions.complete(principal, {**SAY, "model": "any"})

    assert answer.text == "From the other"
    assert answer.model == answer.body["model"] == "@scripted/cheaper"
    [row] = await recorded(talk)
    assert row.model_name == "cheaper"
    assert row.cost == Decimal("0.000005")


async def test_a_tool_of_the_callers_ends_the_answer(talk: Talk, principal: Principal) -> None:
    talk.provider._scripts[0] = [ToolCall("1", "clock", "{}"), Usage(1, 1), End(EndReason.TOOL_CALLS)]
    tools = [{"type": "function", "function": {"name": "clock", "parameters": {"type": "object", "properties": {}}}}]

    answer = await talk.completions.complete(principal, {**SAY, "tools": tools})

    assert answer.body["choices"][0]["finish_reason"] == "tool_calls"
    assert answer.body["choices"][0]["message"]["tool_calls"][0]["function"] == {"name": "clock", "arguments": "{}"}


async def test_a_name_nobody_has_is_refused(talk: Talk, principal: Principal, stranger: Principal) -> None:
    with pytest.raises(Invalid, match="model names no gateway and no model"):
        await talk.completions.complete(principal, {**SAY, "model": "nobody"})
    with pytest.raises(Invalid, match="model names no gateway and no model"):
        await talk.completions.complete(stranger, SAY)


async def test_offers_what_can_be_asked(talk: Talk, principal: Principal, stranger: Principal) -> None:
    await routes.create(
        principal, "any", [NewTarget(str((await models.Model.get(workspace_id=principal.workspace_id)).id))]
    )

    assert [offered.name for offered in await talk.completions.offered(principal)] == ["any", "@scripted/scripted-1"]
    assert await talk.completions.offered(stranger) == []


# ---------------------------------------------------------------- JSON that has to be

SHAPE = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


async def test_broken_json_is_put_right(talk: Talk, principal: Principal) -> None:
    talk.provider._scripts[0] = saying("```json\n{'n': 7,}\n```")

    answer = await talk.completions.complete(principal, {**SAY, "response_schema": SHAPE})

    assert answer.body["choices"][0]["message"]["content"] == '{"n":7}'
    assert len(talk.provider.requests) == 1


async def test_the_model_is_asked_again_and_that_is_paid_for(talk: Talk, principal: Principal) -> None:
    talk.provider._scripts.clear()
    talk.provider._scripts.extend([saying('{"n": "seven"}'), saying('{"n": 7}')])

    answer = await talk.completions.complete(principal, {**SAY, "response_schema": SHAPE})

    assert answer.text == '{"n": 7}'
    [row] = await recorded(talk)
    assert [item["sku"] for item in row.items] == [
        "inference.resolving.json_healing.in",
        "inference.resolving.json_healing.out",
    ]
    assert row.cost == Decimal("0.000024")


async def test_a_stream_that_has_to_be_json_is_told_when_it_is(talk: Talk, principal: Principal) -> None:
    talk.provider._scripts[0] = saying("{'n':", " 7}")

    chunks = await streamed(talk, principal, response_schema=SHAPE)

    assert orjson.loads(orjson.dumps(chunks[0]))["choices"][0]["delta"] == {"role": "assistant", "content": '{"n":7}'}
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize(("heals", "text"), [(True, '{"n":7}'), (False, "{'n': 7}")])
async def test_an_account_may_want_all_json_put_right(talk: Talk, principal: Principal, heals: bool, text: str) -> None:
    await models.Workspace.filter(id=principal.workspace_id).update(heals_json=heals)
    talk.provider._scripts[0] = saying("{'n': 7}")

    answer = await talk.completions.complete(principal, {**SAY, "response_format": {"type": "json_object"}})

    assert answer.text == text


async def test_json_alone(talk: Talk, principal: Principal) -> None:
    talk.provider._scripts[0] = saying('{"n":', " 7}")

    answer = await talk.completions.complete(principal, {**SAY, "json_only": True})
    chunks = await streamed(talk, principal, json_only=True)

    assert answer.body == {"n": 7}
    assert [orjson.loads(orjson.dumps(chunk)) for chunk in chunks] == [{"n": 7}]


async def test_what_will_not_be_json_is_a_failure(talk: Talk, principal: Principal) -> None:
    talk.provider._scripts[0] = saying("No.")

    with pytest.raises(ProviderFailed, match="gave no JSON of the form that was asked for"):
        await talk.completions.complete(principal, {**SAY, "response_schema": SHAPE})

    [row] = await recorded(talk)
    assert row.success is False
    assert len(talk.provider.requests) == 4
