"""Whose the server is, and what its owner does for it."""

import asyncio
import fcntl
import logging
import os
import pwd
import shutil
import signal
import time
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import asyncpg

from app.postgres import server
from app.postgres.address import ROLE, Address, socket_folder
from app.postgres.failures import DirectoryInUse, PostgresFailed

_logger = logging.getLogger("palaver.postgres")

# Tuned for a machine that also runs the model. Everything else is as Postgres ships it: fsync is on.
SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "io_method": "sync",
    "max_wal_size": "256MB",
    "jit": "off",
    "log_checkpoints": "off",
    "timezone": "UTC",
}
_LARGEST_LOG_BYTES = 8 * 2**20
_LAUNCH_PAUSES_SECONDS = (0.1, 0.3, 0.6, 1, 2, 3, 0)


class EmbeddedPostgres:
    """One Postgres per directory, owned by one process at a time, which keeps it alive and ends it.

    The kernel decides who owns it (`flock`), so a killed owner is known to be gone. Its server ends with it where the
    system can arrange that (Linux), and is ended by the next owner where not.
    """

    def __init__(self, directory: Path, *, settings: Mapping[str, str] | None = None) -> None:
        self._directory = directory.resolve()
        self._cluster = self._directory / "data"
        self._log = self._directory / "log"
        self._settings = {**SETTINGS, **(settings or {})}
        self._lock: int | None = None
        self._process: Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._address: Address | None = None

    async def start(self, progress: Callable[[str], None], *, patience_seconds: float = 5) -> Address:
        """Own the directory and serve from it; for the process that runs the platform."""
        give_up = time.monotonic() + patience_seconds
        while not self._own():
            # A short command may be using the directory on its own; a server will not go away.
            if time.monotonic() > give_up:
                raise DirectoryInUse(self._directory, self._owner())
            await asyncio.sleep(0.05)
        try:
            return await self._serve(progress)
        except BaseException:
            await self.stop()
            raise

    async def join(self, progress: Callable[[str], None], *, patience_seconds: float = 60) -> Address:
        """Use the server that another process owns, or own one for as long as nobody else does; for short commands."""
        give_up = time.monotonic() + patience_seconds
        while time.monotonic() < give_up:
            if self._own():
                return await self.start(progress)
            postmaster = server.Postmaster.read(self._cluster / "postmaster.pid")
            if postmaster is not None and postmaster.ready and server.is_server(postmaster.pid, self._cluster):
                self._address = Address(postmaster.socket_folder)
                # Its owner may be leaving: then it is our turn to own.
                with suppress(OSError, asyncpg.PostgresError):
                    await self.ensure_database(ROLE)
                    return self._address
            await asyncio.sleep(0.05)
        raise DirectoryInUse(self._directory, self._owner())

    async def stop(self) -> None:
        """End the server if it is ours; a joined one stays."""
        if self._watch is not None:
            self._watch.cancel()
            # It may be starting a server at this very moment, and has to end that one first.
            await asyncio.wait([self._watch])
            self._watch = None
        if self._process is not None:
            await server.end(self._process)
            self._process = None
        if self._lock is not None:
            self._release(self._lock)
            self._lock = None
        self._address = None

    async def ensure_database(self, name: str) -> None:
        if self._address is None:
            raise PostgresFailed("The embedded Postgres has not been started.")
        connection = await asyncpg.connect(self._address.dsn("postgres"))
        try:
            if not await connection.fetchval("SELECT count(*) FROM pg_database WHERE datname = $1", name):
                quoted = name.replace('"', '""')
                # Two commands may want the same database at the same moment.
                with suppress(asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
                    await connection.execute(f'CREATE DATABASE "{quoted}"')
        finally:
            await connection.close()

    def _own(self) -> bool:
        if self._lock is not None:
            return True
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except PermissionError as exc:
            raise PostgresFailed(f"{self._directory} belongs to another user of this machine.") from exc
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return False
        os.ftruncate(lock, 0)
        os.write(lock, str(os.getpid()).encode())
        self._lock = lock
        return True

    def _release(self, lock: int) -> None:
        if self._address is not None and self._address.host != str(self._directory):
            with suppress(OSError):
                os.rmdir(self._address.host)
        os.close(lock)

    def _owner(self) -> str:
        return (self._directory / "lock").read_text()

    async def _serve(self, progress: Callable[[str], None]) -> Address:
        await self._end_leftover()
        if not self._cluster.exists():
            progress("Creating the database")
            await self._create_cluster()
        version = (self._cluster / "PG_VERSION").read_text().strip()
        if version != server.VERSION:
            raise PostgresFailed(f"{self._cluster} was made by Postgres {version}, this is Postgres {server.VERSION}.")
        self._address = Address(socket_folder(self._directory))
        progress("Starting Postgres")
        self._process = await self._launch(self._address)
        self._watch = asyncio.create_task(self._keep_alive(self._address), name="embedded-postgres")
        await self.ensure_database(ROLE)
        return self._address

    async def _end_leftover(self) -> None:
        """Where the system could not end a server together with its killed owner, end it now."""
        postmaster = server.Postmaster.read(self._cluster / "postmaster.pid")
        if postmaster is not None and server.is_server(postmaster.pid, self._cluster):
            await asyncio.to_thread(server.end_stranger, postmaster.pid, self._cluster)

    async def _create_cluster(self) -> None:
        # Made beside and renamed when complete: a half-made cluster is never taken for a database.
        unfinished = self._cluster.with_name("data.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(unfinished, nobody.pw_uid, nobody.pw_gid)
        locale = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        command = [server.program("initdb"), f"--pgdata={unfinished}", f"--username={ROLE}", "--auth=trust", *locale]
        if self._settings.get("fsync") == "off":
            command.append("--no-sync")
        initdb = await asyncio.create_subprocess_exec(
            *server.unprivileged(unfinished),
            *command,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            start_new_session=True,
        )
        try:
            output, _ = await initdb.communicate()
        finally:
            if initdb.returncode is None:
                os.killpg(initdb.pid, signal.SIGKILL)
        if initdb.returncode != 0:
            raise PostgresFailed(f"Postgres could not create {self._cluster}:\n{output.decode(errors='replace')}")
        unfinished.rename(self._cluster)

    async def _launch(self, address: Address) -> Process:
        """Start the server and wait until it accepts connections."""
        for pause_seconds in _LAUNCH_PAUSES_SECONDS:
            process = await self._spawn(address)
            try:
                if await self._became_ready(process):
                    return process
            except BaseException:
                await server.end(process)
                raise
            # The children of a killed server hold its shared memory for a moment longer, on a busy machine for seconds.
            await asyncio.sleep(pause_seconds)
        last_lines = self._log.read_text(errors="replace").splitlines()[-8:]
        raise PostgresFailed(f"Postgres does not start. The end of {self._log}:\n" + "\n".join(last_lines))

    async def _spawn(self, address: Address) -> Process:
        if self._log.exists() and self._log.stat().st_size > _LARGEST_LOG_BYTES:
            self._log.replace(self._log.with_name("log.old"))
        settings = {**self._settings, "unix_socket_directories": f'"{address.host}"'}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._forget_predecessor(address)
        with self._log.open("ab") as output:
            # A session of its own: Ctrl-C in a terminal reaches us, and we end the server when its users are done.
            return await asyncio.create_subprocess_exec(
                *server.unprivileged(self._cluster),
                server.program("postgres"),
                "-D",
                str(self._cluster),
                *options,
                stdin=DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def _forget_predecessor(self, address: Address) -> None:
        # Postgres would take any live process with the old number, also an unreaped one, for its predecessor and give
        # up. We hold the lock and know better.
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)
        (Path(address.host) / ".s.PGSQL.5432.lock").unlink(missing_ok=True)

    async def _became_ready(self, process: Process) -> bool:
        while process.returncode is None:
            postmaster = server.Postmaster.read(self._cluster / "postmaster.pid")
            if postmaster is not None and postmaster.ready:
                return True
            await asyncio.sleep(0.01)
        return False

    async def _keep_alive(self, address: Address) -> None:
        while self._process is not None:
            status = await self._process.wait()
            _logger.error("Postgres ended unexpectedly with status %s; starting it again", status)
            try:
                self._process = await self._launch(address)
            except PostgresFailed:
                _logger.exception("Postgres does not come back")
                await asyncio.sleep(5)
