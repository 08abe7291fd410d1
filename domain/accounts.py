"""A workspace's own settings, and the salt by which others know that a call is from it."""

import secrets as random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final  # Changes are of any column's type.
from uuid import UUID

import models
from domain.checks import check_name
from domain.identity import Principal
from domain.recent import Recent
from domain.secrets import Secrets
from errors import NotFound
from models.database import connection, transaction

__all__ = ["CHANGED", "AccountSettings", "Accounts"]

# The channel on which processes tell each other whose settings have changed.
CHANGED: Final = "palaver_workspaces"

_SALT_BYTES = 32


@dataclass(frozen=True, slots=True)
class AccountSettings:
    name: str
    allows_logging: bool
    heals_json: bool


class Accounts:
    def __init__(self, secrets: Secrets, *, keep: int = 10_000) -> None:
        self._secrets = secrets
        self._settings = Recent[AccountSettings](keep=keep)
        self._salts = Recent[str](keep=keep)

    async def settings_of(self, workspace_id: UUID) -> AccountSettings:
        known = self._settings.get(workspace_id, None)
        if known is not None:
            return known.value
        since = self._settings.changes
        row = await _find(workspace_id)
        settings = AccountSettings(row.name, row.allows_logging, row.heals_json)
        self._settings.put(workspace_id, None, settings, size=len(settings.name), since=since)
        return settings

    async def salt_of(self, workspace_id: UUID) -> str:
        """Made when it is first needed; whoever is called has to be told it before it can check us."""
        known = self._salts.get(workspace_id, None)
        if known is not None:
            return known.value
        since = self._salts.changes
        row = await _find(workspace_id)
        sealed = row.salt or await self._first_salt(workspace_id)
        salt = self._secrets.open(sealed, *_place(workspace_id))
        self._salts.put(workspace_id, None, salt, size=len(salt), since=since)
        return salt

    async def update(self, principal: Principal, changes: Mapping[str, Any]) -> models.Workspace:
        """`changes` may hold name, allows_logging and heals_json."""
        async with transaction():
            row = await _find(principal.workspace_id)
            for name, value in changes.items():
                setattr(row, name, check_name(value) if name == "name" else value)
            if changes:
                await row.save(update_fields=list(changes))
                await _announce(row.id)
        # Here at once, and not when this process hears itself.
        self.forget(str(row.id))
        return row

    async def roll_salt(self, principal: Principal) -> models.Workspace:
        """Whoever was told the old one believes us no more, at once and everywhere."""
        async with transaction():
            row = await _find(principal.workspace_id)
            row.salt = self._new_salt(row.id)
            await row.save(update_fields=["salt"])
            await _announce(row.id)
        self.forget(str(row.id))
        return row

    def forget(self, workspace_id: str) -> None:
        self._settings.forget(UUID(workspace_id))
        self._salts.forget(UUID(workspace_id))

    def forget_all(self) -> None:
        self._settings.forget_all()
        self._salts.forget_all()

    async def _first_salt(self, workspace_id: UUID) -> str:
        """Several processes may need it first: one of them makes it."""
        async with connection() as bare:
            sealed: str | None = await bare.fetchval(
                "UPDATE workspaces SET salt = coalesce(salt, $2) WHERE id = $1 RETURNING salt",
                workspace_id,
                self._new_salt(workspace_id),
            )
        if sealed is None:
            raise NotFound("workspace", workspace_id)
        return sealed

    def _new_salt(self, workspace_id: UUID) -> str:
        return self._secrets.seal(random.token_urlsafe(_SALT_BYTES), *_place(workspace_id))


def _place(workspace_id: UUID) -> tuple[object, ...]:
    return "salt", workspace_id


async def _find(workspace_id: UUID) -> models.Workspace:
    row = await models.Workspace.get_or_none(id=workspace_id)
    if row is None:
        raise NotFound("workspace", workspace_id)
    return row


async def _announce(workspace_id: UUID) -> None:
    async with connection() as bare:
        await bare.execute("SELECT pg_notify($1, $2)", CHANGED, str(workspace_id))
