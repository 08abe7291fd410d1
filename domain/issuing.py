"""Who may make, change and end keys, and which ones.

Nobody hands out more than they have: a key is managed only by who may do all that it may do. And who is limited does
not manage keys at all, or there would be no limits: the next key would have none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any  # Changes are of any column's type.

from tortoise.queryset import QuerySet

import models
from domain import keys
from domain.identity import SCOPES, UNLIMITED, KeyKind, Limits, Principal, PrincipalKind
from domain.keys import Keys
from errors import Forbidden, NotFound
from models.database import connection, transaction

__all__ = ["Issuing", "manageable_by"]


def manageable_by(principal: Principal) -> QuerySet[models.ApiKey]:
    kinds = [kind.value for kind in KeyKind if SCOPES[PrincipalKind(kind)] <= principal.scopes]
    return keys.visible_to(principal).filter(kind__in=kinds)


class Issuing:
    def __init__(self, known: Keys) -> None:
        self._keys = known

    async def issue(
        self,
        principal: Principal,
        kind: KeyKind,
        *,
        label: str | None = None,
        domains: Sequence[str] = (),
        source: str | None = None,
        expires_days: int | None = None,
        limits: Limits = UNLIMITED,
    ) -> tuple[models.ApiKey, str]:
        """A negative number of days is as good as none."""
        await _check(principal)
        if not SCOPES[PrincipalKind(kind)] <= principal.scopes:
            raise Forbidden(f"A key of kind {principal.kind.value} may not make one of kind {kind.value}")
        return await keys.create(
            principal.workspace_id,
            kind,
            label=label,
            domains=domains,
            source=source,
            expires_days=None if expires_days is not None and expires_days < 0 else expires_days,
            limits=limits,
        )

    async def change(self, principal: Principal, key_id: str, changes: Mapping[str, Any]) -> models.ApiKey:
        """`changes` may hold label and each limit. It counts in every process, from the next call on."""
        await _check(principal)
        async with transaction(), connection() as bare:
            row = await _find(principal, key_id)
            for name, value in changes.items():
                setattr(row, name, value)
            keys.check_label(row.label)
            keys.check_limits(Limits(*(getattr(row, name) for name in asdict(UNLIMITED))))
            if changes:
                await row.save(update_fields=list(changes))
                await bare.execute("SELECT pg_notify($1, $2)", keys.REVOKED, row.digest)
        # Here at once, and not when this process hears itself.
        self._keys.forget(row.digest)
        return row

    async def withdraw(self, principal: Principal, key_id: str) -> models.ApiKey:
        """Who is limited may do this: it gives nobody more than they have."""
        row = await keys.revoke(principal, (await _find(principal, key_id)).id)
        self._keys.forget(row.digest)
        return row


async def _find(principal: Principal, key_id: str) -> models.ApiKey:
    id = models.parse_id(key_id)
    row = await manageable_by(principal).get_or_none(id=id) if id else None
    if row is None:
        raise NotFound("key", key_id)
    return row


async def _check(principal: Principal) -> None:
    if principal.key_id is None:
        return
    if principal.limits is not None or await models.Budget.exists(api_key_id=principal.key_id):
        raise Forbidden("A key with limits or a budget of its own may not manage keys")
