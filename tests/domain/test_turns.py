"""The life of a turn, with a scripted model and every fault that needs no second machine."""

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest

import models
from domain import conversations
from domain.identity import Principal
from domain.turns import Ask, TurnEvent, WhenReaderLeaves
from domain.turns.events import TextAdded, TurnFailed, TurnFinished, TurnStarted
from engine.events import End, EndReason, Reasoning, Text, Usage
from engine.testing import Hold, ScriptedProvider, Step, saying
from errors import Forbidden, NotFound, ProviderUnavailable
from tests.conftest import MakeTalk

pytestmark = pytest.mark.usefixtures("database")


async def drain(events: object) -> list[TurnEvent]:
    return [event async for event in events]  # type: ignore[attr-defined]  # any of our generators


def shown(events: list[TurnEvent]) -> list[tuple[str, int, str]]:
    return [(type(event).__name__, event.sequence, getattr(event, "text", "")) for event in events]


async def test_answers_and_remembers(process: MakeTalk, principal: Principal) -> None:
    async with process(ScriptedProvider(saying("Hello", " there"), saying("Again"))) as here:
        first = await here.turns.reply(principal, Ask("Hi", stream=False))
        second = await here.turns.reply(principal, Ask("And?", conversation_id=str(first.conversation.id)))

        assert first.answer is not None
        assert first.answer.text == "Hello there"
        assert [m.text for m in here.provider.requests[1].messages] == ["Hi", "Hello there", "And?"]
        assert (second.conversation.title, second.conversation.message_count) == ("Hi", 4)
        path = await conversations.path_to(second.conversation.leaf_id, limit=10)
        assert [message.text for message in path] == ["Hi", "Hello there", "And?", "Again"]


async def test_streams_the_same_turn(process: MakeTalk, principal: Principal) -> None:
    async with process(ScriptedProvider(saying("Hello", " there"))) as here:
        events = await drain(here.turns.stream(principal, Ask("Hi"), WhenReaderLeaves.CANCEL))

        assert shown(events) == [
            ("TurnStarted", 1, ""),
            ("TextAdded", 2, "Hello"),
            ("TextAdded", 3, " there"),
            ("TurnFinished", 4, ""),
        ]
        assert isinstance(events[-1], TurnFinished)
        assert events[-1].outcome is not None
        assert events[-1].outcome.answer is not None
        assert events[-1].outcome.answer.text == "Hello there"
        assert str(events[-1].outcome.answer.id) == events[1].answer_id


async def test_every_position_can_be_resumed_here_elsewhere_and_afterwards(
    process: MakeTalk, principal: Principal
) -> None:
    hold = Hold()
    script: list[Step] = [
        Text("one "),
        Reasoning("hm"),
        Text("two "),
        hold,
        Text("three"),
        Usage(1, 3),
        End(EndReason.STOP),
    ]
    async with process(ScriptedProvider(script)) as here, process() as elsewhere:
        turn = await here.turns.start(principal, Ask("Count"))
        readers = [
            asyncio.create_task(drain(place.turns.follow(principal, str(turn.id), after)))
            for place in (here, elsewhere)
            for after in range(6)
        ]
        await hold.reached.wait()
        hold.release()
        followed = [shown(events) for events in await asyncio.gather(*readers)]
        late = [shown(await drain(elsewhere.turns.follow(principal, str(turn.id), after))) for after in range(6)]

        whole = followed[0]
        assert [name for name, _, _ in whole] == [
            "TurnStarted", "TextAdded", "ReasoningAdded", "TextAdded", "TextAdded", "TurnFinished",
        ]  # fmt: skip
        assert followed == [whole[after:] for _ in range(2) for after in range(6)]
        assert late == [whole[after:] for after in range(6)]


async def test_a_reader_that_leaves_cancels_and_keeps_what_was_said(process: MakeTalk, principal: Principal) -> None:
    hold = Hold()
    async with process(ScriptedProvider([Text("Half an "), hold, Text("answer")])) as here:
        async with aclosing(here.turns.stream(principal, Ask("Hi"), WhenReaderLeaves.CANCEL)) as events:
            async for event in events:
                if isinstance(event, TextAdded):
                    break
        [run] = here.turns.running.values()
        outcome = await run.task

        assert outcome.turn.status is models.TurnStatus.CANCELLED
        assert outcome.answer is not None
        assert outcome.answer.text == "Half an "
        assert here.provider.left == 1
        [used] = await models.UsageRecord.all()
        assert (used.estimated, used.success, used.output_tokens > 0) == (True, True, True)


async def test_a_reader_that_leaves_may_let_it_go_on(process: MakeTalk, principal: Principal) -> None:
    hold = Hold()
    async with process(ScriptedProvider([Text("A "), hold, Text("whole"), End(EndReason.STOP)])) as here:
        async with aclosing(here.turns.stream(principal, Ask("Hi"), WhenReaderLeaves.CONTINUE)) as events:
            async for event in events:
                if isinstance(event, TextAdded):
                    break
        [run] = here.turns.running.values()
        hold.release()
        outcome = await run.task

        assert outcome.turn.status is models.TurnStatus.COMPLETED
        assert outcome.answer is not None
        assert outcome.answer.text == "A whole"


async def test_who_stops_waiting_for_a_plain_answer_stops_it(process: MakeTalk, principal: Principal) -> None:
    hold = Hold()
    async with process(ScriptedProvider([hold, Text("never")])) as here:
        waiting = asyncio.create_task(here.turns.reply(principal, Ask("Hi", stream=False)))
        await hold.reached.wait()
        [run] = here.turns.running.values()
        waiting.cancel()
        outcome = await run.task

        assert waiting.cancelled()
        assert outcome.turn.status is models.TurnStatus.CANCELLED
        assert here.provider.left == 1


async def test_leaving_at_once_is_a_cancelled_turn(process: MakeTalk, principal: Principal) -> None:
    async with process() as here:
        async with aclosing(here.turns.stream(principal, Ask("Hi"), WhenReaderLeaves.CANCEL)) as events:
            first = await anext(events)
            [run] = here.turns.running.values()
        outcome = await run.task

        assert isinstance(first, TurnStarted)
        assert outcome.turn.status is models.TurnStatus.CANCELLED
        assert (await models.Turn.get()).status is models.TurnStatus.CANCELLED


async def test_cancels_from_another_process_and_twice(process: MakeTalk, principal: Principal) -> None:
    hold = Hold()
    async with process(ScriptedProvider([Text("Half"), hold])) as here, process() as elsewhere:
        turn = await here.turns.start(principal, Ask("Hi"))
        await hold.reached.wait()

        first = await elsewhere.turns.cancel(principal, str(turn.id))
        second = await elsewhere.turns.cancel(principal, str(turn.id))
        third = await here.turns.cancel(principal, str(turn.id))

        assert [t.status for t in (first, second, third)] == [models.TurnStatus.CANCELLED] * 3
        assert here.provider.left == 1
        assert await models.UsageRecord.all().count() == 1


async def test_a_provider_failing_before_the_first_token(process: MakeTalk, principal: Principal) -> None:
    failure = ProviderUnavailable("scripted", "is on fire")
    async with process(ScriptedProvider([failure])) as here:
        with pytest.raises(ProviderUnavailable, match="is on fire"):
            await here.turns.reply(principal, Ask("Hi"))

        turn = await models.Turn.get()
        assert (turn.status, turn.error_code) == (models.TurnStatus.FAILED, "provider_unavailable")
        conversation = await models.Conversation.get()
        assert (conversation.message_count, conversation.title) == (0, None)
        used = await models.UsageRecord.get()
        assert (used.success, used.input_tokens, used.output_tokens) == (False, 0, 0)


async def test_a_provider_failing_in_the_middle_keeps_the_text(process: MakeTalk, principal: Principal) -> None:
    script: list[Step] = [Text("Once upon"), ProviderUnavailable("scripted", "hung up")]
    async with process(ScriptedProvider(script)) as here:
        events = await drain(here.turns.stream(principal, Ask("A story"), WhenReaderLeaves.CANCEL))

        assert isinstance(events[-1], TurnFailed)
        assert events[-1].outcome is not None
        assert events[-1].outcome.turn.error_message == "hung up"
        assert (await models.Message.get(role="assistant")).text == "Once upon"


async def test_a_dead_process_leaves_an_interrupted_turn(process: MakeTalk, principal: Principal) -> None:
    """Its lease runs out; another process ends it with all the text that was saved, and bills it once."""
    hold = Hold()
    async with process(ScriptedProvider([Text("Saved "), Text("text"), hold])) as dead, process() as other:
        turn = await dead.turns.start(principal, Ask("Hi"))
        await hold.reached.wait()
        await dead.turns.log.flush()
        await models.Turn.filter(id=turn.id).update(lease_expires_at=datetime.now(UTC) - timedelta(seconds=1))

        await other.housekeeping.end_expired()
        events = shown(await drain(other.turns.follow(principal, str(turn.id), 0)))
        # It was not dead after all: it notices, stops, and writes nothing more.
        await dead.housekeeping.renew_leases()
        await asyncio.wait([run.task for run in dead.turns.running.values()])

        assert [name for name, _, _ in events] == ["TurnStarted", "TextAdded", "TextAdded", "TurnFailed"]
        saved = await models.Turn.get()
        assert (saved.status, saved.error_code) == (models.TurnStatus.INTERRUPTED, "interrupted")
        assert (await models.Message.get(role="assistant")).text == "Saved text"
        assert await models.UsageRecord.all().count() == 1


async def test_two_questions_at_once_hide_neither(process: MakeTalk, principal: Principal) -> None:
    first_hold, second_hold = Hold(), Hold()
    scripts: list[list[Step]] = [saying("start"), [first_hold, Text("first")], [second_hold, Text("second")]]
    async with process(ScriptedProvider(*scripts)) as here:
        begun = await here.turns.reply(principal, Ask("Begin"))
        id = str(begun.conversation.id)
        one = asyncio.create_task(here.turns.reply(principal, Ask("One", conversation_id=id)))
        await first_hold.reached.wait()
        two = asyncio.create_task(here.turns.reply(principal, Ask("Two", conversation_id=id)))
        await second_hold.reached.wait()
        second_hold.release()
        await two
        first_hold.release()
        last = await one

        path = await conversations.path_to(last.conversation.leaf_id, limit=10)
        assert [m.text for m in path] == ["Begin", "start", "Two", "second", "One", "first"]
        assert last.conversation.message_count == 6


async def test_a_branch_grows_from_an_earlier_message(process: MakeTalk, principal: Principal) -> None:
    async with process(ScriptedProvider(saying("a"), saying("b"), saying("c"))) as here:
        first = await here.turns.reply(principal, Ask("1"))
        assert first.answer is not None
        id = str(first.conversation.id)
        await here.turns.reply(principal, Ask("2", conversation_id=id))
        last = await here.turns.reply(principal, Ask("3", conversation_id=id, after_id=str(first.answer.id)))

        path = await conversations.path_to(last.conversation.leaf_id, limit=10)
        assert [m.text for m in path] == ["1", "a", "3", "c"]
        assert last.conversation.message_count == 4
        assert await models.Message.all().count() == 6


async def test_a_slow_reader_gets_longer_pieces(process: MakeTalk, principal: Principal) -> None:
    words = [Text(f"{n} ") for n in range(1000)]
    async with process(ScriptedProvider([*words, End(EndReason.STOP)])) as here:
        outcome = await here.turns.reply(principal, Ask("Count"))
        events = await drain(here.turns.follow(principal, str(outcome.turn.id), 0))

        assert len(events) < 10
        assert "".join(getattr(event, "text", "") for event in events) == "".join(word.text for word in words)
        assert events[-1].sequence == 1002


async def test_strangers_find_nothing(process: MakeTalk, principal: Principal) -> None:
    stranger = Principal((await models.Workspace.create(name="other")).id, principal.kind, principal.scopes)
    async with process() as here:
        outcome = await here.turns.reply(principal, Ask("Hi", external_user="ada"))
        turn_id, id = str(outcome.turn.id), str(outcome.conversation.id)

        for attempt in (
            here.turns.reply(stranger, Ask("Hi", conversation_id=id)),
            here.turns.cancel(stranger, turn_id),
            drain(here.turns.follow(stranger, turn_id, 0)),
            here.turns.reply(principal, Ask("Hi", conversation_id="no-such-thing")),
        ):
            with pytest.raises(NotFound):
                await attempt
        with pytest.raises(Forbidden):
            await here.turns.reply(principal, Ask("Hi", conversation_id=id, external_user="bob"))


async def test_a_deleted_conversation_ends_its_turn_quietly(process: MakeTalk, principal: Principal) -> None:
    hold = Hold()
    async with process(ScriptedProvider([Text("x"), hold, Text("y")])) as here:
        turn = await here.turns.start(principal, Ask("Hi"))
        await hold.reached.wait()
        [run] = here.turns.running.values()
        await conversations.delete(principal, str(turn.conversation_id))
        hold.release()
        await run.task

        assert run.error is not None
        assert await models.Message.all().count() == 0
