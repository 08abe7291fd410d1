"""What is heard from the database, and what happens when nothing is."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any  # Credentials are an open dictionary.

import pytest

from domain import notifications
from domain.notifications import Listener
from models.database import Database, Unreachable, connection


class Line:
    """A connection to the database that can go silent without breaking, as when its machine hangs."""

    def __init__(self, credentials: dict[str, Any]) -> None:
        self._address = f"{credentials['host']}/.s.PGSQL.{credentials['port']}"
        self.alive = asyncio.Event()
        self.alive.set()

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_unix_connection(self._address)
        await asyncio.gather(self._carry(reader, there[1]), self._carry(there[0], writer))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(65536):
                await self.alive.wait()
                writer.write(piece)
        except ConnectionError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def over_a_line(credentials: dict[str, Any]) -> AsyncIterator[Line]:
    line = Line(credentials)
    async with await asyncio.start_server(line.connect, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        opened = Database(credentials | {"host": host, "port": port})
        await opened.open()
        try:
            yield line
        finally:
            line.alive.set()
            await opened.close()


async def ask() -> object:
    async with connection() as bare:
        return await bare.fetchval("SELECT 1")


async def test_nobody_waits_for_a_database_that_hangs(
    database: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "_PULSE_SECONDS", 0.05)
    monkeypatch.setattr(notifications, "_ANSWER_SECONDS", 0.05)
    resumed = asyncio.Event()
    async with over_a_line(database) as line:
        listener = Listener({}, resumed=resumed.set)
        listener.open()
        async with asyncio.timeout(10):
            await listener.listening.wait()

            line.alive.clear()
            with pytest.raises(Unreachable):
                await ask()
            line.alive.set()
            await resumed.wait()
            assert await ask() == 1
        await listener.close()
