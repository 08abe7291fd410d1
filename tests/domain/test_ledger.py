import asyncio
from decimal import Decimal
from typing import Any  # Rows are open dictionaries.

import pytest

import models
from domain.identity import Principal
from domain.ledger import Ledger, Spoken, Utterance
from domain.usage import UsageItem
from engine.events import Usage
from errors import Unavailable
from models.database import connection
from tests.paying import entry_of, till


def said(role: str, text: str) -> Utterance:
    return Utterance(role, [{"type": "text", "text": text}])


async def test_writes_a_call_down_with_its_price(principal: Principal) -> None:
    item = UsageItem(
        "inference.resolving.routing_complexity.in", "Inference for model routing", 100, Decimal("0.00001")
    )
    async with till() as here:
        entry = entry_of(
            principal,
            usage=Usage(1000, 500, 400),
            items=(item,),
            external_user="ann",
            error_code="provider_failed",
        )

        cost = here.ledger.record(entry)
        await here.ledger.flush()

    row = await models.UsageRecord.get(turn_id=entry.id)
    assert cost == row.cost == Decimal("0.003")
    assert (row.input_tokens, row.output_tokens, row.cached_tokens, row.estimated) == (1000, 500, 400, False)
    assert (row.input_price, row.output_price, row.cached_price) == (Decimal(1), Decimal(2), None)
    assert (row.model_name, row.vendor, row.external_user, row.success) == ("priced", "vendor", "ann", False)
    [kept] = row.items
    assert kept["sku"] == item.sku
    assert Decimal(str(kept["amount"])) == item.amount


async def test_a_call_is_billed_once_however_often_it_is_recorded(principal: Principal) -> None:
    await models.Budget.create(workspace_id=principal.workspace_id, amount=1)
    async with till() as here:
        permit = await here.admission.admit(principal, estimate=Decimal("0.01"))
        entry = entry_of(principal, permit, spoken=Spoken([said("user", "Hello")], said("assistant", "Hi")))

        for _ in range(3):
            here.ledger.record(entry)
        await here.ledger.flush()
        here.ledger.record(entry)
        await here.ledger.flush()

    assert await models.UsageRecord.all().count() == 1
    assert (await models.Budget.get()).spent == Decimal("0.003")
    assert (await models.UsageDay.get()).requests == 1
    assert await models.Conversation.all().count() == 1


async def test_a_lost_connection_loses_nothing_and_bills_nothing_twice(principal: Principal) -> None:
    """Connections end at any moment, also between a commit and its confirmation."""
    await models.Budget.create(workspace_id=principal.workspace_id, amount=100)
    async with till(flush_seconds=0) as here:
        for _ in range(40):
            for _ in range(5):
                permit = await _patiently(here.admission.admit, principal, estimate=Decimal("0.01"))
                here.ledger.record(entry_of(principal, permit))
            await _cut_connections()
            await asyncio.sleep(0)
        await _patiently(here.ledger.flush)

        budget = await models.Budget.get()
        assert await models.UsageRecord.all().count() == 200
        assert budget.spent == Decimal("0.6")
        assert (await models.UsageDay.get()).cost == Decimal("0.6")
    budget = await models.Budget.get()
    assert (budget.spent, budget.held) == (Decimal("0.6"), Decimal(0))


async def _patiently(ask: Any, *args: Any, **kwargs: Any) -> Any:
    while True:
        try:
            return await ask(*args, **kwargs)
        except Unavailable:
            await asyncio.sleep(0.01)


async def _cut_connections() -> None:
    try:
        async with connection() as bare:
            await bare.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
    except Unavailable:
        pass


async def test_an_entry_that_cannot_be_written_keeps_no_other_from_it(principal: Principal) -> None:
    stranger = Principal(models.new_id(models.Kind.WORKSPACE), principal.kind, principal.scopes)
    async with till() as here:
        for _ in range(4):
            here.ledger.record(entry_of(principal))
        here.ledger.record(entry_of(stranger))
        here.ledger.record(entry_of(principal, spoken=Spoken([said("user", "a\0b")])))
        await here.ledger.flush()

    assert await models.UsageRecord.all().count() == 5


async def test_a_conversation_is_kept_without_what_cannot_be_stored(principal: Principal) -> None:
    spoken = Spoken([said("user", "a\0b")], said("assistant", "c\0"), {"k": "\0v"})
    async with till() as here:
        here.ledger.record(entry_of(principal, spoken=spoken, error_code="provider_failed", error_message="d\0"))
        await here.ledger.flush()

    assert [message.text for message in await models.Message.all().order_by("id")] == ["ab", "c"]
    assert (await models.Conversation.get()).metadata == {"k": "v"}
    assert (await models.Turn.get()).error_message == "d"


async def test_refuses_before_it_forgets(principal: Principal) -> None:
    async with till() as here:
        full = Ledger(here.holds, here.rates, most_entries=2)

        for _ in range(2):
            full.check()
            full.record(entry_of(principal))

        with pytest.raises(Unavailable):
            full.check()
        await full.flush()
        full.check()
    assert await models.UsageRecord.all().count() == 2


async def test_much_text_is_as_full_as_many_calls(principal: Principal) -> None:
    async with till(flush_seconds=60) as here:
        long = said("user", "x" * 1_000_000)
        for _ in range(64):
            here.ledger.check()
            here.ledger.record(entry_of(principal, spoken=Spoken([long])))

        with pytest.raises(Unavailable):
            here.ledger.check()
        await here.ledger.flush()
        here.ledger.check()
    assert await models.Message.all().count() == 64


async def test_closing_writes_what_is_left(principal: Principal) -> None:
    async with till(flush_seconds=60) as here:
        here.ledger.record(entry_of(principal))

    assert await models.UsageRecord.all().count() == 1


# ---------------------------------------------------------------- conversations


async def test_keeps_what_was_said(principal: Principal) -> None:
    async with till() as here:
        spoken = Spoken([said("system", "Be kind."), said("user", "Hello")], said("assistant", "Hi"), {"shop": "7"})
        entry = entry_of(principal, spoken=spoken, external_user="ann")

        here.ledger.record(entry)
        await here.ledger.flush()

    conversation, turn = await models.Conversation.get(), await models.Turn.get()
    messages = await models.Message.all().order_by("id")
    assert [(each.role, each.text) for each in messages] == [
        ("system", "Be kind."),
        ("user", "Hello"),
        ("assistant", "Hi"),
    ]
    assert [each.parent_id for each in messages] == [None, messages[0].id, messages[1].id]
    assert (conversation.title, conversation.message_count, conversation.metadata) == ("Hello", 3, {"shop": "7"})
    assert (conversation.leaf_id, conversation.external_user) == (messages[2].id, "ann")
    assert (turn.id, turn.question_id, turn.answer_id) == (entry.id, messages[1].id, messages[2].id)
    assert turn.status is models.TurnStatus.COMPLETED


async def test_the_same_word_is_the_same_conversation(principal: Principal) -> None:
    """What is there stays, what is new is added; where it differs a branch grows."""
    hello, hi, more, well = (
        said("user", "Hello"),
        said("assistant", "Hi"),
        said("user", "How are you?"),
        said("assistant", "Well."),
    )
    async with till() as here:
        here.ledger.record(entry_of(principal, spoken=Spoken([hello], hi, idempotency_key="k")))
        await here.ledger.flush()
        here.ledger.record(entry_of(principal, spoken=Spoken([hello, hi, more], well, idempotency_key="k")))
        # In the same batch, from the beginning again.
        here.ledger.record(entry_of(principal, spoken=Spoken([said("user", "Bye")], hi, idempotency_key="k")))
        await here.ledger.flush()

    conversation = await models.Conversation.get()
    assert [each.text for each in await models.Message.all().order_by("id")] == [
        *("Hello", "Hi", "How are you?", "Well.", "Bye", "Hi")
    ]
    assert conversation.message_count == 2
    assert await models.Turn.all().count() == 3


async def test_anothers_word_is_another_conversation(principal: Principal, stranger: Principal) -> None:
    async with till() as here:
        for who in (principal, stranger):
            here.ledger.record(entry_of(who, spoken=Spoken([said("user", "Hello")], idempotency_key="k")))
        await here.ledger.flush()

    assert await models.Conversation.all().count() == 2


async def test_a_failed_call_keeps_its_question(principal: Principal) -> None:
    async with till() as here:
        here.ledger.record(
            entry_of(principal, spoken=Spoken([said("user", "Hello")]), error_code="timeout", error_message="Too slow.")
        )
        await here.ledger.flush()

    turn = await models.Turn.get()
    assert (turn.status, turn.error_code, turn.error_message) == (models.TurnStatus.FAILED, "timeout", "Too slow.")
    assert [each.text for each in await models.Message.all()] == ["Hello"]
