"""A database of its own with a workspace in it, for the benches of knowledge."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import models
from domain.embedders import Embedders
from domain.identity import SCOPES, Principal, PrincipalKind
from engine.embeddings import Embedder
from models.database import Database, migrate
from tests.postgres import running_postgres

__all__ = ["Ground", "ground"]


@dataclass(frozen=True, slots=True)
class Ground:
    principal: Principal
    embedders: Embedders


@asynccontextmanager
async def ground(embedder: Embedder) -> AsyncIterator[Ground]:
    embedders = Embedders([embedder])
    async with running_postgres() as address:
        credentials = {
            "host": address.host,
            "port": address.port,
            "user": address.user,
            "database": "palaver",
            "password": None,
        }
        await migrate(credentials)
        database = Database(credentials)
        await database.open()
        workspace = await models.Workspace.create(name="bench")
        await embedders.offer(workspace)
        try:
            yield Ground(Principal(workspace.id, PrincipalKind.LOCAL, SCOPES[PrincipalKind.LOCAL]), embedders)
        finally:
            await database.close()
            await embedders.close()
