"""How turns end when something else happens at the same moment."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

import models
from domain import conversations
from domain.identity import Principal
from domain.turns import Ask, TurnEvent, Turns, ending
from domain.turns.events import TurnFailed, TurnFinished
from engine.events import End, EndReason, Text, Usage
from engine.testing import Hold, ScriptedProvider, Step
from errors import NotFound, ProviderUnavailable
from models import database
from tests.conftest import MakeTalk

pytestmark = pytest.mark.usefixtures("database")


async def follow(turns: Turns, principal: Principal, turn_id: object, after: int) -> list[TurnEvent]:
    return [event async for event in turns.follow(principal, str(turn_id), after)]


@asynccontextmanager
async def locked_turns() -> AsyncIterator[asyncpg.Connection]:
    """Nobody can write a turn meanwhile. On a connection of its own, so that no task of the test shares it."""
    bare = await database.client().borrow()
    try:
        await bare.execute("BEGIN; LOCK TABLE turns IN EXCLUSIVE MODE")
        yield bare
    finally:
        bare.terminate()


async def somebody_waits(bare: asyncpg.Connection) -> None:
    while not await bare.fetchval(  # noqa: ASYNC110 - the database has no event for it
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'turns'::regclass"
    ):
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("beyond", [0, 1, 2**31 - 10])
async def test_nothing_comes_after_the_last_event(process: MakeTalk, principal: Principal, beyond: int) -> None:
    async with process() as here:
        turn = (await here.turns.reply(principal, Ask("Hi"))).turn

        assert await follow(here.turns, principal, turn.id, turn.last_sequence + beyond) == []


async def test_a_failure_is_still_one_when_its_events_are_gone(process: MakeTalk, principal: Principal) -> None:
    async with process(ScriptedProvider([Text("x"), ProviderUnavailable("scripted", "hung up")])) as here:
        with pytest.raises(ProviderUnavailable):
            await here.turns.reply(principal, Ask("Hi"))
        turn = await models.Turn.get()
        await models.TurnEvent.all().delete()

        [last] = await follow(here.turns, principal, turn.id, 0)

        assert (type(last), last.sequence) == (TurnFailed, turn.last_sequence)


async def test_who_saw_more_than_was_saved_still_learns_how_it_ended(process: MakeTalk, principal: Principal) -> None:
    """A reader of a process that was killed is ahead of what another process found to end the turn with."""
    async with process(ScriptedProvider([Text("x"), Hold()])) as dead, process() as other:
        turn = await dead.turns.start(principal, Ask("Hi"))
        await models.Turn.filter(id=turn.id).update(lease_expires_at=datetime.now(UTC) - timedelta(seconds=1))
        await other.housekeeping.end_expired()
        saved = await models.Turn.get()

        for seen in (saved.last_sequence, saved.last_sequence + 7, 2**31 - 1):
            [last] = await follow(other.turns, principal, turn.id, seen)
            assert (type(last), last.sequence) == (TurnFailed, min(seen + 1, 2**31 - 1))


@pytest.mark.parametrize("nonsense", [Usage(-5, 1), Usage(10**12, 1), Usage("many", 1)])  # type: ignore[arg-type]  # as a vendor may send it
async def test_nonsense_about_usage_is_estimated_instead(
    process: MakeTalk, principal: Principal, nonsense: Usage
) -> None:
    async with process(ScriptedProvider([Text("Fine"), nonsense, End(EndReason.STOP)])) as here:
        outcome = await here.turns.reply(principal, Ask("Hi"))

        assert outcome.answer is not None
        assert (outcome.answer.text, (await models.UsageRecord.get()).estimated) == ("Fine", True)


async def test_what_cannot_be_ended_is_saved_all_the_same(
    process: MakeTalk, principal: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever keeps the end from being written, another process finds all that was said."""

    async def fail(*_: object) -> None:
        raise RuntimeError

    async with process(ScriptedProvider([Text("All of it"), End(EndReason.STOP)])) as here:
        monkeypatch.setattr(ending, "end", fail)
        with pytest.raises(RuntimeError):
            await here.turns.reply(principal, Ask("Hi"))
        monkeypatch.undo()
        await here.turns.log.flush()
        await models.Turn.all().update(lease_expires_at=datetime.now(UTC) - timedelta(seconds=1))
        await here.housekeeping.end_expired()

        assert (await models.Message.get(role="assistant")).text == "All of it"


async def test_leaving_while_the_question_is_written_leaves_no_turn_behind(
    process: MakeTalk, principal: Principal
) -> None:
    """And what the model was never asked costs nothing."""
    async with process() as here:
        async with locked_turns() as bare:
            asking = asyncio.create_task(here.turns.reply(principal, Ask("Hi")))
            await somebody_waits(bare)
            asking.cancel()
            await asyncio.wait([asking])
        await here.turns.close()

        turn, used = await models.Turn.get(), await models.UsageRecord.get()
        assert turn.status is models.TurnStatus.CANCELLED
        assert (used.input_tokens, used.output_tokens) == (0, 0)
        assert here.provider.requests == []


async def test_deleting_a_conversation_while_its_turn_ends(process: MakeTalk, principal: Principal) -> None:
    """Both touch the conversation and the turn; neither may wait for the other for ever."""
    for _ in range(10):
        hold = Hold()
        async with process(ScriptedProvider([Text("x"), hold, End(EndReason.STOP)])) as here:
            turn = await here.turns.start(principal, Ask("Hi"))
            await hold.reached.wait()
            [run] = here.turns.running.values()
            hold.release()
            await conversations.delete(principal, str(turn.conversation_id))
            await run.task

        assert await models.Turn.all().count() == 0


async def test_what_a_deleted_turn_cost_stays_on_record(process: MakeTalk, principal: Principal) -> None:
    hold = Hold()
    async with process(ScriptedProvider([Text("x"), hold, Usage(3, 5), End(EndReason.STOP)])) as here:
        turn = await here.turns.start(principal, Ask("Hi"))
        await hold.reached.wait()
        [run] = here.turns.running.values()
        await conversations.delete(principal, str(turn.conversation_id))
        hold.release()
        await run.task

    used = await models.UsageRecord.get()
    assert (used.turn_id, used.input_tokens, used.output_tokens) == (turn.id, 3, 5)


async def test_a_deleted_turn_does_not_keep_others_from_being_saved(process: MakeTalk, principal: Principal) -> None:
    holds = [Hold(), Hold()]
    scripts: list[list[Step]] = [[Text("x"), hold] for hold in holds]
    async with process(ScriptedProvider(*scripts)) as here:
        doomed = await here.turns.start(principal, Ask("One"))
        spared = await here.turns.start(principal, Ask("Two"))
        for hold in holds:
            await hold.reached.wait()
        await conversations.delete(principal, str(doomed.conversation_id))

        await here.turns.log.flush()

        assert [page.turn_id for page in await models.TurnEvent.all()] == [spared.id]


async def test_readers_everywhere_learn_that_a_turn_was_deleted(process: MakeTalk, principal: Principal) -> None:
    hold = Hold()
    async with process(ScriptedProvider([Text("x"), hold])) as here, process() as elsewhere:
        turn = await here.turns.start(principal, Ask("Hi"))
        await hold.reached.wait()
        readers = [asyncio.create_task(follow(at.turns, principal, turn.id, 0)) for at in (here, elsewhere)]

        await conversations.delete(principal, str(turn.conversation_id))
        hold.release()

        for waiting in readers:
            with pytest.raises(NotFound):
                await waiting


async def test_what_waited_for_the_database_is_not_taken_for_dead(process: MakeTalk, principal: Principal) -> None:
    """Leases ran out because nobody could renew them; the process is as alive as before."""
    hold = Hold()
    async with process(ScriptedProvider([Text("Still "), hold, Text("here"), End(EndReason.STOP)])) as here:
        async with process() as other:
            turn = await here.turns.start(principal, Ask("Hi"))
            await hold.reached.wait()
            await models.Turn.filter(id=turn.id).update(lease_expires_at=datetime.now(UTC) - timedelta(seconds=60))

            await here.housekeeping.end_expired()
            await models.Turn.filter(id=turn.id).update(lease_expires_at=datetime.now(UTC) - timedelta(seconds=60))
            other.housekeeping.last_look -= 60
            await other.housekeeping.end_expired()
        hold.release()
        events = await follow(here.turns, principal, turn.id, 0)

        assert isinstance(events[-1], TurnFinished)


async def test_going_does_not_wait_for_a_database_that_is_away(process: MakeTalk, principal: Principal) -> None:
    async with process(ScriptedProvider([Text("x"), Hold()])) as here:
        await here.turns.start(principal, Ask("Hi"))
        [run] = here.turns.running.values()
        async with locked_turns():
            await asyncio.wait_for(here.turns.close(), 5)
        await run.task
