"""The one database: opening it, migrating it, and a bare connection for the few statements that Tortoise cannot say."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Literal, TypeVar  # asyncpg records and Tortoise configurations are open dictionaries.

import asyncpg
from tortoise import Tortoise
from tortoise.backends.asyncpg.client import AsyncpgDBClient, TransactionWrapper
from tortoise.backends.base.client import TransactionalDBClient, TransactionContext, TransactionContextPooled
from tortoise.config import TortoiseConfig
from tortoise.connection import get_connection, get_connections
from tortoise.context import TortoiseContext
from tortoise.exceptions import DBConnectionError, OperationalError
from tortoise.migrations.api.migrate import migrate as apply_migrations
from tortoise.models import Model as Row
from tortoise.transactions import in_transaction

from errors import Invalid, Unavailable

RowT = TypeVar("RowT", bound=Row)

__all__ = [
    "Database",
    "Unreachable",
    "client",
    "client_class",
    "configuration",
    "connection",
    "migrate",
    "row_of",
    "transaction",
]

# What a database that is away, starting or shutting down looks like from here.
_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.CannotConnectNowError,
    asyncpg.InsufficientResourcesError,
    # Two transactions wanted the same rows in another order; one of them has to come again.
    asyncpg.TransactionRollbackError,
    DBConnectionError,
)
# Opening a connection takes milliseconds; a server that accepts and says nothing is as good as away.
_CONNECT_SECONDS = 5.0


class Unreachable(Unavailable):
    """Trying again later may help; nothing that was asked has been done."""

    def __init__(self) -> None:
        super().__init__("The database cannot be reached at the moment", retry_after_seconds=1)


# What Postgres cannot keep as text: the character U+0000, and halves of surrogate pairs.
_UNWRITABLE = (asyncpg.CharacterNotInRepertoireError, asyncpg.UntranslatableCharacterError, UnicodeEncodeError)


def _is_unwritable(exc: BaseException | None) -> bool:
    """Whether it is, or wraps what is: asyncpg wraps what cannot be encoded, and Tortoise what asyncpg says."""
    return exc is not None and (isinstance(exc, _UNWRITABLE) or _is_unwritable(exc.__cause__))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except _AWAY as exc:
        raise Unreachable from exc
    except (*_UNWRITABLE, asyncpg.DataError, OperationalError) as exc:
        if not _is_unwritable(exc):
            raise
        raise Invalid("", "Text must not contain the character U+0000 or half a surrogate pair") from exc


class Connection(asyncpg.Connection):
    """A pooled connection that is not wiped when it is given back.

    Nothing here leaves anything behind on a connection: settings and locks are those of a transaction. The wiping
    would be one more round trip for every statement.
    """

    def get_reset_query(self) -> str:
        return ""


class Client(AsyncpgDBClient):
    connection_class = Connection  # type: ignore[assignment]  # Tortoise declares the class of one record type only

    async def _translate_exceptions(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        with _translated():
            return await super()._translate_exceptions(func, *args, **kwargs)

    def _in_transaction(self) -> TransactionContext:
        return SafeTransactionContext(TransactionClient(self), self._pool_init_lock)

    async def borrow(self) -> asyncpg.Connection:
        """A connection to keep, for listening; it ends with `terminate()`, it is not given back."""
        # Who listens may be the first to come, at the same moment as who asks.
        async with self._pool_init_lock:
            if self._pool is None:
                await self.create_connection(with_db=True)
        template = {key: value for key, value in self._template.items() if key not in ("min_size", "max_size", "loop")}
        with _translated():
            return await asyncpg.connect(password=self.password, **template)  # type: ignore[arg-type]  # wider than the stubs

    def hang_up(self) -> None:
        """For a database that does not answer: who waits for it learns that at once, and who comes next calls anew."""
        if self._pool is not None:
            # The pool could only be ended as a whole, and would leave those behind who wait for a connection.
            for holder in self._pool._holders:  # type: ignore[attr-defined]  # asyncpg keeps them to itself
                if holder._con is not None:
                    holder._con.terminate()

    def pool_use(self) -> tuple[int, int]:
        """Connections in use, and open."""
        if self._pool is None:
            return 0, 0
        return self._pool.get_size() - self._pool.get_idle_size(), self._pool.get_size()


class _TaskLock(asyncio.Lock):
    """A lock that the task which holds it may take again.

    A transaction has one connection, and rules that hold it call others that need it. With Tortoise's own lock they
    would wait for themselves.
    """

    def __init__(self) -> None:
        super().__init__()
        self._holder: asyncio.Task[Any] | None = None
        self._depth = 0

    async def acquire(self) -> Literal[True]:
        task = asyncio.current_task()
        if self._holder is not task:
            await super().acquire()
            self._holder = task
        self._depth += 1
        return True

    def release(self) -> None:
        self._depth -= 1
        if not self._depth:
            self._holder = None
            super().release()


class TransactionClient(TransactionWrapper):
    def __init__(self, parent: Client) -> None:
        super().__init__(parent)
        self._lock = _TaskLock()

    async def _translate_exceptions(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        with _translated():
            return await super()._translate_exceptions(func, *args, **kwargs)


class SafeTransactionContext(TransactionContextPooled):
    """Tortoise's own loses its connection when a task is cancelled at BEGIN: leaving clients would drain the pool."""

    async def __aenter__(self) -> TransactionalDBClient:
        await self.ensure_connection()
        pool = self.client._parent._pool
        self.client._connection = await pool.acquire()
        self.token = get_connections().set(self.connection_name, self.client)
        try:
            await self.client.begin()
        except BaseException:
            get_connections().reset(self.token)
            await pool.release(self.client._connection)
            raise
        return self.client


# The name Tortoise looks for in an engine module.
client_class = Client


def configuration(credentials: dict[str, Any]) -> dict[str, Any]:
    """Tortoise's configuration; `credentials` are asyncpg's: host (a folder for a Unix socket), user, database, …"""
    return {
        "connections": {
            "default": {"engine": "models.database", "credentials": {"timeout": _CONNECT_SECONDS} | credentials}
        },
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
    with _translated():
        async with get_connection("default").acquire_connection() as bare:
            yield bare


def row_of(kind: type[RowT], record: asyncpg.Record) -> RowT:
    """A row from a bare statement that selected all of its columns."""
    return kind._init_from_db(**record)


@asynccontextmanager
async def transaction() -> AsyncIterator[None]:
    """All or nothing, for rows and bare statements alike."""
    with _translated():
        async with in_transaction():
            yield


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
