from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

import models
from domain import memories
from domain.calling import Caller
from domain.gateways.parameters import BuiltinOptions
from domain.identity import Principal
from errors import Conflict, Invalid, NotFound
from models import MemoryFormat


@pytest.fixture
def caller(principal: Principal) -> Caller:
    return Caller(principal, external_user="customer-123")


async def contents(caller: Caller) -> list[str]:
    return [memory.content for memory in await memories.told_of(caller).order_by("id")]


async def test_keeps_a_memory_for_its_days(caller: Caller) -> None:
    saved = await memories.save(caller, " Likes coffee.\0 ", days=365)

    assert saved.content == "Likes coffee."
    assert timedelta(364) < saved.expires_at - datetime.now(UTC) <= timedelta(365)


@pytest.mark.parametrize("days", [0, -1, 366])
async def test_keeps_nothing_for_ever(caller: Caller, days: int) -> None:
    with pytest.raises(Invalid, match="between 1 and 365"):
        await memories.save(caller, "Likes coffee.", days=days)


@pytest.mark.parametrize("content", ["", " ", "ä" * 5_001])
async def test_keeps_neither_nothing_nor_too_much(caller: Caller, content: str) -> None:
    with pytest.raises(Invalid, match="content"):
        await memories.save(caller, content)


@pytest.mark.parametrize("person", [None, ""])
async def test_needs_to_know_of_whom(caller: Caller, person: str | None) -> None:
    nobody = replace(caller, external_user=person)

    with pytest.raises(Invalid, match="who talks with the agent"):
        await memories.save(nobody, "Likes coffee.")
    with pytest.raises(Invalid, match="who talks with the agent"):
        await memories.search(nobody, "coffee")
    assert await memories.context_for(nobody, BuiltinOptions()) is None


async def test_people_and_workspaces_are_apart(caller: Caller, stranger: Principal) -> None:
    saved = await memories.save(caller, "Likes coffee.")

    for other in (replace(caller, external_user="customer-12"), replace(caller, principal=stranger)):
        assert await contents(other) == []
        with pytest.raises(NotFound):
            await memories.update(other, str(saved.id), "Likes tea.")
        with pytest.raises(NotFound):
            await memories.forget(other, str(saved.id))
    assert await contents(caller) == ["Likes coffee."]


async def test_changes_a_memory(caller: Caller) -> None:
    saved = await memories.save(caller, "Likes coffee.", days=10)

    await memories.update(caller, str(saved.id), "Likes tea.")
    again = await memories.update(caller, str(saved.id), "Likes tea.", days=100)

    assert await contents(caller) == ["Likes tea."]
    assert again.expires_at > saved.expires_at + timedelta(89)


async def test_finds_by_most_words(caller: Caller) -> None:
    for content in ("Has a cat.", "Likes strong coffee.", "Likes tea, not coffee."):
        await memories.save(caller, content)

    found = await memories.search(caller, "does she like STRONG coffee")

    assert [memory.content for memory in found] == ["Likes strong coffee.", "Likes tea, not coffee."]


async def test_what_has_expired_is_not_there(caller: Caller) -> None:
    saved = await memories.save(caller, "Likes coffee.")
    await models.Memory.filter(id=saved.id).update(expires_at=datetime.now(UTC) - timedelta(seconds=1))

    assert await contents(caller) == []
    assert await memories.search(caller, "coffee") == []
    assert await memories.context_for(caller, BuiltinOptions()) is None
    with pytest.raises(NotFound):
        await memories.find(caller.principal, str(saved.id))

    await memories.forget_expired()
    assert await models.Memory.all().count() == 0


async def test_tells_a_few_or_all(caller: Caller) -> None:
    for number in range(12):
        await memories.save(caller, f"Fact {number}")
    await memories.save(caller, "{}", format=MemoryFormat.DATE_REMINDER)

    few = await memories.context_for(caller, BuiltinOptions())
    every = await memories.context_for(caller, BuiltinOptions(include_all_memory_context=True))

    assert few is not None
    assert every is not None
    assert (few.count("Fact"), "Fact 11" in few, "Fact 1\n" in few) == (10, True, False)
    assert (every.count("Fact"), "{}" in every) == (12, False)


async def test_a_person_has_no_endless_number(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memories, "_MOST_PER_PERSON", 1)
    await memories.save(caller, "Likes coffee.")

    with pytest.raises(Conflict, match="remove some first"):
        await memories.save(caller, "Likes tea.")
