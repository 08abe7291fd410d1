import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any  # What a key is made of has any type.

import pytest

import models
from domain import keys
from domain.identity import KeyKind, Principal, PrincipalKind, Scope
from domain.keys import Keys
from errors import Forbidden, Invalid, NotFound, Unauthenticated
from models.database import connection
from tests.conftest import MakeTalk


async def test_is_shown_once_and_kept_as_a_digest(workspace: models.Workspace) -> None:
    row, secret = await keys.create(workspace.id, KeyKind.SK, label="server")

    async with connection() as bare:
        kept = str(await bare.fetch("SELECT * FROM api_keys WHERE id = $1", row.id))
    assert secret.startswith("sk-")
    assert secret not in kept
    assert secret[5:-6] not in kept
    assert row.preview == f"sk-…{secret[-6:]}"


@pytest.mark.parametrize(
    ("kind", "scope", "allowed"),
    [
        (KeyKind.OWNER, Scope.KEYS_MANAGE, True),
        (KeyKind.SK, Scope.CONVERSATIONS_WRITE, True),
        (KeyKind.SK, Scope.KEYS_MANAGE, True),
        (KeyKind.WSK, Scope.KEYS_MANAGE, False),
        (KeyKind.WSK, Scope.USAGE_READ, True),
        (KeyKind.SSK, Scope.CONVERSATIONS_READ, False),
    ],
)
async def test_opens_what_its_kind_opens(
    workspace: models.Workspace, kind: KeyKind, scope: Scope, allowed: bool
) -> None:
    _, secret = await keys.create(workspace.id, kind, source="crm")

    principal = await Keys().authenticate(secret, None)

    assert principal.workspace_id == workspace.id
    assert (scope in principal.scopes) is allowed


async def test_nobody_elses_key_is_valid(workspace: models.Workspace) -> None:
    _, secret = await keys.create(workspace.id, KeyKind.SK)
    altered = secret[:-1] + ("a" if secret[-1] != "a" else "b")

    for wrong in ("", "sk-", "sk-" + "x" * 49, altered, secret + "x", "ключ" * 13, "wsk_" + secret[3:]):
        with pytest.raises(Unauthenticated):
            await Keys().authenticate(wrong, None)


@pytest.mark.parametrize(
    "beyond", [{"expires_days": 2**31 - 1}, {"label": "x" * 300}, {"domains": ["example.com"] * 101}]
)
async def test_what_no_key_can_be_is_refused(workspace: models.Workspace, beyond: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        await keys.create(workspace.id, KeyKind.SK, **beyond)


async def test_an_expired_key_is_not_valid(workspace: models.Workspace) -> None:
    row, secret = await keys.create(workspace.id, KeyKind.SK, expires_days=1)
    await models.ApiKey.filter(id=row.id).update(expires_at=datetime.now(UTC) - timedelta(seconds=1))

    with pytest.raises(Unauthenticated):
        await Keys().authenticate(secret, None)


async def test_a_page_key_needs_its_domain(workspace: models.Workspace) -> None:
    _, secret = await keys.create(workspace.id, KeyKind.PAK, domains=["example.com"])

    known = await Keys().authenticate(secret, "https://example.com")

    assert known.kind is PrincipalKind.PAK
    for origin in (None, "null", "https://evil-example.com", "https://example.com.evil.org"):
        with pytest.raises(Forbidden):
            await Keys().authenticate(secret, origin)


async def test_a_page_key_without_domains_cannot_be_made(workspace: models.Workspace) -> None:
    with pytest.raises(Invalid, match="domain"):
        await keys.create(workspace.id, KeyKind.AAK)
    with pytest.raises(Invalid, match="source"):
        await keys.create(workspace.id, KeyKind.SSK)


async def test_revoking_reaches_every_process_at_once(
    process: MakeTalk, workspace: models.Workspace, principal: Principal
) -> None:
    row, secret = await keys.create(workspace.id, KeyKind.SK)
    async with process() as here, process() as elsewhere:
        told = asyncio.Event()
        elsewhere.keys.when_revoked = told.set
        known = await elsewhere.keys.authenticate(secret, None)
        assert await elsewhere.keys.still_opens(known)

        await keys.revoke(principal, row.id)
        await asyncio.wait_for(told.wait(), 5)

        assert not await elsewhere.keys.still_opens(known)
        for place in (here, elsewhere):
            with pytest.raises(Unauthenticated):
                await place.keys.authenticate(secret, None)


async def test_strangers_cannot_revoke(workspace: models.Workspace, principal: Principal) -> None:
    row, _ = await keys.create((await models.Workspace.create(name="other")).id, KeyKind.SK)

    with pytest.raises(NotFound):
        await keys.revoke(principal, row.id)


async def test_uses_are_written_in_one_go(workspace: models.Workspace) -> None:
    made = [await keys.create(workspace.id, KeyKind.SK) for _ in range(3)]
    seen = Keys()
    for _, secret in made:
        await seen.authenticate(secret, None)
    assert await models.ApiKey.filter(last_used_at__isnull=False).count() == 0

    await seen.write_uses()

    assert await models.ApiKey.filter(last_used_at__isnull=False).count() == 3


async def test_a_busy_key_is_written_down_now_and_then(workspace: models.Workspace, statements: list[str]) -> None:
    _, secret = await keys.create(workspace.id, KeyKind.SK)
    seen = Keys()
    await seen.authenticate(secret, None)
    await seen.write_uses(every_seconds=30)
    statements.clear()

    await seen.authenticate(secret, None)
    await seen.write_uses(every_seconds=30)

    assert statements == []
    await seen.write_uses()
    assert len(statements) == 1


async def test_who_tries_out_keys_asks_the_database_little(workspace: models.Workspace, statements: list[str]) -> None:
    """Invented ones cost nothing; those that look real, and are not, one look each."""
    _, real = await keys.create(workspace.id, KeyKind.SK)
    await models.ApiKey.all().delete()
    seen = Keys()
    statements.clear()

    for invented in ("sk-" + "x" * 49, real[:-1] + ("a" if real[-1] != "a" else "b")):
        for _ in range(20):
            await _is_refused(seen, invented)
    assert statements == []

    await asyncio.gather(*(_is_refused(seen, real) for _ in range(100)))
    for _ in range(100):
        await _is_refused(seen, real)
    assert len(statements) == 4


async def _is_refused(seen: Keys, secret: str) -> None:
    with pytest.raises(Unauthenticated):
        await seen.authenticate(secret, None)


async def test_a_new_key_is_known_at_once_where_strangers_come_in_crowds(workspace: models.Workspace) -> None:
    seen = Keys(keep=10)
    strangers = [(await keys.create(workspace.id, KeyKind.SK))[1] for _ in range(30)]
    await models.ApiKey.all().delete()
    _, secret = await keys.create(workspace.id, KeyKind.SK)

    *_, known = await asyncio.gather(*(_is_refused(seen, each) for each in strangers), seen.authenticate(secret, None))

    assert isinstance(known, Principal)
    assert len(seen._unknown) <= 10
