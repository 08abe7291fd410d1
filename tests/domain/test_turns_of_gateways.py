"""Questions to a gateway, in a conversation: its instructions, its tools, its budget, and a record of all of it."""

from decimal import Decimal

import pytest

import models
from domain.gateways.parameters import INTEGRATED
from domain.identity import Principal
from domain.turns import Ask
from engine.events import Reasoning
from engine.testing import ScriptedProvider, saying
from errors import BudgetExceeded, Invalid, NotFound
from tests.conftest import MakeTalk

PARAMETERS = {
    "baseAddress": INTEGRATED,
    "modelName": "scripted-1",
    "systemInstruction": "Answer in rhyme.",
    "userPromptTemplate": "They say: {prompt}",
}


async def test_a_gateway_answers_in_a_conversation(process: MakeTalk, principal: Principal) -> None:
    provider = ScriptedProvider(saying("Fine", "."))
    async with process(provider) as talk:
        gateway = await talk.gateways.create(principal, "Poet", PARAMETERS)

        outcome = await talk.turns.reply(principal, Ask("Hello", gateway=gateway.slug))

    said = provider.requests[0].messages
    assert [(message.role, message.text) for message in said] == [
        ("system", "Answer in rhyme."),
        ("user", "They say: Hello"),
    ]
    row = await models.UsageRecord.get(turn_id=outcome.turn.id)
    assert row.gateway_id == gateway.id


@pytest.mark.parametrize(("flags", "replayed"), [([], {}), (["IncludeStoredReasoning"], {"reasoning_content": "hm"})])
async def test_what_was_thought_is_told_again_when_the_gateway_wants_it(
    process: MakeTalk, principal: Principal, flags: list[str], replayed: dict[str, str]
) -> None:
    provider = ScriptedProvider([Reasoning("hm"), *saying("Fine")])
    async with process(provider) as talk:
        gateway = await talk.gateways.create(principal, "Poet", {**PARAMETERS, "flags": flags})
        first = await talk.turns.reply(principal, Ask("Hello", gateway=gateway.slug))

        await talk.turns.reply(principal, Ask("And?", conversation_id=str(first.conversation.id), gateway=gateway.slug))

    answer = provider.requests[1].messages[2]
    assert (answer.text, answer.extra) == ("Fine", replayed)


async def test_a_strangers_gateway_is_not_there(process: MakeTalk, principal: Principal, stranger: Principal) -> None:
    async with process() as talk:
        gateway = await talk.gateways.create(principal, "Poet", PARAMETERS)

        with pytest.raises(NotFound):
            await talk.turns.reply(stranger, Ask("Hello", gateway=str(gateway.id)))
        with pytest.raises(Invalid):
            await talk.turns.reply(principal, Ask("Hello", gateway=gateway.slug, model_id=str(gateway.id)))


async def test_a_budget_that_is_used_up_lets_no_turn_begin(process: MakeTalk, principal: Principal) -> None:
    await models.Budget.create(workspace_id=principal.workspace_id, amount=Decimal(1), spent=Decimal(1))
    provider = ScriptedProvider()
    async with process(provider) as talk:
        with pytest.raises(BudgetExceeded):
            await talk.turns.reply(principal, Ask("Hello"))

    assert provider.requests == []
    assert await models.Message.all().count() == 0


async def test_what_a_turn_put_aside_is_free_when_it_has_ended(process: MakeTalk, principal: Principal) -> None:
    model = await models.Model.get(workspace_id=principal.workspace_id)
    model.input_price = model.output_price = Decimal(1000)
    await model.save()
    budget = await models.Budget.create(workspace_id=principal.workspace_id, amount=Decimal(100))
    async with process(ScriptedProvider(saying("a", "b"))) as talk:
        for _ in range(20):
            await talk.turns.reply(principal, Ask("Hello"))

    await budget.refresh_from_db()
    assert budget.spent == Decimal("0.24")
    assert budget.held == 0
