"""Names under which several models answer."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any  # what a test leaves out or makes wrong

import pytest

import models
from domain import catalog, routes
from domain.catalog import NewModel
from domain.identity import SCOPES, Principal, PrincipalKind
from domain.providers import Providers, ProviderWire
from domain.routes import NewTarget
from domain.secrets import Secrets
from engine import ChatRequest, Engine, Message, Text
from engine.guard import Guard
from errors import Conflict, Invalid, NotFound
from tests.conftest import SECRET_KEY
from tests.upstream import Reply, Upstream


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    made = Engine()
    yield made
    await made.close()


@pytest.fixture
def providers(engine: Engine) -> Providers:
    return Providers(engine, Guard(allow_private=True), Secrets(lambda: [SECRET_KEY]))


@pytest.fixture
async def stranger() -> Principal:
    theirs = await models.Workspace.create(name="theirs")
    return Principal(theirs.id, PrincipalKind.OWNER, SCOPES[PrincipalKind.OWNER])


async def model(providers: Providers, principal: Principal, name: str, upstream: Upstream) -> str:
    provider = await providers.create(
        principal, name=f"at {name}", wire=ProviderWire.OPENAI, base_url=upstream.base_url, credential=None
    )
    return str((await catalog.add(principal, str(provider.id), NewModel(name))).id)


async def test_the_next_model_answers_for_the_first(
    providers: Providers, engine: Engine, principal: Principal, upstream: Upstream
) -> None:
    async with Upstream() as other:
        first = await model(providers, principal, "first", upstream)
        second = await model(providers, principal, "second", other)
        await routes.create(principal, "ours", [NewTarget(second, tier=1), NewTarget(first, weight=5)])
        upstream.always = Reply.error(500, "Oops")

        targets = await routes.targets_of(principal, providers, "ours")
        assert targets is not None
        events = engine.chat(targets, ChatRequest(model="ours", messages=(Message.user("Hi"),)))
        text = "".join([event.text async for event in events if isinstance(event, Text)])

    assert [(target.model, target.tier, target.weight, str(target.model_id)) for target in targets] == [
        ("first", 0, 5, first),
        ("second", 1, 1, second),
    ]
    assert text == "Hello there."
    assert [call.json["model"] for call in (*upstream.calls, *other.calls)] == ["first", "second"]


async def test_other_workspaces_have_their_own(
    providers: Providers, principal: Principal, stranger: Principal, upstream: Upstream
) -> None:
    ours = await model(providers, principal, "m", upstream)
    row = await routes.create(principal, "route", [NewTarget(ours)])

    assert await routes.targets_of(stranger, providers, "route") is None
    assert await routes.visible_to(stranger).count() == 0
    with pytest.raises(NotFound):
        await routes.update(stranger, str(row.id), name="mine")
    with pytest.raises(NotFound):
        await routes.delete(stranger, str(row.id))
    with pytest.raises(Invalid, match="names no model"):
        await routes.create(stranger, "route", [NewTarget(ours)])


async def test_a_change_replaces_the_targets_or_leaves_them(
    providers: Providers, principal: Principal, upstream: Upstream
) -> None:
    one, two = [await model(providers, principal, name, upstream) for name in ("one", "two")]
    row = await routes.create(principal, "route", [NewTarget(one)])

    await routes.update(principal, str(row.id), name="renamed")
    kept = await routes.targets_of(principal, providers, "renamed")
    await routes.update(principal, str(row.id), targets=[NewTarget(two)])
    changed = await routes.targets_of(principal, providers, "renamed")

    assert [target.model for target in kept or ()] == ["one"]
    assert [target.model for target in changed or ()] == ["two"]
    assert await routes.targets_of(principal, providers, "route") is None


async def test_goes_without_its_models_and_its_models_without_it(
    providers: Providers, principal: Principal, upstream: Upstream
) -> None:
    one, two = [await model(providers, principal, name, upstream) for name in ("one", "two")]
    row = await routes.create(principal, "route", [NewTarget(one), NewTarget(two)])

    await catalog.remove(principal, one)
    left = await routes.targets_of(principal, providers, "route")
    await catalog.remove(principal, two)
    none = await routes.targets_of(principal, providers, "route")
    await routes.delete(principal, str(row.id))

    assert [target.model for target in left or ()] == ["two"]
    assert none is None
    assert await routes.visible_to(principal).count() == 0


@pytest.mark.parametrize(
    ("name", "changes", "field"),
    [
        ("", {}, "name"),
        ("x" * 257, {}, "name"),
        ("@openai/gpt", {}, "name"),
        ("01a1f7aa-8568-7004-87d9-5083c543be38", {}, "name"),
        ("route", {"weight": 0}, "targets[0].weight"),
        ("route", {"weight": 1001}, "targets[0].weight"),
        ("route", {"tier": -1}, "targets[0].tier"),
        ("route", {"tier": 10}, "targets[0].tier"),
        ("route", {"model_id": "nothing"}, "targets[0].modelId"),
    ],
)
async def test_names_what_is_wrong(
    providers: Providers, principal: Principal, upstream: Upstream, name: str, changes: dict[str, Any], field: str
) -> None:
    target = {"model_id": await model(providers, principal, "m", upstream), **changes}

    with pytest.raises(Invalid) as caught:
        await routes.create(principal, name, [NewTarget(**target)])

    assert caught.value.field == field
    assert await routes.visible_to(principal).count() == 0


async def test_wants_some_models_and_each_once(providers: Providers, principal: Principal, upstream: Upstream) -> None:
    one = await model(providers, principal, "one", upstream)

    for targets, field in (([], "targets"), ([NewTarget(one)] * 21, "targets")):
        with pytest.raises(Invalid, match=field):
            await routes.create(principal, "route", targets)
    with pytest.raises(Invalid, match=r"targets\[1\]\.modelId names a model for a second time"):
        await routes.create(principal, "route", [NewTarget(one), NewTarget(one)])


async def test_a_name_is_given_once(providers: Providers, principal: Principal, upstream: Upstream) -> None:
    one = await model(providers, principal, "one", upstream)
    await routes.create(principal, "route", [NewTarget(one)])

    with pytest.raises(Conflict, match="'route' already"):
        await routes.create(principal, "route", [NewTarget(one)])


async def test_changes_at_the_same_time_leave_the_targets_of_one(
    providers: Providers, principal: Principal, upstream: Upstream
) -> None:
    one, two = [await model(providers, principal, name, upstream) for name in ("one", "two")]
    row = await routes.create(principal, "route", [NewTarget(one)])

    await asyncio.gather(
        *(routes.update(principal, str(row.id), targets=[NewTarget(id)]) for id in (one, two, one, two))
    )

    assert len(await routes.targets_of(principal, providers, "route") or ()) == 1
