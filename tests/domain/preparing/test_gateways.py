"""What a gateway has elsewhere: texts and workers at web addresses, tools, skills, and knowledge in a real database."""

from collections.abc import AsyncIterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any  # What servers answer is open JSON.

import orjson
import pytest

import models
from domain import collections
from domain.agents import QueryStrategy
from domain.gateways.parameters import Moderation, ProtocolFunction, QueryWindows, RemoteSource
from domain.identity import Principal
from domain.ingestion import Ingestion
from domain.preparing import Prepared
from domain.retrieval import Retrieval
from domain.storing import NewDocument
from domain.tools import Nonces, Toolbox
from engine.chat import Message, Role, Tool
from engine.events import End, EndReason, Text, Usage
from engine.guard import Guard
from errors import Forbidden, Invalid, ProviderUnavailable, SourceFailed
from tests.domain.preparing.conftest import CALLER, Bench, MakeBench
from tests.domain.preparing.saying import at_home, request
from tests.domain.tools.conftest import salt_of
from tests.domain.tools.listening import Server, serving
from tests.knowing import fill

OPENING = NewDocument(
    "opening hours", "The museum opens at ten and closes at six.", metadata={"floor": 2}, reference="museum"
)
TICKETS = NewDocument("tickets", "A ticket costs nine euros; children pay nothing.", reference="museum")
ASKED = request(Message.user("When does the museum open?"))


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as started:
        yield started


@pytest.fixture
def toolbox(retrieval: Retrieval) -> Toolbox:
    return Toolbox(Guard(allow_private=True), Nonces(salt_of), retrieval)


@pytest.fixture
def alone() -> Toolbox:
    """Without a database."""
    return Toolbox(Guard(allow_private=True), Nonces(salt_of), SimpleNamespace())  # type: ignore[arg-type]  # nothing is looked up


def function(server: Server, name: str = "forecast") -> ProtocolFunction:
    return ProtocolFunction(name, "Tells the weather.", f"{server.url}/{name}")


def acts(server: Server, type: str, **data: Any) -> None:
    action = orjson.dumps({"type": type, "data": data}).decode()
    server.says("/worker", action, content_type="application/json+worker-action")


# ---------------------------------------------------------------- texts, tools and skills


async def test_texts_of_others_follow_the_gateways_own(bench: MakeBench, server: Server, alone: Toolbox) -> None:
    server.says("/house", "No smoking.")
    server.says("/style", "Speak plainly.")
    here = await bench(toolbox=alone)
    sources = (RemoteSource("house", f"{server.url}/house"), RemoteSource("style", f"{server.url}/style"))
    gateway = at_home(system_instruction="Be brief.", system_instructions_sources=sources)

    first, second = [await here.sent(request(), gateway) for _ in range(2)]

    assert first.messages[0].text == "Be brief.\n\nNo smoking.\n\nSpeak plainly."
    assert second.messages == first.messages
    assert len(server.seen) == 2


async def test_a_text_that_cannot_be_had_is_told_of(bench: MakeBench, server: Server, alone: Toolbox) -> None:
    here = await bench(toolbox=alone)

    with pytest.raises(SourceFailed, match="'house'"):
        await here.prepare(request(), at_home(system_instructions_sources=(RemoteSource("house", f"{server.url}/"),)))


async def test_tools_of_the_gateway_come_before_those_of_the_caller(
    bench: MakeBench, server: Server, alone: Toolbox
) -> None:
    here = await bench(toolbox=alone)

    prepared = await here.prepare(request(tools=(Tool("look"),)), at_home(protocol_functions=(function(server),)))

    assert [tool.name for tool in prepared.request.tools] == ["forecast", "look"]
    assert list(prepared.tools) == ["forecast"]


async def test_two_tools_of_one_name_are_one_too_many(bench: MakeBench, server: Server, alone: Toolbox) -> None:
    here = await bench(toolbox=alone)

    with pytest.raises(Invalid, match="tools must not have one that is called 'forecast'"):
        await here.prepare(request(tools=(Tool("forecast"),)), at_home(protocol_functions=(function(server),)))


async def test_skills_are_listed_and_loaded_when_called_for(bench: MakeBench, server: Server, alone: Toolbox) -> None:
    skill = SimpleNamespace(
        slug="rain", instructions="Say umbrella.", description="for rain", sources=(), allowed_tools=("forecast",)
    )

    class Skills:
        async def by_ids(self, principal: Principal, ids: object) -> list[Any]:
            return [skill]

    here = await bench(toolbox=alone, skills=Skills())
    gateway = at_home(
        system_instruction="Be brief.",
        skills=("1",),
        hide_tools_without_skill=True,
        protocol_functions=(function(server),),
    )

    prepared = await here.prepare(request(), gateway)

    before = prepared.sent(0)
    assert before.messages[0].text.startswith("Be brief.\n\n")
    assert "- rain: for rain" in before.messages[0].text
    assert [tool.name for tool in before.tools] == ["read_skill"]
    await prepared.tools["read_skill"].run({"slugs": ["rain"]})
    after = prepared.sent(1)
    assert "Say umbrella." in after.messages[0].text
    assert {tool.name for tool in after.tools} == {"read_skill", "forecast"}


async def test_calls_say_what_they_are_for_and_tools_do_not_hear_it(
    bench: MakeBench, server: Server, alone: Toolbox
) -> None:
    server.says("/forecast", "Sun.")
    here = await bench(toolbox=alone)
    gateway = at_home(protocol_functions=(function(server),), tool_invocation_explanations=True)

    prepared = await here.prepare(request(), gateway)
    await prepared.tools["forecast"].run({"_tool_reason": "asked", "_tool_goal": "weather"})

    assert {"_tool_reason", "_tool_goal"} <= prepared.request.tools[0].parameters["properties"].keys()  # type: ignore[attr-defined]  # an open schema
    assert server.seen[0].json["function"]["content"] == {}


# ---------------------------------------------------------------- workers


async def test_a_worker_rewrites_what_is_said(bench: MakeBench, server: Server, alone: Toolbox) -> None:
    acts(
        server,
        "message.received.response",
        rewrites=[
            {"type": "clear", "argument": "messages"},
            {"type": "add-message", "message": {"role": "user", "content": "Something else"}},
            {
                "type": "add-protocol-tool",
                "tool": {"name": "forecast", "description": "…", "callbackUrl": f"{server.url}/f"},
            },
        ],
    )
    here = await bench(toolbox=alone)
    gateway = at_home(worker_script_source=f"{server.url}/worker", user_prompt_template="«{prompt}»")

    prepared = await here.prepare(request(Message.user("Hi")), gateway)

    assert [message.text for message in prepared.request.messages] == ["Something else"]
    assert list(prepared.tools) == ["forecast"]
    # It hears what the model would have been told.
    assert server.seen[0].json["event"]["data"]["messages"] == [{"role": "user", "content": "«Hi»"}]


async def test_a_worker_may_stop_a_call_before_anybody_is_paid(
    bench: MakeBench, server: Server, alone: Toolbox
) -> None:
    server.says("/worker", status=403)
    here = await bench(toolbox=alone)
    gateway = at_home(
        worker_script_source=f"{server.url}/worker", moderation_parameters=Moderation(violence_threshold=1)
    )

    with pytest.raises(Forbidden, match="does not let this request pass"):
        await here.prepare(request(), gateway)

    assert here.provider.requests == []


async def test_a_worker_may_not_leave_nothing(bench: MakeBench, server: Server, alone: Toolbox) -> None:
    acts(server, "message.received.response", rewrites=[{"type": "clear"}])
    here = await bench(toolbox=alone)

    with pytest.raises(SourceFailed, match="left nothing to be asked"):
        await here.prepare(request(), at_home(worker_script_source=f"{server.url}/worker"))


async def test_a_worker_hears_of_each_call_once(bench: MakeBench, server: Server, alone: Toolbox) -> None:
    server.says("/worker", "fine")
    server.says("/forecast", "Sun.")
    here = await bench(toolbox=alone)
    gateway = at_home(worker_script_source=f"{server.url}/worker", protocol_functions=(function(server),))

    prepared = await here.prepare(request(), gateway)
    await prepared.tools["forecast"].run({})

    heard = [seen.json["event"]["name"] for seen in server.seen if seen.path == "/worker"]
    assert heard == ["message.received", "tool.called"]


# ---------------------------------------------------------------- knowledge


@pytest.fixture
async def museum(ingestion: Ingestion, principal: Principal) -> models.Collection:
    return await fill(ingestion, principal, OPENING, TICKETS)


class Knowing:
    """A gateway with the museum's collection, for a caller of its workspace."""

    def __init__(self, bench: Bench, principal: Principal, museum: models.Collection) -> None:
        self._bench, self._principal, self._museum = bench, principal, museum

    async def prepare(self, asked: Any = ASKED, **fields: Any) -> Prepared:
        fields = {"knowledge_base_minimum_score": 0.0, "knowledge_base_maximum_results": 1, **fields}
        gateway = at_home(knowledge_collections=(str(self._museum.id),), **fields)
        return await self._bench.preparing.prepare(
            replace(CALLER, principal=self._principal),
            self._bench.spec,
            gateway,
            asked,
            closing=self._bench.closing,
            bill=self._bench.bill,
        )

    async def material(self, **fields: Any) -> str:
        text = (await self.prepare(**fields)).request.messages[-1].text
        return text.rpartition("\n</knowledge-")[0].rpartition(">\n")[2]


async def test_what_is_known_comes_before_the_question(
    bench: MakeBench, principal: Principal, museum: models.Collection, retrieval: Retrieval
) -> None:
    await collections.update(principal, str(museum.id), {"context": "All about the museum"})
    here = Knowing(await bench(retrieval=retrieval), principal, museum)

    prepared = await here.prepare(system_instruction="Be brief.", user_prompt_template="«{prompt}»")

    system, question = prepared.request.messages
    assert system.text == "Be brief.\n\nThe knowledge base holds:\n- Handbook: All about the museum"
    assert "[1] opening hours\nThe museum opens at ten" in question.text
    # The gateway's own words are about the question, and not about what was found.
    assert question.text.endswith(">\n\n«When does the museum open?»")
    [logged] = await models.RetrievalLog.all()
    assert (logged.agent, logged.session_id, logged.query) == ("gateway", None, "When does the museum open?")


async def test_metadata_and_references_are_told_when_they_are_wanted(
    bench: MakeBench, principal: Principal, museum: models.Collection, retrieval: Retrieval
) -> None:
    here = Knowing(await bench(retrieval=retrieval), principal, museum)

    plain = await here.material()
    rich = await here.material(knowledge_use_references=True, knowledge_use_meta_descriptions=True)

    assert plain == "[1] opening hours\nThe museum opens at ten and closes at six."
    assert rich == (
        '[1] opening hours {"floor":2}\nThe museum opens at ten and closes at six.\n\n'
        "tickets\nA ticket costs nine euros; children pay nothing."
    )


async def test_what_scores_too_low_is_not_told(
    bench: MakeBench, principal: Principal, museum: models.Collection, retrieval: Retrieval
) -> None:
    here = Knowing(await bench(retrieval=retrieval), principal, museum)

    prepared = await here.prepare(knowledge_base_minimum_score=0.99)

    assert prepared.request.messages == ASKED.messages


async def test_nothing_is_looked_up_for_a_picture_alone(
    bench: MakeBench, principal: Principal, museum: models.Collection, retrieval: Retrieval
) -> None:
    here = Knowing(await bench(retrieval=retrieval), principal, museum)

    await here.prepare(request(Message.user("  ")))

    assert await models.RetrievalLog.all().count() == 0


TALK = request(
    *(Message.user("The museum?"), Message.assistant("Yes?"), Message.user("Its hours?"), Message.user("When?")),
    Message.assistant("Hm."),
)


@pytest.mark.parametrize(
    ("strategy", "searched"),
    [(QueryStrategy.PLAIN, "When?"), (QueryStrategy.CONCATENATE, "Its hours?\nWhen?")],
)
async def test_questions_are_made_of_what_was_said(
    bench: MakeBench,
    principal: Principal,
    museum: models.Collection,
    retrieval: Retrieval,
    strategy: QueryStrategy,
    searched: str,
) -> None:
    here = Knowing(await bench(retrieval=retrieval), principal, museum)

    await here.prepare(TALK, query_strategy=strategy, query_strategy_parameters=QueryWindows(2, 2))

    log = await models.RetrievalLog.all().first()
    assert log is not None
    assert log.query == searched


@pytest.mark.parametrize(
    ("strategy", "told"),
    [
        (QueryStrategy.USER_REWRITE, "user: Its hours?\nuser: When?"),
        (QueryStrategy.FULL_REWRITE, "assistant: Yes?\nuser: Its hours?\nuser: When?\nassistant: Hm."),
    ],
)
async def test_a_model_rewrites_the_question_and_is_paid(
    bench: MakeBench,
    principal: Principal,
    museum: models.Collection,
    retrieval: Retrieval,
    strategy: QueryStrategy,
    told: str,
) -> None:
    script = [Text("- opening hours of the museum\n"), Usage(30, 8), End(EndReason.STOP)]
    made = await bench(script, retrieval=retrieval)
    here = Knowing(made, principal, museum)

    prepared = await here.prepare(TALK, query_strategy=strategy, query_strategy_parameters=QueryWindows(2, 2))

    assert made.provider.requests[0].messages[-1].text == told
    log = await models.RetrievalLog.all().first()
    assert log is not None
    assert log.query == "opening hours of the museum\nWhen?"
    assert [(item.sku, item.quantity) for item in prepared.items] == [
        ("inference.resolving.query_rewrite.in", 30),
        ("inference.resolving.query_rewrite.out", 8),
    ]


async def test_a_question_that_nobody_rewrites_is_searched_for_as_it_is(
    bench: MakeBench, principal: Principal, museum: models.Collection, retrieval: Retrieval
) -> None:
    failing = [ProviderUnavailable("scripted", "is on fire", retry_after_seconds=60)]
    here = Knowing(await bench(failing, retrieval=retrieval), principal, museum)

    prepared = await here.prepare(query_strategy=QueryStrategy.USER_REWRITE)

    assert "The museum opens at ten" in prepared.request.messages[-1].text


async def test_the_model_may_search_itself_and_say_why(
    bench: MakeBench, principal: Principal, museum: models.Collection, retrieval: Retrieval, toolbox: Toolbox
) -> None:
    here = Knowing(await bench(retrieval=retrieval, toolbox=toolbox), principal, museum)

    prepared = await here.prepare(
        query_strategy=QueryStrategy.QUERY_FUNCTION,
        tool_invocation_explanations=True,
        knowledge_use_meta_descriptions=True,
        knowledge_use_references=True,
    )
    found = await prepared.tools["search_knowledge"].run({"terms": "opening hours", "_tool_reason": "asked"})

    assert prepared.request.messages == ASKED.messages
    assert "_tool_reason" in prepared.request.tools[0].parameters["properties"]  # type: ignore[operator]  # an open schema
    assert [(each["name"], each["metadata"], each["references"]) for each in found] == [
        ("opening hours", {"floor": 2}, ["tickets"])
    ]


async def test_what_is_found_leaves_room_for_the_conversation(
    bench: MakeBench, principal: Principal, museum: models.Collection, retrieval: Retrieval
) -> None:
    here = Knowing(await bench(retrieval=retrieval), principal, museum)

    prepared = await here.prepare(context_maximum_size=20)

    assert prepared.request.messages == ASKED.messages


async def test_a_strangers_collection_is_nobodys(
    bench: MakeBench, stranger: Principal, museum: models.Collection, retrieval: Retrieval
) -> None:
    here = Knowing(await bench(retrieval=retrieval), stranger, museum)

    prepared = await here.prepare()

    assert [message.role for message in prepared.request.messages] == [Role.USER]
    assert prepared.request.messages == ASKED.messages
