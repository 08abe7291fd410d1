"""Providers that people set up: who may see them, where their credentials go, and turns that reach them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest

import models
from domain import catalog
from domain.catalog import NewModel
from domain.identity import Principal
from domain.providers import Providers, ProviderWire
from domain.secrets import Secrets
from domain.turns import Ask
from engine import ChatRequest, Engine, Message, Text
from engine.guard import Guard
from errors import Conflict, Invalid, NotConfigured, NotFound, ProviderFailed
from tests.conftest import SECRET_KEY, MakeTalk, Talk
from tests.engine.test_guard import Names
from tests.upstream import Gate, Reply, Upstream

OPENAI = ProviderWire.OPENAI


@pytest.fixture
async def providers(workspace: models.Workspace) -> AsyncIterator[Providers]:
    async with connecting(Guard(allow_private=True)) as made:
        yield made


@asynccontextmanager
async def connecting(guard: Guard) -> AsyncIterator[Providers]:
    engine = Engine()
    try:
        yield Providers(engine, guard, Secrets(lambda: [SECRET_KEY]))
    finally:
        await engine.close()


async def set_up(talk: Talk, principal: Principal, upstream: Upstream, credential: str = "sk-theirs") -> models.Model:
    provider = await talk.providers.create(
        principal, name="theirs", wire=OPENAI, base_url=upstream.base_url, credential=credential
    )
    return await catalog.add(principal, str(provider.id), NewModel("test-model", input_price=1, output_price=2))


async def test_a_turn_with_a_model_of_theirs_works(process: MakeTalk, principal: Principal, upstream: Upstream) -> None:
    upstream.will(Reply("From", " afar", usage={"prompt_tokens": 1_000_000, "completion_tokens": 1_000_000}))
    async with process() as here:
        model = await set_up(here, principal, upstream)
        outcome = await here.turns.reply(principal, Ask("Hi", model_id=str(model.id)))

    assert outcome.answer is not None
    assert outcome.answer.text == "From afar"
    assert outcome.turn.provider_name == "theirs"
    assert upstream.calls[0].headers["Authorization"] == "Bearer sk-theirs"
    assert (await models.UsageRecord.get(turn_id=outcome.turn.id)).cost == 3


async def test_a_change_counts_from_the_next_question_in_every_process(
    process: MakeTalk, principal: Principal, upstream: Upstream
) -> None:
    async with process() as here, process() as elsewhere:
        model = await set_up(here, principal, upstream)
        ask = Ask("Hi", model_id=str(model.id))
        await elsewhere.turns.reply(principal, ask)
        await here.providers.update(principal, str(model.provider_id), {"credential": "sk-new"})
        await elsewhere.turns.reply(principal, ask)

    assert [call.headers["Authorization"] for call in upstream.calls] == ["Bearer sk-theirs", "Bearer sk-new"]


async def test_the_default_may_be_theirs(process: MakeTalk, principal: Principal, upstream: Upstream) -> None:
    async with process() as here:
        model = await set_up(here, principal, upstream)
        await catalog.make_default(principal, str(model.id))
        outcome = await here.turns.reply(principal, Ask("Hi"))

        with pytest.raises(Conflict, match="default first"):
            await here.providers.delete(principal, str(model.provider_id))
        with pytest.raises(Conflict, match="default first"):
            await catalog.remove(principal, str(model.id))

    assert outcome.turn.model_id == model.id


async def test_what_is_being_used_is_not_deleted(process: MakeTalk, principal: Principal, upstream: Upstream) -> None:
    """Else what it says now would cost nothing."""
    gate = Gate()
    upstream.will(Reply("One", gate, " two"))
    async with process() as here:
        model = await set_up(here, principal, upstream)
        turn = await here.turns.start(principal, Ask("Hi", model_id=str(model.id)))
        await gate.reached.wait()

        with pytest.raises(Conflict, match="being made"):
            await catalog.remove(principal, str(model.id))
        with pytest.raises(Conflict, match="being made"):
            await here.providers.delete(principal, str(model.provider_id))

        await here.turns.cancel(principal, str(turn.id))
        await here.providers.delete(principal, str(model.provider_id))

    assert await models.UsageRecord.filter(turn_id=turn.id, input_price=1).exists()


async def test_theirs_answers_while_the_operators_cannot(
    process: MakeTalk, principal: Principal, upstream: Upstream
) -> None:
    async with process(problems=("No model is named",)) as here:
        model = await set_up(here, principal, upstream)
        await here.turns.reply(principal, Ask("Hi", model_id=str(model.id)))

        with pytest.raises(NotConfigured, match="No model is named"):
            await here.turns.reply(principal, Ask("Hi"))


async def test_what_is_switched_off_answers_nobody(process: MakeTalk, principal: Principal, upstream: Upstream) -> None:
    async with process(is_enabled=False) as here:
        model = await set_up(here, principal, upstream)
        with pytest.raises(NotConfigured, match="disabled"):
            await here.turns.reply(principal, Ask("Hi", model_id=str(model.id)))

    assert upstream.calls == []


async def test_a_credential_is_sealed_in_its_row(providers: Providers, principal: Principal) -> None:
    row = await providers.create(principal, name="a", wire=OPENAI, base_url="http://127.0.0.1/v1", credential=" sk-1\n")

    stored = (await models.Provider.get(id=row.id)).credential
    assert stored is not None
    assert "sk-1" not in stored
    assert repr(row).find("sk-1") == -1


@pytest.mark.parametrize(
    "base_url", ["http://127.0.0.2/v1", "https://127.0.0.1/v1", "http://127.0.0.1:81/v1", "http://localhost/v1"]
)
async def test_at_another_host_the_credential_is_forgotten(
    providers: Providers, principal: Principal, base_url: str
) -> None:
    row = await providers.create(principal, name="a", wire=OPENAI, base_url="http://127.0.0.1/v1", credential="sk-1")

    moved = await providers.update(principal, str(row.id), {"base_url": base_url})

    assert moved.credential is None


async def test_at_the_same_host_the_credential_stays(
    providers: Providers, principal: Principal, upstream: Upstream
) -> None:
    row = await providers.create(principal, name="a", wire=OPENAI, base_url=f"{upstream.origin}/v2", credential="sk-1")

    moved = await providers.update(principal, str(row.id), {"base_url": upstream.base_url, "name": "b"})

    assert moved.credential is not None
    assert await providers.test(principal, str(row.id)) == (moved, ["test-model"])


async def test_a_credential_moved_behind_our_back_is_not_sent(
    providers: Providers, principal: Principal, upstream: Upstream
) -> None:
    """Whoever can write to the table learns no key by pointing its row elsewhere."""
    row = await providers.create(principal, name="a", wire=OPENAI, base_url="http://10.0.0.1/v1", credential="sk-1")
    await models.Provider.filter(id=row.id).update(base_url=upstream.base_url)

    with pytest.raises(NotConfigured, match="another place"):
        await providers.test(principal, str(row.id))


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:9/v1", "http://[::1]/", "file:///etc/passwd", "", "http://u:p@a.example/"]
)
async def test_an_address_passes_the_guard_before_it_is_kept(
    workspace: models.Workspace, principal: Principal, address: str
) -> None:
    async with connecting(Guard(resolver=Names(["8.8.8.8"]))) as providers:
        with pytest.raises(Invalid, match="baseUrl"):
            await providers.create(principal, name="a", wire=OPENAI, base_url=address, credential=None)
        row = await providers.create(
            principal, name="a", wire=OPENAI, base_url="https://a.example/v1/", credential=None
        )
        with pytest.raises(Invalid, match="baseUrl"):
            await providers.update(principal, str(row.id), {"base_url": address})

    assert row.base_url == "https://a.example/v1"


async def test_a_name_that_turned_inwards_is_not_connected_to(
    workspace: models.Workspace, principal: Principal, upstream: Upstream
) -> None:
    async with connecting(Guard(resolver=Names(["8.8.8.8"], ["127.0.0.1"]))) as providers:
        url = upstream.base_url.replace("127.0.0.1", "a.example")
        row = await providers.create(principal, name="a", wire=OPENAI, base_url=url, credential="sk-1")
        with pytest.raises(ProviderFailed, match="no public address"):
            await providers.test(principal, str(row.id))


async def test_a_stranger_finds_nothing(providers: Providers, principal: Principal, stranger: Principal) -> None:
    row = await providers.create(principal, name="a", wire=OPENAI, base_url="http://127.0.0.1/v1", credential=None)
    model = await catalog.add(principal, str(row.id), NewModel("m"))
    missing = str(models.new_id(models.Kind.PROVIDER))

    for id in (str(row.id), missing, str(model.id), "nonsense"):
        sentence = f"There is no provider '{id}'."
        for attempt in (
            providers.update(stranger, id, {"name": "b"}),
            providers.delete(stranger, id),
            providers.test(stranger, id),
            catalog.add(stranger, id, NewModel("m")),
        ):
            with pytest.raises(NotFound) as told:
                await attempt
            assert str(told.value) == sentence
    for id in (str(model.id), missing):
        for changed in (
            catalog.update(stranger, id, {}),
            catalog.remove(stranger, id),
            catalog.make_default(stranger, id),
        ):
            with pytest.raises(NotFound, match=f"There is no model '{id}'"):
                await changed


async def test_the_operators_provider_is_changed_in_the_environment(providers: Providers, principal: Principal) -> None:
    row = await models.Provider.get(workspace_id=principal.workspace_id)

    with pytest.raises(Conflict, match="environment"):
        await providers.update(principal, str(row.id), {"base_url": "http://127.0.0.1/"})
    with pytest.raises(Conflict, match="environment"):
        await providers.delete(principal, str(row.id))


async def test_two_of_one_name_are_one_too_many(providers: Providers, principal: Principal) -> None:
    row = await providers.create(principal, name="a", wire=OPENAI, base_url="http://127.0.0.1/v1", credential=None)
    await catalog.add(principal, str(row.id), NewModel("m"))

    with pytest.raises(Conflict, match="already"):
        await providers.create(principal, name=" a ", wire=OPENAI, base_url="http://127.0.0.1/v1", credential=None)
    with pytest.raises(Conflict, match="already"):
        await catalog.add(principal, str(row.id), NewModel("m"))
    with pytest.raises(Conflict, match="already"):
        await providers.update(principal, str(row.id), {"name": "scripted"})


async def test_the_catalog_describes_a_model_at_its_vendor(workspace: models.Workspace, principal: Principal) -> None:
    async with connecting(Guard(resolver=Names(["8.8.8.8"]))) as providers:
        row = await providers.create(
            principal, name="a", wire=OPENAI, base_url="https://api.openai.com/v1", credential="sk-1"
        )
        told = await catalog.add(principal, str(row.id), NewModel("gpt-4o", output_price=0))
        unknown = await catalog.add(principal, str(row.id), NewModel("gpt-of-tomorrow"))
        remembering = await catalog.add(principal, str(row.id), NewModel("gpt-4o-mini", cached_price=0))

    assert (told.vendor, told.context_window) == ("OpenAI", 128_000)
    assert (told.input_price, told.output_price, told.cached_price) == (Decimal("2.5"), Decimal(0), Decimal("1.25"))
    assert remembering.cached_price == 0
    assert (unknown.vendor, unknown.context_window, unknown.input_price) == ("unknown", None, None)


@pytest.mark.parametrize(
    "new",
    [
        NewModel(""),
        NewModel("x" * 257),
        NewModel("m", context_window=0),
        NewModel("m", input_price=-1),
        NewModel("m", output_price=float("nan")),
        NewModel("m", output_price=float("inf")),
        NewModel("m", cached_price=-1),
    ],
)
async def test_what_no_model_can_be_is_refused(providers: Providers, principal: Principal, new: NewModel) -> None:
    row = await models.Provider.get(workspace_id=principal.workspace_id)

    with pytest.raises(Invalid):
        await catalog.add(principal, str(row.id), new)


async def test_connections_are_bounded(workspace: models.Workspace, principal: Principal) -> None:
    engine = Engine()
    providers = Providers(engine, Guard(allow_private=True), Secrets(lambda: [SECRET_KEY]), keep=2)
    rows = [
        await providers.create(principal, name=str(n), wire=OPENAI, base_url="http://127.0.0.1/v1", credential=None)
        for n in range(3)
    ]

    for row in (*rows, rows[1]):
        providers.reach(row)

    assert sorted(engine.names) == sorted([str(rows[2].id), str(rows[1].id)])
    await engine.close()


async def test_more_calls_than_it_takes_are_not_sent_at_once(
    providers: Providers, principal: Principal, upstream: Upstream
) -> None:
    row = await providers.create(
        principal, name="theirs", wire=OPENAI, base_url=upstream.base_url, credential=None, calls_at_once=1
    )
    upstream.will(Reply(gate := Gate(), "One"), Reply("Two"))
    question = ChatRequest(model="test-model", messages=(Message.user("Hi"),))

    async def answer() -> str:
        events = providers._engine.chat(providers.reach(row), question)
        return "".join([event.text async for event in events if isinstance(event, Text)])

    first = asyncio.ensure_future(answer())
    await gate.reached.wait()
    second = asyncio.ensure_future(answer())
    await asyncio.sleep(0)
    assert len(upstream.calls) == 1
    gate.open()

    assert [await first, await second] == ["One", "Two"]


@pytest.mark.parametrize("calls", [0, -1, 10_001])
async def test_wants_a_sensible_number_of_calls(providers: Providers, principal: Principal, calls: int) -> None:
    with pytest.raises(Invalid, match="callsAtOnce"):
        await providers.create(
            principal,
            name="theirs",
            wire=OPENAI,
            base_url="https://example.com/v1",
            credential=None,
            calls_at_once=calls,
        )
