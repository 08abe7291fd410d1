import asyncio
import importlib.util
import os
import shutil
import signal
import sys
import textwrap
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import psutil
import pytest
from tortoise.backends.base.config_generator import expand_db_url

from app.postgres import Address, DirectoryInUse, EmbeddedPostgres, PostgresFailed
from app.postgres.server import PACKAGE, Postmaster
from tests.postgres import CARELESS, running_postgres

PROJECT = Path(__file__).parents[2]


def silent(_: str) -> None:
    """For tests that do not look at the progress."""


@asynccontextmanager
async def started(directory: Path) -> AsyncGenerator[tuple[EmbeddedPostgres, Address]]:
    server = EmbeddedPostgres(directory, settings=CARELESS)
    try:
        yield server, await server.start(silent)
    finally:
        await server.stop()


async def fetch(address: Address, query: str) -> object:
    connection = await asyncpg.connect(address.dsn())
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def running_pid(directory: Path) -> int:
    postmaster = Postmaster.read(directory / "data" / "postmaster.pid")
    assert postmaster is not None
    return postmaster.pid


async def gone(pid: int) -> None:
    async with asyncio.timeout(10):
        while psutil.pid_exists(pid):
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return
            await asyncio.sleep(0.01)


@asynccontextmanager
async def another_process(directory: Path) -> AsyncGenerator[tuple[Process, str]]:
    """A process that uses the directory until it is killed, and the DSN it got."""
    program = f"""
        import asyncio
        from pathlib import Path
        from app.postgres import EmbeddedPostgres

        async def main():
            server = EmbeddedPostgres(Path({str(directory)!r}), settings={dict(CARELESS)})
            address = await server.start(lambda _: None)
            print(address.dsn(), flush=True)
            await asyncio.Event().wait()

        asyncio.run(main())
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", textwrap.dedent(program), stdout=PIPE, cwd=PROJECT
    )
    assert process.stdout is not None
    try:
        yield process, (await process.stdout.readline()).decode().strip()
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_has_vectors_and_unicode() -> None:
    async with running_postgres() as address:
        await fetch(address, "CREATE EXTENSION vector")

        assert await fetch(address, "SELECT '[1,2]'::vector <-> '[4,6]'") == 5.0
        assert await fetch(address, "SELECT lower('ÉTÉ')") == "été"
        assert await fetch(address, "SHOW server_encoding") == "UTF8"


async def test_tortoise_reads_the_same_dsn() -> None:
    address = Address("/a folder/with, oddities")

    credentials = expand_db_url(address.dsn("tests"))["credentials"]

    assert credentials["host"] == address.host
    assert (credentials["user"], credentials["database"]) == ("palaver", "tests")
    connection = expand_db_url(address.dsn())["credentials"] | {"password": None}
    assert connection["port"] == "5432"


async def test_listens_on_no_network(tmp_path: Path) -> None:
    async with started(tmp_path) as (_, address):
        addresses = await fetch(address, "SHOW listen_addresses")

        assert addresses == ""
        assert (tmp_path / "data").stat().st_mode & 0o077 == 0


async def test_keeps_rows_between_starts(tmp_path: Path) -> None:
    async with started(tmp_path) as (_, address):
        await fetch(address, "CREATE TABLE notes AS SELECT 'kept' AS text")

    said: list[str] = []
    again = EmbeddedPostgres(tmp_path, settings=CARELESS)
    address = await again.start(said.append)
    try:
        assert await fetch(address, "SELECT text FROM notes") == "kept"
        assert said == ["Starting Postgres"]
    finally:
        await again.stop()


async def test_leaves_no_process_behind(tmp_path: Path) -> None:
    async with started(tmp_path):
        pid = running_pid(tmp_path)
        family = [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]

    assert [pid for pid in family if psutil.pid_exists(pid)] == []
    assert not (tmp_path / ".s.PGSQL.5432").exists()


async def test_stops_in_time_with_a_busy_client(tmp_path: Path) -> None:
    async with started(tmp_path) as (server, address):
        connection = await asyncpg.connect(address.dsn())
        query = asyncio.create_task(connection.fetchval("SELECT pg_sleep(60)"))
        async with asyncio.timeout(5):
            while not await fetch(
                address,
                "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)' AND pid <> pg_backend_pid()",
            ):
                pass

        async with asyncio.timeout(4):
            await server.stop()

        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, ConnectionError)):
            await query


async def test_two_directories_are_two_servers(tmp_path: Path) -> None:
    async with started(tmp_path / "one") as (_, one), started(tmp_path / "two") as (_, two):
        await fetch(one, "CREATE TABLE mine ()")

        assert await fetch(one, "SELECT to_regclass('mine')::text") == "mine"
        assert await fetch(two, "SELECT to_regclass('mine')::text") is None


@pytest.mark.parametrize("name", ["long" * 60, 'comma, quote " and space', "Schlüssel 鍵"])
async def test_runs_below_any_path(tmp_path: Path, name: str) -> None:
    async with started(tmp_path / name) as (_, address):
        assert await fetch(address, "SELECT 1") == 1
        folder = Path(address.host)
        assert folder.stat().st_mode & 0o077 == 0

    assert not (folder / ".s.PGSQL.5432").exists()


async def test_survives_a_missing_runtime_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "gone"))

    async with started(tmp_path / ("long" * 60)) as (_, address):
        assert await fetch(address, "SELECT 1") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become someone else")
async def test_root_needs_no_open_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the programs nor the data of the server are where its user could go by itself."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    spec = importlib.util.find_spec(PACKAGE)
    assert spec is not None
    assert spec.origin is not None
    for part in (PACKAGE, f"{PACKAGE}.libs"):
        shutil.copytree(Path(spec.origin).parents[1] / part, closed / part, symlinks=True)
    monkeypatch.syspath_prepend(closed)

    async with started(closed / "data") as (_, address):
        assert await fetch(address, "SELECT 1") == 1
        server = psutil.Process(running_pid(closed / "data"))
        assert server.exe().startswith(str(closed))
        assert server.uids().effective != 0


async def test_refuses_a_socket_folder_that_others_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    directory = tmp_path / ("long" * 60)
    async with started(directory) as (_, address):
        folder = Path(address.host)
    folder.mkdir()
    folder.chmod(0o777)

    with pytest.raises(PostgresFailed, match="must belong to the user"):
        await EmbeddedPostgres(directory).start(silent)


async def test_a_killed_server_comes_back(tmp_path: Path) -> None:
    async with started(tmp_path) as (_, address):
        await fetch(address, "CREATE TABLE notes AS SELECT 'kept' AS text")
        pid = running_pid(tmp_path)
        os.kill(pid, signal.SIGKILL)
        await gone(pid)

        async with asyncio.timeout(10):
            while True:
                try:
                    assert await fetch(address, "SELECT text FROM notes") == "kept"
                    break
                except (OSError, asyncpg.PostgresError):
                    await asyncio.sleep(0.02)
        assert running_pid(tmp_path) != pid


async def test_a_killed_owner_takes_its_server_along(tmp_path: Path) -> None:
    async with another_process(tmp_path) as (owner, _):
        pid = running_pid(tmp_path)
        owner.kill()

        await gone(pid)


async def test_starts_after_its_owner_was_killed(tmp_path: Path) -> None:
    async with another_process(tmp_path) as (owner, dsn):
        connection = await asyncpg.connect(dsn)
        await connection.execute("CREATE TABLE notes AS SELECT 'kept' AS text")
        owner.kill()
        await owner.wait()

        async with started(tmp_path) as (_, address):
            assert await fetch(address, "SELECT text FROM notes") == "kept"
        connection.terminate()


async def test_starts_after_owner_and_server_were_killed(tmp_path: Path) -> None:
    async with another_process(tmp_path) as (owner, dsn):
        connection = await asyncpg.connect(dsn)
        await connection.execute("CREATE TABLE notes AS SELECT 'kept' AS text")
        os.kill(running_pid(tmp_path), signal.SIGKILL)
        owner.kill()
        await owner.wait()

        async with started(tmp_path) as (_, address):
            assert await fetch(address, "SELECT text FROM notes") == "kept"
        connection.terminate()


async def test_ends_a_server_that_outlived_its_owner(tmp_path: Path) -> None:
    """Where the system cannot tie a server to the life of its owner, the next owner ends it."""
    abandoned = EmbeddedPostgres(tmp_path, settings=CARELESS)
    await abandoned.start(silent)
    pid = running_pid(tmp_path)
    assert abandoned._lock is not None
    assert abandoned._watch is not None
    abandoned._watch.cancel()
    os.close(abandoned._lock)
    abandoned._lock = None

    async with started(tmp_path) as (_, address):
        assert await fetch(address, "SELECT 1") == 1
        assert running_pid(tmp_path) != pid
    await abandoned.stop()


async def test_believes_no_stale_pid(tmp_path: Path) -> None:
    """The number of a server that was killed with its machine belongs to someone else now."""
    async with started(tmp_path):
        pid_file = tmp_path / "data" / "postmaster.pid"
        before = pid_file.read_text()
    pid_file.write_text(before.replace(before.split("\n")[0], str(os.getpid()), 1))

    async with started(tmp_path) as (_, address):
        assert await fetch(address, "SELECT 1") == 1


async def test_half_made_clusters_are_made_again(tmp_path: Path) -> None:
    (tmp_path / "data.unfinished").mkdir()
    (tmp_path / "data.unfinished" / "PG_VERSION").write_text("18\n")

    async with started(tmp_path) as (_, address):
        assert await fetch(address, "SELECT 1") == 1


async def test_commands_join_the_running_server(tmp_path: Path) -> None:
    async with started(tmp_path) as (_, address):
        guest = EmbeddedPostgres(tmp_path)

        assert await guest.join(silent) == address
        await guest.ensure_database("another")
        await guest.stop()

        assert await fetch(address, "SELECT count(*) FROM pg_database WHERE datname = 'another'") == 1


async def test_commands_start_a_server_when_there_is_none(tmp_path: Path) -> None:
    alone = EmbeddedPostgres(tmp_path, settings=CARELESS)

    address = await alone.join(silent)
    pid = running_pid(tmp_path)
    assert await fetch(address, "SELECT 1") == 1
    await alone.stop()

    assert not psutil.pid_exists(pid)


async def test_a_second_owner_is_told_who_the_first_is(tmp_path: Path) -> None:
    async with another_process(tmp_path) as (owner, _):
        with pytest.raises(DirectoryInUse, match=f"in use by process {owner.pid}"):
            await EmbeddedPostgres(tmp_path).start(silent, patience_seconds=0)


async def test_says_what_postgres_said(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path, settings={"shared_buffers": "a lot"})

    with pytest.raises(PostgresFailed, match='invalid value for parameter "shared_buffers": "a lot"'):
        await server.start(silent)

    assert server._lock is None


async def test_leaves_data_of_another_version_alone(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(parents=True)
    (tmp_path / "data" / "PG_VERSION").write_text("16\n")

    with pytest.raises(PostgresFailed, match="made by Postgres 16"):
        await EmbeddedPostgres(tmp_path).start(silent)
