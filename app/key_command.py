"""`palaver keys create`."""

from collections.abc import Sequence

from app.runtime import only_workspace
from app.serve import database_for
from app.settings import Settings
from domain import keys
from domain.identity import KeyKind
from errors import Invalid
from models.database import Database, migrate

__all__ = ["create_key"]


async def create_key(
    settings: Settings,
    kind: str,
    label: str | None,
    domains: Sequence[str],
    source: str | None,
    expires_days: int | None,
) -> str:
    async with database_for(settings) as credentials:
        await migrate(credentials)
        database = Database(credentials)
        await database.open()
        try:
            workspace = await only_workspace()
            _, secret = await keys.create(
                workspace.id,
                _kind(kind),
                label=label,
                domains=domains,
                source=source,
                expires_days=expires_days,
            )
        finally:
            await database.close()
    return secret


def _kind(name: str) -> KeyKind:
    try:
        return KeyKind(name.upper())
    except ValueError:
        known = ", ".join(kind.value.lower() for kind in KeyKind)
        raise Invalid("kind", f"must be one of {known}") from None
