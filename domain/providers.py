"""Providers that people set up: kept as rows, connected to when a model of theirs is first asked.

Nobody tells the other processes of a change. Whoever begins a turn has read the provider's row, and its revision says
whether the connection at hand is still the right one.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any  # Changes are of any column's type.
from urllib.parse import urlsplit
from uuid import UUID

from tortoise.exceptions import IntegrityError
from tortoise.queryset import QuerySet

import models
from domain import catalog
from domain.identity import Principal
from domain.secrets import Secrets
from engine import ChatProvider, Engine
from engine.guard import Guard
from engine.providers.openai import OpenAIProvider
from engine.providers.vendors import VendorProvider
from errors import Conflict, Invalid, NotFound
from models.database import transaction

__all__ = ["ProviderWire", "Providers", "visible_to"]

_NAME_LENGTH = 64
_ADDRESS_LENGTH = 2_000
_CREDENTIAL_LENGTH = 8_000
_MOST_CALLS = 10_000


class ProviderWire(StrEnum):
    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GOOGLE = "google"


# Whose wire it is, when no address is given.
_ADDRESSES = {
    ProviderWire.ANTHROPIC: "https://api.anthropic.com",
    ProviderWire.GOOGLE: "https://generativelanguage.googleapis.com",
}


def visible_to(principal: Principal) -> QuerySet[models.Provider]:
    return models.Provider.filter(workspace_id=principal.workspace_id)


class Providers:
    def __init__(
        self, engine: Engine, guard: Guard, secrets: Secrets, *, connect_seconds: float = 10, keep: int = 1_000
    ) -> None:
        self._engine, self._guard, self._secrets = engine, guard, secrets
        self._connect_seconds, self._keep = connect_seconds, keep
        self._connected: OrderedDict[UUID, int] = OrderedDict()

    def reach(self, row: models.Provider) -> str:
        """The name by which the engine finds this provider; it is connected to if it was not, or has changed."""
        if row.from_environment:
            return row.name
        return self._reach(
            row.id, row.revision, lambda: self._connection(row), row.name, calls_at_once=row.calls_at_once
        )

    def reach_address(self, id: UUID, revision: int, base_url: str, credential: str | None, *, called: str) -> str:
        """The same for an address that no provider's row has: somebody else's own, with a credential of its own."""
        return self._reach(
            id,
            revision,
            lambda: OpenAIProvider(
                called, base_url, credential or "", connect_seconds=self._connect_seconds, guard=self._guard
            ),
            called,
        )

    def _reach(
        self,
        id: UUID,
        revision: int,
        connect: Callable[[], ChatProvider],
        called: str,
        *,
        calls_at_once: int | None = None,
    ) -> str:
        name = str(id)
        if self._connected.get(id) != revision:
            self._engine.put(name, connect(), called=called, calls_at_once=calls_at_once)
            self._connected[id] = revision
        self._connected.move_to_end(id)
        while len(self._connected) > self._keep:
            oldest, _ = self._connected.popitem(last=False)
            self._engine.remove(str(oldest))
        return name

    async def create(
        self,
        principal: Principal,
        *,
        name: str,
        wire: ProviderWire,
        base_url: str | None,
        credential: str | None,
        calls_at_once: int | None = None,
    ) -> models.Provider:
        row = models.Provider(
            workspace_id=principal.workspace_id,
            name=_check_name(name),
            wire=wire.value,
            base_url=await self._check_address(base_url or _ADDRESSES.get(wire, "")),
            calls_at_once=_check_calls(calls_at_once),
        )
        row.credential = self._sealed(row, credential)
        await _save(row)
        return row

    async def update(self, principal: Principal, provider_id: str, changes: Mapping[str, Any]) -> models.Provider:
        """`changes` may hold name, base_url, credential and calls_at_once; a credential stays only where it belongs."""
        address = await self._check_address(changes["base_url"] or "") if "base_url" in changes else None
        async with transaction():
            row = await _find_own(principal, provider_id)
            origin = _origin(row.base_url)
            row.name = _check_name(changes["name"]) if "name" in changes else row.name
            row.base_url = address or row.base_url
            if "calls_at_once" in changes:
                row.calls_at_once = _check_calls(changes["calls_at_once"])
            if "credential" in changes:
                row.credential = self._sealed(row, changes["credential"])
            elif _origin(row.base_url) != origin:
                row.credential = None
            row.revision += 1
            await _save(row)
        return row

    async def delete(self, principal: Principal, provider_id: str) -> models.Provider:
        """With its models. What they have answered stays, and what it cost."""
        async with transaction():
            row = await _find_own(principal, provider_id)
            if await models.Model.filter(provider_id=row.id, is_default=True).exists():
                raise Conflict("A model of this provider answers when nobody chose: make another one the default first")
            await catalog.check_idle(models.Model.filter(provider_id=row.id))
            await row.delete()
        if self._connected.pop(row.id, None) is not None:
            self._engine.remove(str(row.id))
        return row

    async def test(self, principal: Principal, provider_id: str) -> tuple[models.Provider, list[str]]:
        """A real call: what the provider says it offers."""
        row = await _find(visible_to(principal), provider_id)
        return row, await self._engine.models(self.reach(row))

    def _connection(self, row: models.Provider) -> ChatProvider:
        credential = self._secrets.open(row.credential, *_place(row)) if row.credential else ""
        seconds = self._connect_seconds
        if row.wire == ProviderWire.OPENAI:
            return OpenAIProvider(row.name, row.base_url, credential, connect_seconds=seconds, guard=self._guard)
        return VendorProvider(
            row.name, row.wire, credential, base_url=row.base_url, connect_seconds=seconds, guard=self._guard
        )

    async def _check_address(self, base_url: str) -> str:
        if len(base_url) > _ADDRESS_LENGTH:
            raise Invalid("baseUrl", f"must not be longer than {_ADDRESS_LENGTH:,} characters")
        await self._guard.vet(base_url, "baseUrl")
        parts = urlsplit(base_url)
        if parts.query or parts.fragment:
            raise Invalid("baseUrl", "must not have a query or a fragment")
        return base_url.rstrip("/")

    def _sealed(self, row: models.Provider, credential: str | None) -> str | None:
        credential = (credential or "").strip()
        if not credential:
            return None
        if len(credential) > _CREDENTIAL_LENGTH or not (credential.isascii() and credential.isprintable()):
            raise Invalid("credential", "must be a key of plain characters, as the vendor gave it")
        return self._secrets.seal(credential, *_place(row))


async def _find(rows: QuerySet[models.Provider], provider_id: str) -> models.Provider:
    id = models.parse_id(provider_id)
    row = await rows.get_or_none(id=id) if id else None
    if row is None:
        raise NotFound("provider", provider_id)
    return row


async def _find_own(principal: Principal, provider_id: str) -> models.Provider:
    """To change it: locked, and none of the operator's."""
    row = await _find(visible_to(principal).select_for_update(), provider_id)
    if row.from_environment:
        raise Conflict("This provider is configured in the environment of the server, and changed there")
    return row


async def _save(row: models.Provider) -> None:
    try:
        await row.save()
    except IntegrityError as exc:
        raise Conflict(f"There is a provider {row.name!r} already") from exc


def _check_name(name: str | None) -> str:
    name = (name or "").strip()
    if not 1 <= len(name) <= _NAME_LENGTH:
        raise Invalid("name", f"must have between 1 and {_NAME_LENGTH} characters")
    return name


def _check_calls(calls_at_once: int | None) -> int | None:
    if calls_at_once is not None and not 1 <= calls_at_once <= _MOST_CALLS:
        raise Invalid("callsAtOnce", f"must be between 1 and {_MOST_CALLS:,}")
    return calls_at_once


def _origin(base_url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(base_url)
    return parts.scheme, parts.hostname or "", parts.port


def _place(row: models.Provider) -> tuple[object, ...]:
    """Where a credential may be used: in this row of this workspace, and sent to this origin alone."""
    return row.workspace_id, row.id, *_origin(row.base_url)
