"""Gateways: how a model answers under one name, saved, changed and found again by everyone who calls it."""

import asyncio
import re
import unicodedata
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final  # Parameters as they are sent are open JSON.
from uuid import UUID

import orjson
from tortoise.exceptions import IntegrityError
from tortoise.expressions import Q
from tortoise.queryset import QuerySet

import models
from domain.checks import check_name
from domain.gateways.checks import check, check_size
from domain.gateways.codec import read, write
from domain.gateways.parameters import Parameters
from domain.gateways.sealing import Kept, change_secrets, opener, origin, sealer
from domain.gateways.vetting import Requirements, vet
from domain.identity import Principal
from domain.recent import Recent
from domain.secrets import Secrets
from engine.guard import Guard
from errors import Conflict, Invalid, NotFound
from models.database import connection, transaction
from models.ids import gateway_id

__all__ = ["CHANGED", "MOST_GATEWAYS", "Gateways", "Resolved", "matching", "parameters_of", "visible_to"]

# The channel on which processes tell each other whose gateways have changed.
CHANGED: Final = "palaver_gateways"

# Of one workspace. Who makes several at the same moment may have some more.
MOST_GATEWAYS = 1_000

_SLUG = re.compile(r"[^\0]{1,256}:[0-9a-f]{4}")
_SLUG_CHARACTERS = 64
_FILTER_CHARACTERS = 256
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Resolved:
    """A gateway and its parameters as they are, secrets and all: for making an answer, and for nothing else."""

    row: models.Gateway
    parameters: Parameters


def visible_to(principal: Principal) -> QuerySet[models.Gateway]:
    return models.Gateway.filter(workspace_id=principal.workspace_id)


def matching(principal: Principal, text: str | None) -> QuerySet[models.Gateway]:
    """Those with this text in their name, their model's or their slug, or of this id."""
    if not text:
        return visible_to(principal)
    if len(text) > _FILTER_CHARACTERS:
        raise Invalid("filter", f"must not be longer than {_FILTER_CHARACTERS} characters")
    found = Q(name__icontains=text) | Q(slug__icontains=text) | Q(parameters__filter={"modelName__icontains": text})
    id = models.parse_id(text)
    return visible_to(principal).filter(found | Q(id=id) if id else found)


def parameters_of(row: models.Gateway) -> Parameters:
    """As everybody may read them: masks stand for what is secret."""
    return read(Parameters, row.parameters)


class Gateways:
    def __init__(
        self,
        guard: Guard,
        secrets: Secrets,
        requirements: Requirements | None = None,
        *,
        recent: Recent[Resolved | None] | None = None,
        new_id: Callable[[], UUID] = gateway_id,
    ) -> None:
        self._guard, self._secrets, self._new_id = guard, secrets, new_id
        self._requirements = requirements or Requirements()
        self._recent = recent or Recent[Resolved | None]()

    async def find(self, principal: Principal, gateway_id: str) -> models.Gateway:
        id = models.parse_id(gateway_id)
        found = await visible_to(principal).get_or_none(id=id) if id else None
        if found is None:
            raise NotFound("gateway", gateway_id)
        return found

    async def resolve(self, principal: Principal, name: str) -> Resolved | None:
        """The gateway that is called by this id or slug; nothing when the name is one of something else."""
        id = models.parse_id(name) if len(name) <= 64 else None
        if id is None and not _SLUG.fullmatch(name := name.lower()):
            return None
        if id is not None and models.kind_of(id) is not models.Kind.GATEWAY:
            return None
        key = id or name
        known = self._recent.get(principal.workspace_id, key)
        if known is not None:
            return known.value
        since = self._recent.changes
        row = await visible_to(principal).get_or_none(**({"id": id} if id else {"slug": name}))
        resolved = Resolved(row, self._opened(row)) if row else None
        size = len(orjson.dumps(row.parameters)) if row else 0
        self._recent.put(principal.workspace_id, key, resolved, size=size, since=since)
        return resolved

    async def create(self, principal: Principal, name: str, parameters: Mapping[str, Any]) -> models.Gateway:
        """`parameters` is what was sent, in the spelling of its wire."""
        asked = self._read(parameters, None)
        await self._check(principal, asked, None)
        if await visible_to(principal).count() >= MOST_GATEWAYS:
            raise Conflict(f"A workspace has at most {MOST_GATEWAYS:,} gateways")
        for _ in range(_TRIES):
            row = models.Gateway(id=self._new_id(), workspace_id=principal.workspace_id, name=check_name(name))
            row.slug = _slug(row.name, row.id)
            self._fill(row, asked)
            try:
                async with self._changing(row.workspace_id):
                    await row.save(force_create=True)
            except IntegrityError:
                # Two of one name whose ids end alike: the next id ends otherwise.
                continue
            return row
        raise Conflict(f"There are too many gateways called {row.name!r}")

    async def update(
        self,
        principal: Principal,
        gateway_id: str,
        *,
        name: str | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> models.Gateway:
        """Each parameter that is given takes the place of the one there was, as a whole; null puts it back.

        Nothing is locked while name servers are asked: a change that came in between makes this one begin again.
        """
        for _ in range(_TRIES):
            row = await self.find(principal, gateway_id)
            if parameters is not None:
                asked = self._read(_merged(row.parameters, parameters), row)
                await self._check(principal, asked, parameters_of(row))
                self._fill(row, asked)
            if name is not None:
                row.name = check_name(name)
                row.slug = _slug(row.name, row.id)
            if await self._save(row):
                return row
        raise Conflict("This gateway is being changed by others at the same time: try again")

    async def delete(self, principal: Principal, gateway_id: str) -> models.Gateway:
        """Whatever names it is left as it is, and finds nothing under its name from now on."""
        row = await self.find(principal, gateway_id)
        async with self._changing(row.workspace_id):
            await row.delete()
        return row

    def forget(self, workspace_id: str) -> None:
        self._recent.forget(UUID(workspace_id))

    def forget_all(self) -> None:
        """What was missed while not listening may have been a change."""
        self._recent.forget_all()

    def _read(self, given: Mapping[str, Any], row: models.Gateway | None) -> Parameters:
        check_size(given, "parameters")
        kept = Kept(lambda note: change_secrets(self._opened(row), note)) if row else Kept()
        return change_secrets(_tidied(read(Parameters, given, "parameters")), kept.restore)

    async def _check(self, principal: Principal, asked: Parameters, before: Parameters | None) -> None:
        await asyncio.to_thread(check, asked, before)
        await vet(principal, asked, before, guard=self._guard, requirements=self._requirements)

    def _fill(self, row: models.Gateway, parameters: Parameters) -> None:
        sealed: dict[str, str] = {}
        row.parameters = write(change_secrets(parameters, sealer(self._secrets, _owner(row), sealed)))
        row.secrets = orjson.dumps(sealed).decode() if sealed else None

    def _opened(self, row: models.Gateway) -> Parameters:
        parameters = parameters_of(row)
        if row.secrets is None:
            return parameters
        return change_secrets(parameters, opener(self._secrets, _owner(row), orjson.loads(row.secrets)))

    async def _save(self, row: models.Gateway) -> bool:
        """Whether nobody was faster."""
        revision, row.revision = row.revision, row.revision + 1
        row.updated_at = datetime.now(UTC)
        try:
            async with self._changing(row.workspace_id):
                saved = await models.Gateway.filter(id=row.id, revision=revision).update(
                    name=row.name,
                    slug=row.slug,
                    parameters=row.parameters,
                    secrets=row.secrets,
                    revision=row.revision,
                    updated_at=row.updated_at,
                )
        except IntegrityError as exc:
            raise Conflict(f"There is a gateway {row.slug!r} already") from exc
        return bool(saved)

    @asynccontextmanager
    async def _changing(self, workspace_id: UUID) -> AsyncIterator[None]:
        """A transaction of which every process hears when it is done, this one first."""
        try:
            async with transaction(), connection() as bare:
                yield
                await bare.execute("SELECT pg_notify($1, $2)", CHANGED, str(workspace_id))
        finally:
            self._recent.forget(workspace_id)


def _merged(stored: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**stored, **given}
    if "apiKey" not in given and origin(str(merged.get("baseAddress"))) != origin(str(stored["baseAddress"])):
        # A key is for the host that it was saved for.
        merged["apiKey"] = None
    return merged


def _tidied(parameters: Parameters) -> Parameters:
    return replace(
        parameters,
        base_address=parameters.base_address.rstrip("/"),
        knowledge_collections=_ids(parameters.knowledge_collections, "parameters.knowledgeCollections"),
        skills=_ids(parameters.skills, "parameters.skills"),
    )


def _ids(texts: tuple[str, ...], path: str) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for number, text in enumerate(texts):
        id = models.parse_id(text)
        if id is None:
            raise Invalid(f"{path}[{number}]", "must be an id")
        found[str(id)] = None
    return tuple(found)


def _slug(name: str, id: UUID) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_SLUG_CHARACTERS].rstrip("-")
    return f"{words or 'gateway'}:{id.hex[-4:]}"


def _owner(row: models.Gateway) -> tuple[object, ...]:
    return row.workspace_id, row.id
