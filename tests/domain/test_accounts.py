import asyncio

import pytest

import models
from domain import accounts
from domain.accounts import Accounts, AccountSettings
from domain.identity import Principal
from domain.notifications import Listener
from domain.secrets import Secrets
from errors import Invalid
from models.database import connection
from tests.conftest import SECRET_KEY


@pytest.fixture
def known() -> Accounts:
    return Accounts(Secrets(lambda: [SECRET_KEY]))


async def test_settings_are_what_was_last_said(principal: Principal, known: Accounts) -> None:
    assert await known.settings_of(principal.workspace_id) == AccountSettings("local", True, False)

    await known.update(principal, {"name": " Shop ", "allows_logging": False})
    assert await known.settings_of(principal.workspace_id) == AccountSettings("Shop", False, False)

    await known.update(principal, {"heals_json": True})
    assert await known.settings_of(principal.workspace_id) == AccountSettings("Shop", False, True)


async def test_a_change_reaches_every_process(principal: Principal, known: Accounts) -> None:
    elsewhere = Accounts(Secrets(lambda: [SECRET_KEY]))
    heard = asyncio.Event()

    def forget(workspace_id: str) -> None:
        elsewhere.forget(workspace_id)
        heard.set()

    listener = Listener({accounts.CHANGED: forget}, resumed=elsewhere.forget_all)
    listener.open()
    await listener.listening.wait()
    assert (await elsewhere.settings_of(principal.workspace_id)).allows_logging

    await known.update(principal, {"allows_logging": False})

    await asyncio.wait_for(heard.wait(), 5)
    assert not (await elsewhere.settings_of(principal.workspace_id)).allows_logging
    await listener.close()


async def test_a_workspace_is_not_nameless(principal: Principal, known: Accounts) -> None:
    with pytest.raises(Invalid, match="name must not be empty"):
        await known.update(principal, {"name": " "})


async def test_a_salt_is_made_once_and_kept_sealed(principal: Principal, known: Accounts) -> None:
    elsewhere = Accounts(Secrets(lambda: [SECRET_KEY]))

    salts = await asyncio.gather(*(each.salt_of(principal.workspace_id) for each in (known, elsewhere, known)))

    [salt] = set(salts)
    assert len(salt) >= 43
    async with connection() as bare:
        kept = await bare.fetchval("SELECT salt FROM workspaces WHERE id = $1", principal.workspace_id)
    assert salt not in kept


async def test_a_rolled_salt_is_another(principal: Principal, stranger: Principal, known: Accounts) -> None:
    before, theirs = await known.salt_of(principal.workspace_id), await known.salt_of(stranger.workspace_id)

    await known.roll_salt(principal)

    assert await known.salt_of(principal.workspace_id) != before
    assert await known.salt_of(stranger.workspace_id) == theirs != before


async def test_a_salt_opens_nowhere_else(principal: Principal, stranger: Principal, known: Accounts) -> None:
    await known.salt_of(principal.workspace_id)
    row = await models.Workspace.get(id=principal.workspace_id)
    await models.Workspace.filter(id=stranger.workspace_id).update(salt=row.salt)

    with pytest.raises(Exception, match="saved for another place"):
        await known.salt_of(stranger.workspace_id)
