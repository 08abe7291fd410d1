"""The one database: opening it, migrating it, and a bare connection for the few statements that Tortoise cannot say."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any  # asyncpg records and Tortoise configurations are open dictionaries.

import asyncpg
from tortoise import Tortoise
from tortoise.backends.asyncpg.client import AsyncpgDBClient
from tortoise.config import TortoiseConfig
from tortoise.connection import get_connection
from tortoise.context import TortoiseContext
from tortoise.migrations.api.migrate import migrate as apply_migrations

__all__ = ["Database", "client_class", "configuration", "connection", "migrate"]


class Connection(asyncpg.Connection):
    """A pooled connection that is not wiped when it is given back.

    Nothing here leaves anything behind on a connection: settings and locks are those of a transaction. The wiping
    would be one more round trip for every statement.
    """

    def get_reset_query(self) -> str:
        return ""


class Client(AsyncpgDBClient):
    connection_class = Connection  # type: ignore[assignment]  # Tortoise declares the class of one record type only

    async def borrow(self) -> asyncpg.Connection:
        """A connection to keep, for listening; it ends with `terminate()`, it is not given back."""
        if self._pool is None:
            await self.create_connection(with_db=True)
        template = {key: value for key, value in self._template.items() if key not in ("min_size", "max_size", "loop")}
        return await asyncpg.connect(password=self.password, **template)  # type: ignore[arg-type]  # wider here than in the stubs

    def pool_use(self) -> tuple[int, int]:
        """Connections in use, and open."""
        if self._pool is None:
            return 0, 0
        return self._pool.get_size() - self._pool.get_idle_size(), self._pool.get_size()


# The name Tortoise looks for in an engine module.
client_class = Client


def configuration(credentials: dict[str, Any]) -> dict[str, Any]:
    """Tortoise's configuration; `credentials` are asyncpg's: host (a folder for a Unix socket), user, database, …"""
    return {
        "connections": {"default": {"engine": "models.database", "credentials": credentials}},
        "apps": {"models": {"models": ["models"], "migrations": "models.migrations", "default_connection": "default"}},
        "use_tz": True,
        "timezone": "UTC",
    }


class Database:
    """Open for as long as the process serves; every task of the process sees it."""

    def __init__(self, credentials: dict[str, Any]) -> None:
        self._credentials = credentials
        self._context: TortoiseContext | None = None

    async def open(self) -> None:
        self._context = await Tortoise.init(
            config=TortoiseConfig.from_dict(configuration(self._credentials)), _enable_global_fallback=True
        )

    async def close(self) -> None:
        if self._context is not None:
            await self._context.close_connections()
            self._context = None


def client() -> Client:
    found = get_connection("default")
    assert isinstance(found, Client)
    return found


@asynccontextmanager
async def connection() -> AsyncIterator[asyncpg.Connection]:
    """A bare asyncpg connection: the current transaction's inside of one, else one of the pool."""
    async with get_connection("default").acquire_connection() as bare:
        yield bare


async def migrate(credentials: dict[str, Any], progress: Callable[[str, str, str], object] | None = None) -> None:
    """Bring the schema up to date. Safe to start in several processes at once: the others wait for the first."""
    # Held on a connection of its own, so that it ends with the process whatever happens to it.
    keeper = await asyncpg.connect(**{k: v for k, v in credentials.items() if k not in ("minsize", "maxsize")})
    try:
        await keeper.execute("SELECT pg_advisory_lock(hashtext('palaver.migrate'))")
        await keeper.execute("CREATE EXTENSION IF NOT EXISTS vector")
        # In a task of its own: what Tortoise remembers of it must not shadow the open database here.
        await asyncio.create_task(_apply(credentials, progress))
    finally:
        await keeper.close()


async def _apply(credentials: dict[str, Any], progress: Callable[[str, str, str], object] | None) -> None:
    try:
        await apply_migrations(config=configuration(credentials), progress=progress)
    finally:
        await get_connection("default").close()
