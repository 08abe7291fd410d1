"""Who answers when a name is asked: a gateway, several models under one name, or a model."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from uuid import UUID

import models
from domain import catalog, catalog_entries, routes
from domain.agents import AgentSpec, Sampling
from domain.gateways.parameters import INTEGRATED, Parameters
from domain.gateways.rows import Gateways
from domain.identity import Principal
from domain.preparing import Choice
from domain.providers import Providers
from domain.recent import Recent
from domain.usage import cost_of, estimate_tokens
from engine import ChatRequest
from engine.events import Usage
from engine.targets import Target
from errors import Invalid, NotConfigured, NotFound

__all__ = ["Agent", "Names", "Offered", "tag_of"]

# So long may a change of a model or a provider made elsewhere go unnoticed here.
_FRESH_SECONDS = 2.0
_KEEP = 10_000
_MOST_OFFERED = 10_000
_MOST_PROVIDERS = 1_000
# Nothing that is set up has a longer one.
_LONGEST_NAME = 256

# What an answer may be long when nobody says how long it may be: for putting money aside, not for cutting it off.
_LIKELY_TOKENS = 1_000
# What is not said is left to the model: who asks here has asked models before.
_SAMPLING = Sampling(None, None)


@dataclass(frozen=True, slots=True)
class Likely:
    """US dollars and tokens; `is_bound` when somebody has said how long the answer may be."""

    most: Decimal
    least: Decimal
    tokens: int
    is_bound: bool


@dataclass(frozen=True, slots=True)
class Agent:
    """Who answers. `rows` are the models that may, by the id that their targets carry: for windows and prices."""

    spec: AgentSpec
    targets: tuple[Target, ...]
    rows: Mapping[UUID | None, models.Model]
    # As answers name it.
    called: str
    gateway: models.Gateway | None = None
    parameters: Parameters | None = None

    def likely(self, request: ChatRequest) -> Likely:
        """What a call will cost, as far as it is known beforehand."""
        limit = request.max_tokens or (self.parameters.max_completion_tokens if self.parameters else None)
        if limit is not None and limit < 0:
            # Some servers take this for as long as they like.
            limit = None
        read = sum(estimate_tokens(len(message.text)) for message in request.messages)
        written, model = (limit or _LIKELY_TOKENS) * request.answers, self.spec.model
        return Likely(
            cost_of(Usage(read, written), model), cost_of(Usage(read, 0), model), read + written, limit is not None
        )

    @property
    def has_own_address(self) -> bool:
        return self.parameters is not None and self.parameters.base_address != INTEGRATED


@dataclass(frozen=True, slots=True)
class Offered:
    """A name that can be asked."""

    name: str
    owner: str
    created_at: datetime

    @property
    def created_seconds(self) -> int:
        return int(self.created_at.timestamp())


def _recent() -> Recent[Agent]:
    return Recent(keep=_KEEP, fresh_seconds=_FRESH_SECONDS)


@dataclass(slots=True)
class Names:
    providers: Providers
    gateways: Gateways
    # Why the operator's own model cannot be asked, as the operator has to read it.
    problems: tuple[str, ...] = ()
    _known: Recent[Agent] = field(default_factory=_recent)
    _looking: dict[tuple[UUID, str], asyncio.Task[Agent]] = field(default_factory=dict)

    async def find(self, principal: Principal, name: str) -> Agent:
        """Asked with every call, so looked up once in a while; a gateway's own changes are told at once."""
        return await self._gateway(principal, name) or await self._recently(
            principal, name, lambda: self._model(principal, name, "model")
        )

    async def gateway(self, principal: Principal, name: str) -> Agent:
        """By its id or slug, and nothing else of that name."""
        agent = await self._gateway(principal, name)
        if agent is None:
            raise NotFound("gateway", name)
        return agent

    async def offered(self, principal: Principal) -> list[Offered]:
        """What can be asked for by name: gateways, routes and models that are set up, the newest of each first, and
        then what the catalog knows at the providers that are."""
        workspace = await models.Workspace.get(id=principal.workspace_id)
        gateways = await models.Gateway.filter(workspace_id=workspace.id).order_by("-id").limit(_MOST_OFFERED)
        found = [Offered(str(row.id), workspace.name, row.created_at) for row in gateways]
        named = await models.ModelRoute.filter(workspace_id=workspace.id).order_by("-id").limit(_MOST_OFFERED)
        found += [Offered(row.name, workspace.name, row.created_at) for row in named]
        rows = await catalog.visible_to(principal).order_by("-id").limit(_MOST_OFFERED)
        found += [Offered(tag_of(row), row.vendor, row.created_at) for row in rows]
        known = {offered.name for offered in found}
        found += [offered for offered in await _catalogued_for(principal) if offered.name not in known]
        return found[:_MOST_OFFERED]

    async def named(self, principal: Principal, name: str) -> Choice:
        """A model, and no gateway: for whoever asks one on the way to an answer."""
        agent = await self._recently(principal, name, lambda: self._model(principal, name, "model"))
        return Choice(agent.spec.model, agent.targets)

    async def default(self, principal: Principal) -> Choice | None:
        row = await catalog.default_model(principal)
        if row is None:
            return None
        agent = self.of_row(row)
        return Choice(agent.spec.model, agent.targets)

    # ---------------------------------------------------------------- what is known for a moment

    async def _recently(self, principal: Principal, name: str, look: Callable[[], Awaitable[Agent]]) -> Agent:
        known = self._known.get(principal.workspace_id, name)
        if known is not None:
            self._reach(known.value)
            return known.value
        key = (principal.workspace_id, name)
        looking = self._looking.get(key)
        if looking is None:
            looking = self._looking[key] = asyncio.ensure_future(look())
            looking.add_done_callback(lambda task: self._looked(key, task))
        return await asyncio.shield(looking)

    def _looked(self, key: tuple[UUID, str], task: asyncio.Task[Agent]) -> None:
        self._looking.pop(key, None)
        if not task.cancelled() and task.exception() is None:
            self._known.put(*key, task.result(), size=0, since=self._known.changes)

    def _reach(self, agent: Agent) -> None:
        """What the engine has let go of meanwhile, since others were asked more often, is connected to again."""
        for row in agent.rows.values():
            if isinstance(row.provider, models.Provider):
                self.providers.reach(row.provider)

    # ---------------------------------------------------------------- gateways

    async def _gateway(self, principal: Principal, name: str) -> Agent | None:
        resolved = await self.gateways.resolve(principal, name)
        if resolved is None:
            return None
        row, parameters = resolved.row, resolved.parameters
        key = f"{row.id}@{row.revision}"
        return await self._recently(principal, key, lambda: self._of_gateway(principal, row, parameters))

    async def _of_gateway(self, principal: Principal, row: models.Gateway, parameters: Parameters) -> Agent:
        if parameters.base_address == INTEGRATED:
            found = await self._integrated(principal, parameters)
            return Agent(found.spec, found.targets, found.rows, found.called, row, parameters)
        provider = self.providers.reach_address(
            row.id, row.revision, parameters.base_address, parameters.api_key, called=row.name
        )
        model = await self._described("openai", parameters.base_address, parameters.model_name)
        target = Target(provider, parameters.model_name)
        spec = AgentSpec(model, row.name, sampling=_SAMPLING, engine_name=provider)
        return Agent(spec, (target,), {None: model}, parameters.model_name, row, parameters)

    async def _integrated(self, principal: Principal, parameters: Parameters) -> Agent:
        field, routing = "The gateway's modelName", parameters.model_routing_parameters
        try:
            return await self._model(principal, parameters.model_name, field)
        except Invalid:
            # Whose model is chosen by the question may name any: it is never asked.
            if routing is None:
                raise
        return await self._model(principal, routing.low_complexity_model_name, field)

    # ---------------------------------------------------------------- models

    async def _model(self, principal: Principal, name: str, field: str) -> Agent:
        row = None
        if len(name) <= _LONGEST_NAME and "\0" not in name:
            targets = await routes.targets_of(principal, self.providers, name)
            if targets:
                return await self._of_route(principal, name, targets)
            row = await _configured(principal, name) or await self._catalogued(principal, name)
        if row is None:
            raise Invalid(field, f"names no gateway and no model that is set up here: {name[:200]!r}")
        return self.of_row(row)

    async def _of_route(self, principal: Principal, name: str, targets: tuple[Target, ...]) -> Agent:
        ids = [target.model_id for target in targets]
        rows = await catalog.visible_to(principal).filter(id__in=ids).select_related("provider")
        by_id: dict[UUID | None, models.Model] = {row.id: row for row in rows}
        first = next((by_id[target.model_id] for target in targets if target.model_id in by_id), None)
        if first is None:
            raise Invalid("model", f"names a route without models: {name[:200]!r}")
        spec = AgentSpec(first, first.provider.name, sampling=_SAMPLING, several=targets)
        return Agent(spec, targets, by_id, tag_of(first))

    def of_row(self, row: models.Model) -> Agent:
        """`row` with its provider."""
        if row.provider.from_environment and self.problems:
            raise NotConfigured(self.problems[0])
        provider = self.providers.reach(row.provider)
        spec = AgentSpec(row, row.provider.name, sampling=_SAMPLING, engine_name=provider)
        id = row.id if row._saved_in_db else None
        return Agent(spec, (Target(provider, row.name, model_id=id),), {id: row}, tag_of(row))

    async def _catalogued(self, principal: Principal, name: str) -> models.Model | None:
        """A model that nobody wrote down, but that the catalog knows at a provider which is set up."""
        vendor, bare = _parts(name)
        for provider in await _providers(principal):
            entry = await catalog_entries.offered_at(provider.wire, provider.base_url, bare)
            if entry is not None and (vendor is None or vendor in (_word(entry.vendor), entry.vendor_id)):
                row = await self._described(provider.wire, provider.base_url, bare)
                row.provider = provider
                return row
        return None

    async def _described(self, wire: str, base_url: str, name: str) -> models.Model:
        entry = await catalog_entries.offered_at(wire, base_url, name)
        if entry is None:
            return models.Model(name=name, vendor="unknown")
        return models.Model(
            name=name,
            vendor=entry.vendor,
            context_window=entry.context_window or None,
            input_price=entry.input_price,
            output_price=entry.output_price,
        )


async def _providers(principal: Principal) -> list[models.Provider]:
    return await models.Provider.filter(workspace_id=principal.workspace_id).order_by("id").limit(_MOST_PROVIDERS)


async def _catalogued_for(principal: Principal) -> list[Offered]:
    return [
        Offered(f"@{_word(entry.vendor)}/{entry.name}", entry.vendor, _noon(entry.released_on) or provider.created_at)
        for provider in await _providers(principal)
        for entry in await catalog_entries.talking_at(provider.wire, provider.base_url)
    ]


def _noon(day: date | None) -> datetime | None:
    return datetime.combine(day, time(12), UTC) if day else None


async def _configured(principal: Principal, name: str) -> models.Model | None:
    """By its id, by what its provider calls it, or by that after its vendor; of several the default or the oldest."""
    rows = catalog.visible_to(principal).select_related("provider").order_by("-is_default", "id")
    if (id := models.parse_id(name)) is not None:
        return await rows.get_or_none(id=id)
    vendor, bare = _parts(name)
    found = await rows.filter(name__in=[name, bare]).limit(100)
    return next((row for row in found if row.name == name or vendor == _word(row.vendor)), None)


def tag_of(row: models.Model) -> str:
    return f"@{_word(row.vendor)}/{row.name}"


def _parts(name: str) -> tuple[str | None, str]:
    """`@openai/gpt-5-mini` names a vendor and its model; a name without the sign may hold a slash of its own."""
    if not name.startswith("@"):
        return None, name
    vendor, _, bare = name[1:].partition("/")
    return vendor.lower(), bare


def _word(vendor: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", vendor.lower()).strip("-")
