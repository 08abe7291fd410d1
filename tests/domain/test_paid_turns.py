"""Turns are paid from budgets like calls of the gateway, though their own endings write down what they cost."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

import models
from domain import keys
from domain.identity import KeyKind, Limits, Principal
from domain.keys import Keys
from domain.turns import Ask, ending
from engine.events import End, EndReason, Text, Usage
from engine.testing import Hold, ScriptedProvider, Step
from errors import BudgetExceeded, LimitReached
from tests.conftest import MakeTalk

ANSWER: list[Step] = [Text("Hello"), Usage(1000, 1000), End(EndReason.STOP)]
COST = Decimal("0.003")


@pytest.fixture
async def caller(workspace: models.Workspace) -> Principal:
    """With a key, which is limited to one call at once."""
    await models.Model.all().update(input_price=Decimal(1), output_price=Decimal(2))
    _, secret = await keys.create(workspace.id, KeyKind.OWNER, limits=Limits(calls_at_once=1))
    return await Keys().authenticate(secret, None)


async def budget(principal: Principal, amount: str, *, of_key: bool = False) -> models.Budget:
    key_id = principal.key_id if of_key else None
    return await models.Budget.create(workspace_id=principal.workspace_id, api_key_id=key_id, amount=Decimal(amount))


async def test_an_answer_is_charged_to_its_workspace_and_its_key(process: MakeTalk, caller: Principal) -> None:
    await budget(caller, "5")
    await budget(caller, "5", of_key=True)
    async with process(ScriptedProvider(ANSWER, ANSWER)) as here:
        for _ in range(2):
            await here.turns.reply(caller, Ask("Hi"))

    assert [(row.spent, row.held) for row in await models.Budget.all()] == [(2 * COST, Decimal(0))] * 2


async def test_a_used_up_budget_saves_no_question(process: MakeTalk, caller: Principal) -> None:
    await budget(caller, "0")
    async with process() as here:
        with pytest.raises(BudgetExceeded):
            await here.turns.reply(caller, Ask("Hi"))

        assert here.provider.requests == []
    assert (await models.Turn.all().count(), await models.Message.all().count()) == (0, 0)


async def test_what_an_answer_spent_is_not_spent_again(process: MakeTalk, caller: Principal) -> None:
    """Before the flush it is both spent and held; after it only spent. At no time is it free."""
    await budget(caller, "0.0045")
    async with process(ScriptedProvider(ANSWER, ANSWER)) as here:
        await here.turns.reply(caller, Ask("Hi"))

        with pytest.raises(BudgetExceeded):
            await here.turns.reply(caller, Ask("Hi"))
        await here.ledger.flush()
        with pytest.raises(BudgetExceeded):
            await here.turns.reply(caller, Ask("Hi"))

    assert (await models.Budget.get()).spent == COST


async def test_a_turn_of_a_dead_process_is_charged_once(process: MakeTalk, caller: Principal) -> None:
    await budget(caller, "5")
    async with process(ScriptedProvider([Text("x" * 400), Hold()])) as dead, process() as other:
        turn = await dead.turns.start(caller, Ask("Hi"))
        await dead.turns.log.flush()
        await models.Turn.filter(id=turn.id).update(lease_expires_at=datetime.now(UTC) - timedelta(seconds=1))

        await other.housekeeping.end_expired()
        await dead.housekeeping.renew_leases()
        await dead.turns.running[turn.id].task

    [record] = await models.UsageRecord.all()
    row = await models.Budget.get()
    assert record.cost > 0
    assert (row.spent, row.held) == (record.cost, Decimal(0))


async def test_an_end_that_cannot_be_written_lets_the_next_one_in(
    process: MakeTalk, caller: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError

    async with process(ScriptedProvider(ANSWER, [Text("y"), Hold()])) as here:
        monkeypatch.setattr(ending, "end", fail)
        with pytest.raises(RuntimeError):
            await here.turns.reply(caller, Ask("Hi"))
        monkeypatch.undo()

        await here.turns.start(caller, Ask("Hi"))

        with pytest.raises(LimitReached):
            await here.turns.start(caller, Ask("Hi"))
