from typing import Any  # What a key is made of has any type.

import pytest

import models
from domain import issuing, keys
from domain.identity import KeyKind, Limits, Principal
from domain.issuing import Issuing
from domain.keys import Keys
from errors import Forbidden, Invalid, NotFound, Unauthenticated
from models.database import connection


async def known(secret: str) -> Principal:
    return await Keys().authenticate(secret, None)


@pytest.fixture
async def account(workspace: models.Workspace) -> Principal:
    """Who comes with an `sk-` key."""
    return await known((await keys.create(workspace.id, KeyKind.SK))[1])


async def test_an_accounts_own_key_makes_others(account: Principal) -> None:
    row, secret = await Issuing(Keys()).issue(account, KeyKind.SK, label="ci", expires_days=-1)

    assert (await known(secret)).workspace_id == account.workspace_id
    assert row.expires_at is None


async def test_nobody_hands_out_more_than_they_have(account: Principal, workspace: models.Workspace) -> None:
    owners, _ = await keys.create(workspace.id, KeyKind.OWNER)
    sync, _ = await keys.create(workspace.id, KeyKind.SSK, source="crm")

    for kind in (KeyKind.OWNER, KeyKind.SSK):
        with pytest.raises(Forbidden):
            await Issuing(Keys()).issue(account, kind, source="crm")
    for row in (owners, sync):
        with pytest.raises(NotFound):
            await Issuing(Keys()).withdraw(account, str(row.id))
        with pytest.raises(NotFound):
            await Issuing(Keys()).change(account, str(row.id), {"label": "mine"})
    assert {row.kind for row in await issuing.manageable_by(account)} == {"SK"}


async def test_who_is_limited_makes_no_keys_without_limits(workspace: models.Workspace) -> None:
    _, limited = await keys.create(workspace.id, KeyKind.SK, limits=Limits(requests_per_minute=1))
    row, budgeted = await keys.create(workspace.id, KeyKind.SK)
    await models.Budget.create(workspace_id=workspace.id, api_key_id=row.id, amount=1)

    for secret in (limited, budgeted):
        principal = await known(secret)
        with pytest.raises(Forbidden, match="limits or a budget"):
            await Issuing(Keys()).issue(principal, KeyKind.SK)
        with pytest.raises(Forbidden):
            await Issuing(Keys()).change(principal, str(principal.key_id), {"requests_per_minute": None})


async def test_changed_limits_count_from_the_next_call_on(account: Principal, workspace: models.Workspace) -> None:
    row, secret = await keys.create(workspace.id, KeyKind.SK, limits=Limits(requests_per_minute=1))
    seen = Keys()
    assert (await seen.authenticate(secret, None)).limits == Limits(requests_per_minute=1)

    await Issuing(seen).change(account, str(row.id), {"requests_per_minute": None, "calls_at_once": 7})

    assert (await seen.authenticate(secret, None)).limits == Limits(calls_at_once=7)
    assert account.limits is None


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"requests_per_minute": 0}, "requestsPerMinute"),
        ({"tokens_per_minute": -1}, "tokensPerMinute"),
        ({"calls_at_once": 2**31}, "callsAtOnce"),
        ({"label": "x" * 300}, "label"),
    ],
)
async def test_impossible_limits_are_refused(account: Principal, changes: dict[str, Any], named: str) -> None:
    with pytest.raises(Invalid, match=named):
        await Issuing(Keys()).change(account, str(account.key_id), changes)


async def test_a_withdrawn_key_opens_nothing(account: Principal, workspace: models.Workspace) -> None:
    row, secret = await keys.create(workspace.id, KeyKind.SK)
    seen = Keys()
    await seen.authenticate(secret, None)

    await Issuing(seen).withdraw(account, str(row.id))

    with pytest.raises(Unauthenticated):
        await seen.authenticate(secret, None)


async def test_strangers_keys_are_not_there(account: Principal, stranger: Principal) -> None:
    theirs, _ = await keys.create(stranger.workspace_id, KeyKind.SK)

    for id in (str(theirs.id), "nonsense", str(models.new_id(models.Kind.API_KEY))):
        with pytest.raises(NotFound):
            await Issuing(Keys()).withdraw(account, id)
    async with connection() as bare:
        assert await bare.fetchval("SELECT revoked_at FROM api_keys WHERE id = $1", theirs.id) is None
