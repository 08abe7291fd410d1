"""A Postgres of the tests' own, in a temporary directory."""

import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from app.postgres import Address, EmbeddedPostgres

# Nobody misses these rows after a power cut.
CARELESS: Mapping[str, str] = {"fsync": "off", "full_page_writes": "off"}


@asynccontextmanager
async def running_postgres(settings: Mapping[str, str] = CARELESS) -> AsyncGenerator[Address]:
    with tempfile.TemporaryDirectory(prefix="palaver-test-") as folder:
        server = EmbeddedPostgres(Path(folder) / "postgres", settings=settings)
        try:
            yield await server.start(lambda _: None)
        finally:
            await server.stop()
