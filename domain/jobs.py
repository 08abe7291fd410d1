"""Background work, kept in Postgres: a job is there exactly when the rows it is about are."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta

import asyncpg
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain.errors import FailingListenerError, RetryRequested
from pgqueuer.domain.models import Job
from pgqueuer.domain.settings import DBSettings
from pgqueuer.domain.types import Channel

from models import database

__all__ = ["Jobs", "Work", "enqueue", "is_waiting"]

_logger = logging.getLogger(__name__)

# pgqueuer would read each of these names from the environment, also under names as common as CHANNEL and FUNCTION.
_SETTINGS = DBSettings(
    prefix="",
    db_schema=None,
    channel=Channel("ch_pgqueuer"),
    function="fn_pgqueuer_changed",
    statistics_table="pgqueuer_statistics",
    queue_status_type="pgqueuer_status",
    queue_table="pgqueuer",
    queue_table_log="pgqueuer_log",
    trigger="tg_pgqueuer_changed",
    schedules_table="pgqueuer_schedules",
)

# What the queue sees of a database that has gone: it uses its connection bare.
_AWAY = (
    database.Unreachable,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    FailingListenerError,
    OSError,
)
_RETRY_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60
# How long the last words to the queue may take when the process ends.
_CLOSING_SECONDS = 2
_KEEP_LOG_DAYS = 7


async def enqueue(bare: asyncpg.Connection, name: str, payloads: Sequence[bytes], *, after_seconds: float = 0) -> None:
    """Part of the transaction that the connection is in: with it, or not at all."""
    if payloads:
        many = len(payloads)
        after = [timedelta(seconds=after_seconds)] * many
        await _queries(bare).enqueue([name] * many, list(payloads), [0] * many, list(after))


async def is_waiting(bare: asyncpg.Connection, name: str) -> bool:
    """Whether there are jobs of this name that nobody has begun with."""
    found: bool = await bare.fetchval(
        f"SELECT EXISTS (SELECT FROM {_SETTINGS.queue_table} WHERE entrypoint = $1 AND status = 'queued')", name
    )
    return found


def _queries(bare: asyncpg.Connection) -> Queries:
    return Queries(
        AsyncpgDriver(bare), qbe=QueryBuilderEnvironment(settings=_SETTINGS), qbq=QueryQueueBuilder(settings=_SETTINGS)
    )


# What a job does with its payload. `is_last_try` says that nobody will try again when it raises.
Work = Callable[[bytes, bool], Awaitable[None]]


class Jobs:
    """Runs the jobs of this process, over a connection of its own.

    A job may run more than once: whoever runs it says so every few seconds, and one that falls silent is taken over by
    others after `takeover_seconds`.
    """

    def __init__(
        self,
        work: Mapping[str, Work],
        *,
        at_once: int = 2,
        takeover_seconds: float = 10,
        look_again_seconds: float = 10,
        tries: int = 6,
    ) -> None:
        self._work, self._at_once, self._tries = work, at_once, tries
        self._takeover = timedelta(seconds=takeover_seconds)
        self._look_again = timedelta(seconds=look_again_seconds)
        self._running: set[asyncio.Task[None]] = set()
        self._manager: QueueManager | None = None
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        self._closing = False
        self._task = asyncio.create_task(self._keep_running(), name="jobs")

    async def close(self) -> None:
        """What runs is broken off and given back: somebody else does it, or this process after its next start."""
        self._closing = True
        if self._task is None:
            return
        for running in self._running:
            running.cancel()
        if self._manager is not None:
            self._manager.shutdown.set()
        done, _ = await asyncio.wait([self._task], timeout=_CLOSING_SECONDS)
        if not done:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._task = None

    async def _keep_running(self) -> None:
        while not self._closing:
            try:
                await self._run()
            except _AWAY as exc:
                _logger.warning("jobs wait for the database: %s", exc)
            except Exception:  # A queue that has fallen over is set up again.
                _logger.exception("the job queue failed")
            if not self._closing:
                await asyncio.sleep(_RETRY_SECONDS)

    async def _run(self) -> None:
        bare = await database.client().borrow()
        try:
            await bare.execute(
                "DELETE FROM pgqueuer_log WHERE created < now() - make_interval(days => $1)", _KEEP_LOG_DAYS
            )
            manager = self._manager = QueueManager(_queries(bare), Channel(_SETTINGS.channel))
            for name, work in self._work.items():
                manager.entrypoint(name, accepts_context=False)(self._entry(name, work))
            if self._closing:
                return
            await manager.run(
                batch_size=1,
                dequeue_timeout=self._look_again,
                max_concurrent_tasks=max(self._at_once, 2),
                shutdown_on_listener_failure=True,
                heartbeat_timeout=self._takeover,
            )
        finally:
            self._manager = None
            bare.terminate()

    def _entry(self, name: str, work: Work) -> Callable[[Job], Awaitable[None]]:
        async def run(job: Job) -> None:
            # In a task of its own: a cancelled job of pgqueuer's would be struck off, and ours are only put off.
            is_last_try = job.attempts + 1 >= self._tries
            running = asyncio.ensure_future(work(job.payload or b"", is_last_try))
            self._running.add(running)
            try:
                await asyncio.wait([running])
            finally:
                self._running.discard(running)
                running.cancel()
            if running.cancelled():
                raise RetryRequested(delay=timedelta(0), reason="the process is closing")
            if (error := running.exception()) is None:
                return
            if is_last_try:
                raise error
            _logger.warning("job %s will be tried again: %s", name, error)
            raise RetryRequested(delay=_pause(job.attempts), reason=str(error)) from error

        return run


def _pause(attempts: int) -> timedelta:
    return timedelta(seconds=min(2**attempts, _LONGEST_PAUSE_SECONDS))
