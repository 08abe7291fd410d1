from typing import Any  # asyncpg's loggers are told of records of its own.

import asyncpg
import pytest

from models.database import Connection


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every statement that is sent to the database from now on."""
    sent: list[str] = []
    for name in ("execute", "fetch", "fetchrow", "fetchval"):
        _note(monkeypatch, name, sent)
    return sent


def _note(monkeypatch: pytest.MonkeyPatch, name: str, sent: list[str]) -> None:
    ask = getattr(asyncpg.Connection, name)

    async def noted(self: Any, query: str, *args: Any, **kwargs: Any) -> Any:
        sent.append(query)
        return await ask(self, query, *args, **kwargs)

    monkeypatch.setattr(Connection, name, noted, raising=False)
