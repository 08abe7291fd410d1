"""Operations through the executor, as every way in runs them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any  # Variables and answers are open.

from domain.agents import Sampling
from domain.identity import Principal
from domain.published import Published
from domain.service import Service
from execution import Executor, Request, Result
from models import database
from resolvers.context import Context, Services
from schema import schema
from tests.conftest import Talk

__all__ = ["Asker", "asker"]

EXECUTOR = Executor(schema)
SERVICE = Service("0", True, "scripted", "scripted-1", Sampling())


@dataclass
class Count:
    statements: int = 0


@dataclass(frozen=True)
class Asker:
    talk: Talk
    principal: Principal

    async def __call__(self, document: str, **variables: Any) -> Result:
        return await EXECUTOR.run(EXECUTOR.prepare(Request(document)), variables, self.context())

    async def watch(self, document: str, **variables: Any) -> list[Result]:
        return [
            result async for result in EXECUTOR.stream(EXECUTOR.prepare(Request(document)), variables, self.context())
        ]

    def context(self) -> Context:
        talk = self.talk
        return Context(
            self.principal,
            Services(
                turns=talk.turns,
                service=SERVICE,
                retrieval=talk.retrieval,
                ingestion=talk.ingestion,
                providers=talk.providers,
                gateways=talk.gateways,
                skills=talk.skills,
                completions=talk.completions,
                accounts=talk.accounts,
                issuing=talk.issuing,
                budgets=talk.budgets,
                published=Published(),
            ),
        )

    @asynccontextmanager
    async def counting(self) -> AsyncIterator[Count]:
        """The statements sent to the database meanwhile."""
        count, pool = Count(), database.client()._pool
        assert pool is not None
        # All of them, so that none is opened, and not counted, on the way.
        borrowed = [await pool.acquire() for _ in range(pool.get_max_size())]
        for proxy in borrowed:
            await pool.release(proxy)
        connections = [holder._con for holder in pool._holders]  # type: ignore[attr-defined]  # asyncpg keeps them to itself

        def counted(_query: object) -> None:
            count.statements += 1

        for connection in connections:
            connection.add_query_logger(counted)
        try:
            yield count
        finally:
            for connection in connections:
                connection.remove_query_logger(counted)


def asker(talk: Talk, principal: Principal) -> Asker:
    return Asker(talk, principal)
