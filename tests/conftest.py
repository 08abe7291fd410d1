"""What nearly every test needs: a real Postgres, an empty workspace, and turns over a scripted model."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any  # Tortoise's credentials are an open dictionary.
from uuid import uuid4

import asyncpg
import numpy as np
import pytest
from hypothesis import settings as generation

import models
from app.postgres import Address
from domain import catalog
from domain.accounts import CHANGED as ACCOUNTS_CHANGED
from domain.accounts import Accounts
from domain.admission import Admission
from domain.budgets import Budgets
from domain.catalog import Offer
from domain.completions.call import Means
from domain.completions.completions import Completions
from domain.completions.names import Names
from domain.embedders import Embedders
from domain.gateways.rows import CHANGED, Gateways
from domain.healing import Healer
from domain.holds import CHANGED as BUDGETS_CHANGED
from domain.holds import Holds
from domain.identity import SCOPES, Principal, PrincipalKind
from domain.ingestion import Ingestion
from domain.issuing import Issuing
from domain.keys import Keys
from domain.ledger import Ledger
from domain.preparing import Preparing
from domain.providers import Providers
from domain.rates import Rates
from domain.retrieval import Retrieval
from domain.secrets import Secrets
from domain.skills import Skills
from domain.tools.nonce import Nonces
from domain.tools.toolbox import Toolbox
from domain.turns import Housekeeping, Options, TurnLog, Turns
from domain.turns.housekeeping import Remembers
from engine import Engine
from engine.embeddings import Purpose, Vectors
from engine.guard import Guard
from engine.testing import ScriptedProvider
from engine.wordllama import WordLlama
from models.database import Database, migrate
from tests.postgres import running_postgres
from tests.serving import Served, serving
from tests.upstream import Upstream

# The same examples each time: what fails for the first time was changed just now.
generation.register_profile("steady", derandomize=True)
generation.load_profile("steady")


def pytest_collection_finish() -> None:
    """What all tests share is not looked through again and again, while some of them watch the clock."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
async def postgres() -> AsyncIterator[Address]:
    async with running_postgres() as address:
        yield address


@pytest.fixture(scope="session")
async def template(postgres: Address) -> str:
    """A migrated, empty database; others are copied from it."""
    await postgres_execute(postgres, "CREATE DATABASE template_palaver")
    await migrate(credentials(postgres, "template_palaver"))
    return "template_palaver"


class Stock:
    """Databases of one test each: while a test runs, the next one's is made, and the last one's is thrown away."""

    def __init__(self, address: Address, template: str) -> None:
        self._address, self._template = address, template
        self._next: asyncio.Task[str] | None = None
        self._leaving: set[asyncio.Task[None]] = set()

    async def take(self) -> str:
        made = self._next or asyncio.create_task(self._make())
        self._next = None
        name = await made
        self._next = asyncio.create_task(self._make())
        return name

    def leave(self, name: str) -> None:
        task = asyncio.create_task(postgres_execute(self._address, f"DROP DATABASE {name} WITH (FORCE)"))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def close(self) -> None:
        await asyncio.gather(*self._leaving, *([self._next] if self._next else []))

    async def _make(self) -> str:
        name = f"test_{uuid4().hex}"
        await postgres_execute(self._address, f"CREATE DATABASE {name} TEMPLATE {self._template} STRATEGY WAL_LOG")
        return name


@pytest.fixture(scope="session")
async def stock(postgres: Address, template: str) -> AsyncIterator[Stock]:
    stock = Stock(postgres, template)
    yield stock
    await stock.close()


@pytest.fixture
async def database(postgres: Address, stock: Stock) -> AsyncIterator[dict[str, Any]]:
    """A database of this test's own, open; its credentials are for other processes."""
    name = await stock.take()
    opened = Database(credentials(postgres, name))
    await opened.open()
    try:
        yield credentials(postgres, name)
    finally:
        await opened.close()
        stock.leave(name)


@pytest.fixture
async def workspace(database: dict[str, Any]) -> models.Workspace:
    created = await models.Workspace.create(name="local")
    await catalog.offer(created, OFFER)
    await EMBEDDERS.offer(created)
    return created


@pytest.fixture
def principal(workspace: models.Workspace) -> Principal:
    return principal_of(workspace)


class ShortVectors:
    """Another space than the built-in embedder's, for tests of changing between two."""

    name = "short-8"
    provider, model = "tests", "short"

    async def dimension(self) -> int:
        return 8

    async def embed(self, texts: Sequence[str], purpose: Purpose = Purpose.DOCUMENT) -> Vectors:
        rows = np.array([np.frombuffer(sha256(text.encode()).digest()[:8], np.uint8) for text in texts], np.float32)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)

    async def close(self) -> None:
        pass


# The weights are read once for all tests.
EMBEDDERS = Embedders([WordLlama(), ShortVectors()])

SECRET_KEY = "A" * 43 + "="

OFFER = Offer("scripted", "openai", "http://127.0.0.1:9", "scripted-1", "Scripted", context_window=8192)


def principal_of(workspace: models.Workspace) -> Principal:
    return Principal(workspace.id, PrincipalKind.LOCAL, SCOPES[PrincipalKind.LOCAL])


@dataclass(frozen=True)
class Talk:
    """Turns as one process has them, over a model that plays back a script."""

    turns: Turns
    housekeeping: Housekeeping
    keys: Keys
    provider: ScriptedProvider
    retrieval: Retrieval
    # Not open: whoever wants documents to be indexed opens it.
    ingestion: Ingestion
    providers: Providers
    gateways: Gateways
    skills: Skills
    completions: Completions
    ledger: Ledger
    accounts: Accounts
    issuing: Issuing
    budgets: Budgets


MakeTalk = Callable[..., AbstractAsyncContextManager[Talk]]


@pytest.fixture
def process(workspace: models.Workspace) -> MakeTalk:
    """Several of these beside each other behave like several processes: they share nothing but the database."""

    @asynccontextmanager
    async def start(
        provider: ScriptedProvider | None = None,
        caches: Mapping[str, Remembers] | None = None,
        problems: tuple[str, ...] = (),
        **options: Any,
    ) -> AsyncIterator[Talk]:
        provider = provider or ScriptedProvider()
        engine, log, keys = Engine({"scripted": provider}), TurnLog(), Keys()
        retrieval = Retrieval(EMBEDDERS)
        guard, secrets = Guard(allow_private=True), Secrets(lambda: [SECRET_KEY])
        providers, gateways = Providers(engine, guard, secrets), Gateways(guard, secrets)
        skills = Skills(guard, secrets)
        owner = uuid4()
        holds, rates = Holds(owner), Rates(owner)
        ledger, accounts = Ledger(holds, rates), Accounts(secrets)
        names, nonces = Names(providers, gateways, problems), Nonces(accounts.salt_of)
        preparing = Preparing(
            engine,
            retrieval,
            toolbox=Toolbox(guard, nonces, retrieval),
            skills=skills,
            models=names,
            guard=guard,
        )
        admission = Admission(holds, rates, check=ledger.check)
        completions = Completions(Means(engine, names, preparing, admission, ledger, accounts, Healer(engine)))
        turns = Turns(
            *(engine, log, Options(**options)),
            names=names,
            preparing=preparing,
            admission=admission,
            owner=owner,
        )
        remembering: dict[str, Remembers] = {CHANGED: gateways, ACCOUNTS_CHANGED: accounts, BUDGETS_CHANGED: holds}
        housekeeping = Housekeeping(turns, keys, caches=remembering | dict(caches or {}))
        log.open()
        ledger.open()
        housekeeping.open()
        try:
            await asyncio.wait_for(housekeeping.listening(), 5)
            yield Talk(
                turns,
                housekeeping,
                keys,
                provider,
                retrieval,
                Ingestion(EMBEDDERS),
                providers,
                gateways,
                skills,
                completions,
                ledger,
                accounts,
                Issuing(keys),
                Budgets(holds),
            )
        finally:
            await turns.close()
            await ledger.close()
            await housekeeping.close()
            await log.close()
            await engine.close()

    return start


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream() as started:
        yield started


@pytest.fixture
async def palaver(database: dict[str, Any], upstream: Upstream) -> AsyncIterator[Served]:
    """The real application on a socket, talking to `upstream`."""
    # The process under test opens the database itself.
    async with serving(database, upstream) as served:
        yield served


@pytest.fixture
async def ingestion(workspace: models.Workspace) -> AsyncIterator[Ingestion]:
    """A process that does the jobs."""
    working = Ingestion(EMBEDDERS)
    working.open()
    try:
        yield working
    finally:
        await working.close()


@pytest.fixture
def retrieval(workspace: models.Workspace) -> Retrieval:
    return Retrieval(EMBEDDERS)


@pytest.fixture
async def stranger(workspace: models.Workspace) -> Principal:
    """Somebody of another workspace on the same server."""
    other = await models.Workspace.create(name="other")
    await EMBEDDERS.offer(other)
    return principal_of(other)


def credentials(address: Address, database: str) -> dict[str, Any]:
    return {"host": address.host, "port": address.port, "user": address.user, "database": database, "password": None}


async def postgres_execute(address: Address, statement: str) -> None:
    keeper = await asyncpg.connect(address.dsn("postgres"))
    try:
        await keeper.execute(statement)
    finally:
        await keeper.close()
