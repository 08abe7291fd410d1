"""What a process needs to answer: database, keys, engine and turns, opened together and closed in order."""

import asyncio
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self  # asyncpg's connection parameters are an open dictionary.
from uuid import uuid4

from pydantic import SecretStr

import models
from app import metrics
from app.auth import Authenticator
from app.embedding import chosen_embedders
from app.model import chosen_model, connect
from app.secret_keys import secret_keys
from app.settings import Settings
from domain import accounts, catalog, memories, skills
from domain.accounts import Accounts
from domain.admission import Admission
from domain.agents import Sampling
from domain.budgets import Budgets
from domain.catalog import Offer
from domain.collections import Chunking
from domain.completions.call import Means
from domain.completions.completions import Completions
from domain.completions.names import Names
from domain.embedders import Embedders
from domain.gateways import rows as gateway_rows
from domain.gateways.rows import Gateways
from domain.gateways.vetting import Requirements
from domain.healing import Healer
from domain.holds import CHANGED as BUDGETS_CHANGED
from domain.holds import Holds
from domain.ingestion import Ingestion, IngestionOptions
from domain.issuing import Issuing
from domain.keys import Keys
from domain.ledger import Ledger
from domain.preparing import Preparing
from domain.providers import Providers
from domain.published import Published
from domain.rates import Rates
from domain.retrieval import Retrieval, forget_logs
from domain.secrets import Secrets
from domain.service import Service
from domain.skills import Skills
from domain.tools import sandbox
from domain.tools.bash import Shells
from domain.tools.builtin import Builtins, Endpoint, Endpoints
from domain.tools.nonce import Nonces
from domain.tools.toolbox import Toolbox
from domain.turns import Housekeeping, Options, TurnLog, Turns
from engine import ChatProvider, Engine, Patience
from engine.guard import Guard
from errors import NotConfigured
from models.database import Database, Unreachable, client, connection, transaction

__all__ = ["VERSION", "Runtime", "Surroundings", "only_workspace"]

VERSION = "0.1.0"
_WORKSPACE = "local"
_READY_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What stands around a process: the database it uses, and the embedded model's provider when that answers."""

    credentials: dict[str, Any]
    embedded_model: ChatProvider | None = None


class Runtime:
    """Open for as long as the process serves. `works`: whether it does background jobs, whatever the settings say."""

    workspace: models.Workspace
    authenticate: Authenticator

    def __init__(self, settings: Settings, surroundings: Surroundings, *, works: bool = False) -> None:
        self.settings = settings
        self.offer, self._provider = _connected(settings, surroundings)
        self.keys = Keys()
        self.issuing = Issuing(self.keys)
        self.engine = Engine(patience=_patience(settings), listener=metrics.LISTENER)
        self.guard = Guard(allow_private=settings.allow_private_urls)
        self.secrets = Secrets(partial(secret_keys, settings))
        self.providers = Providers(
            self.engine, self.guard, self.secrets, connect_seconds=settings.connect_timeout_seconds
        )
        self.published = Published(settings.data_dir / "published", settings.reached_at)
        builtins = Builtins(self.guard, self.published, _endpoints(settings))
        self.gateways = Gateways(self.guard, self.secrets, Requirements(sandbox.missing, builtins.missing))
        self.skills = Skills(self.guard, self.secrets)
        sampling = Sampling(settings.temperature, settings.max_output_tokens)
        self.service = Service(
            VERSION, settings.ai_enabled, self.offer.provider, self.offer.model, sampling, _told(self.offer)
        )
        self.embedders = Embedders(chosen_embedders(settings))
        self.retrieval = Retrieval(
            self.embedders,
            data_directory=str(settings.data_dir),
            chunking=_chunking(settings),
        )
        # Under which this process leases turns and holds of budgets.
        owner = uuid4()
        self.accounts = Accounts(self.secrets)
        holds, rates = Holds(owner), Rates(owner)
        self.ledger, self.budgets = Ledger(holds, rates), Budgets(holds)
        self.admission = Admission(holds, rates, check=self.ledger.check)
        names = Names(self.providers, self.gateways, self.offer.problems)
        preparing = Preparing(
            self.engine,
            self.retrieval,
            toolbox=Toolbox(
                self.guard,
                Nonces(self.accounts.salt_of),
                self.retrieval,
                shells=Shells(settings.data_dir / "shell"),
                builtins=builtins,
            ),
            skills=self.skills,
            models=names,
            guard=self.guard,
        )
        self.turns = Turns(
            self.engine,
            TurnLog(),
            _options(settings, sampling),
            names=names,
            preparing=preparing,
            admission=self.admission,
            owner=owner,
            finished=metrics.turn_ended,
        )
        self.completions = Completions(
            Means(
                self.engine,
                names,
                preparing,
                self.admission,
                self.ledger,
                self.accounts,
                Healer(self.engine),
                metrics.completion_ended,
            ),
            is_enabled=settings.ai_enabled,
        )
        self.housekeeping = Housekeeping(
            self.turns,
            self.keys,
            keep_events_hours=settings.turn_events_hours,
            caches={
                gateway_rows.CHANGED: self.gateways,
                skills.CHANGED: self.skills,
                accounts.CHANGED: self.accounts,
                BUDGETS_CHANGED: holds,
            },
            sweeps=[
                memories.forget_expired,
                self.published.forget_expired,
                partial(forget_logs, settings.retrieval_log_days),
            ],
        )
        self.ingestion = Ingestion(self.embedders, _ingestion(settings), works=works or settings.jobs == "web")
        self._database = Database(surroundings.credentials)

    async def __aenter__(self) -> Self:
        await self._database.open()
        self.workspace = await only_workspace()
        self.authenticate = Authenticator(
            self.workspace.id, self.keys, trusts_this_machine=self.settings.trusts_this_machine
        )
        if self._provider is not None:
            offered = await catalog.offer(self.workspace, self.offer)
            self.engine.put(offered.provider.name, self._provider, calls_at_once=self.settings.model_calls_at_once)
        await self.embedders.offer(self.workspace)
        self.turns.log.open()
        self.ledger.open()
        self.housekeeping.open()
        self.ingestion.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.leave()
        await self.ingestion.close()
        await self.embedders.close()
        await self.housekeeping.close()
        await self.turns.log.close()
        await self.ledger.close()
        await self.engine.close()
        await self._database.close()

    async def leave(self) -> None:
        """End what would otherwise go on for minutes. Safe to call twice."""
        await self.turns.close()

    async def check(self) -> None:
        """Raises when a request would fail for want of the database."""
        # Not by a timeout around it: giving a connection back waits for a database that hangs.
        asking = asyncio.create_task(_ask())
        await asyncio.wait([asking], timeout=_READY_SECONDS)
        if not asking.done():
            asking.cancel()
            raise Unreachable
        asking.result()

    def observe(self) -> None:
        metrics.observe(lambda: len(self.turns.running), client().pool_use)


async def _ask() -> None:
    async with connection() as bare:
        await bare.fetchval("SELECT 1")


def _options(settings: Settings, sampling: Sampling) -> Options:
    return Options(
        sampling,
        settings.instructions,
        settings.lease_seconds,
        is_enabled=settings.ai_enabled,
    )


def _ingestion(settings: Settings) -> IngestionOptions:
    return IngestionOptions(
        jobs_at_once=settings.jobs_at_once,
        takeover_seconds=settings.jobs_takeover_seconds,
        sync_cache_days=settings.sync_cache_days,
        roots=settings.index_roots,
        chunking=_chunking(settings),
    )


def _endpoints(settings: Settings) -> Endpoints:
    return Endpoints(
        _endpoint(settings.search_base_url, settings.search_api_key),
        _endpoint(settings.image_base_url, settings.image_api_key, settings.image_model),
    )


def _endpoint(base_url: str | None, key: SecretStr | None, model: str | None = None) -> Endpoint | None:
    if base_url is None:
        return None
    return Endpoint(base_url, key.get_secret_value() if key else None, model)


def _chunking(settings: Settings) -> Chunking:
    return Chunking(settings.chunk_characters, settings.chunk_overlap_characters)


def _connected(settings: Settings, surroundings: Surroundings) -> tuple[Offer, ChatProvider | None]:
    """What cannot be connected to is a problem that is told, not a server that does not start."""
    offer = chosen_model(settings)
    if settings.uses_embedded_model or offer.problems:
        return offer, surroundings.embedded_model
    try:
        return offer, connect(settings, offer)
    except NotConfigured as exc:
        return replace(offer, problems=(exc.what,)), None


def _patience(settings: Settings) -> Patience:
    return Patience(
        first_token_seconds=settings.first_token_timeout_seconds,
        between_tokens_seconds=settings.between_tokens_timeout_seconds,
        whole_seconds=settings.turn_timeout_seconds,
        tries=settings.provider_tries,
    )


def _told(offer: Offer) -> tuple[str, ...]:
    """Being switched off is the operator's wish and not a fault of the configuration."""
    return tuple(problem for problem in offer.problems if problem != "AI service is disabled")


async def only_workspace() -> models.Workspace:
    async with transaction(), connection() as bare:
        # Several processes may be the first at once.
        await bare.execute("SELECT pg_advisory_xact_lock(hashtext('palaver.workspace'))")
        found = await bare.fetchval("SELECT id FROM workspaces ORDER BY id LIMIT 1")
        if found is None:
            found = models.new_id(models.Kind.WORKSPACE)
            await bare.execute(
                "INSERT INTO workspaces (id, name, created_at) VALUES ($1, $2, now())", found, _WORKSPACE
            )
    return await models.Workspace.get(id=found)
