"""Names under which several models answer: the next one where the first cannot."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from tortoise.exceptions import IntegrityError
from tortoise.queryset import QuerySet

import models
from domain.catalog import visible_to as models_visible_to
from domain.checks import check_name
from domain.identity import Principal
from domain.providers import Providers
from engine.targets import Target
from errors import Conflict, Invalid, NotFound
from models.database import transaction

__all__ = ["NewTarget", "create", "delete", "targets_of", "update", "visible_to"]

_MOST_TARGETS = 20
_HIGHEST_WEIGHT = 1_000
_LAST_TIER = 9


@dataclass(frozen=True, slots=True)
class NewTarget:
    model_id: str
    tier: int = 0
    weight: int = 1


def visible_to(principal: Principal) -> QuerySet[models.ModelRoute]:
    return models.ModelRoute.filter(workspace_id=principal.workspace_id)


async def targets_of(principal: Principal, providers: Providers, name: str) -> tuple[Target, ...] | None:
    """Who answers under this name, with the providers connected to; None when it is no route's, or nobody is left."""
    rows = (
        await models.ModelRouteTarget.filter(route__workspace_id=principal.workspace_id, route__name=name)
        .order_by("tier", "id")
        .select_related("model__provider")
    )
    targets = (
        Target(providers.reach(row.model.provider), row.model.name, row.tier, row.weight, row.model_id) for row in rows
    )
    return tuple(targets) or None


async def create(principal: Principal, name: str, targets: Sequence[NewTarget]) -> models.ModelRoute:
    async with transaction():
        row = models.ModelRoute(workspace_id=principal.workspace_id, name=_check_name(name))
        await _save(row)
        await _aim(principal, row, targets)
    return row


async def update(
    principal: Principal, route_id: str, *, name: str | None = None, targets: Sequence[NewTarget] | None = None
) -> models.ModelRoute:
    """What is None stays."""
    async with transaction():
        row = await _find(visible_to(principal).select_for_update(), route_id)
        if name is not None:
            row.name = _check_name(name)
            await _save(row)
        if targets is not None:
            await models.ModelRouteTarget.filter(route_id=row.id).delete()
            await _aim(principal, row, targets)
    return row


async def delete(principal: Principal, route_id: str) -> models.ModelRoute:
    row = await _find(visible_to(principal), route_id)
    await row.delete()
    return row


async def _find(rows: QuerySet[models.ModelRoute], route_id: str) -> models.ModelRoute:
    id = models.parse_id(route_id)
    row = await rows.get_or_none(id=id) if id else None
    if row is None:
        raise NotFound("model route", route_id)
    return row


async def _save(row: models.ModelRoute) -> None:
    try:
        await row.save()
    except IntegrityError as exc:
        raise Conflict(f"There is a model route {row.name!r} already") from exc


async def _aim(principal: Principal, row: models.ModelRoute, targets: Sequence[NewTarget]) -> None:
    ids = _check_targets(targets)
    known = set(await models_visible_to(principal).filter(id__in=ids).values_list("id", flat=True))
    for position, (target, id) in enumerate(zip(targets, ids, strict=True)):
        if id not in known:
            raise Invalid(f"targets[{position}].modelId", f"names no model that is set up here: {target.model_id!r}")
    await models.ModelRouteTarget.bulk_create(
        models.ModelRouteTarget(route_id=row.id, model_id=id, tier=target.tier, weight=target.weight)
        for target, id in zip(targets, ids, strict=True)
    )


def _check_name(name: str) -> str:
    name = check_name(name)
    # Ids are looked for elsewhere, and a vendor's sign begins the tag of a model.
    if models.parse_id(name) is not None or name.startswith("@"):
        raise Invalid("name", "must not be an id, nor begin with @")
    return name


def _check_targets(targets: Sequence[NewTarget]) -> list[UUID | None]:
    if not 1 <= len(targets) <= _MOST_TARGETS:
        raise Invalid("targets", f"must be between 1 and {_MOST_TARGETS}")
    ids = [models.parse_id(target.model_id) for target in targets]
    for position, (target, id) in enumerate(zip(targets, ids, strict=True)):
        path = f"targets[{position}]"
        if not 1 <= target.weight <= _HIGHEST_WEIGHT:
            raise Invalid(f"{path}.weight", f"must be between 1 and {_HIGHEST_WEIGHT:,}")
        if not 0 <= target.tier <= _LAST_TIER:
            raise Invalid(f"{path}.tier", f"must be between 0 and {_LAST_TIER}")
        if id is not None and id in ids[:position]:
            raise Invalid(f"{path}.modelId", "names a model for a second time")
    return ids
