"""Which models there are, and which one answers when nobody chose."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any  # Changes are of any column's type.

from tortoise.exceptions import IntegrityError
from tortoise.expressions import Subquery
from tortoise.queryset import QuerySet

import models
from domain import catalog_entries
from domain.identity import Principal
from errors import Conflict, Invalid, NotFound
from models.database import connection, transaction

__all__ = [
    "NewModel",
    "Offer",
    "add",
    "check_idle",
    "default_model",
    "find",
    "make_default",
    "offer",
    "remove",
    "update",
    "visible_to",
]

_NAME_LENGTH = 256
_LEAST_WINDOW = 256
_HIGHEST_PRICE = 1_000_000


@dataclass(frozen=True, slots=True)
class Offer:
    """A provider and its model as the operator configured them; what is wrong with them is in `problems`."""

    provider: str
    wire: str
    base_url: str
    model: str
    vendor: str
    context_window: int | None = None
    input_price: Decimal | None = None
    output_price: Decimal | None = None
    cached_price: Decimal | None = None
    problems: tuple[str, ...] = ()


def visible_to(principal: Principal) -> QuerySet[models.Model]:
    return models.Model.filter(workspace_id=principal.workspace_id)


async def find(principal: Principal, model_id: str) -> models.Model:
    id = models.parse_id(model_id)
    row = await visible_to(principal).get_or_none(id=id).select_related("provider") if id else None
    if row is None:
        raise NotFound("model", model_id)
    return row


async def default_model(principal: Principal) -> models.Model | None:
    return await visible_to(principal).filter(is_default=True).order_by("-id").first().select_related("provider")


async def offer(workspace: models.Workspace, offered: Offer) -> models.Model:
    """Write the operator's configuration down as rows: everything else knows providers and models only as rows."""
    offered = await _described(offered)
    async with transaction(), connection() as bare:
        # Several processes start at once.
        await bare.execute("SELECT pg_advisory_xact_lock(hashtext('palaver.offer'))")
        provider = await _operators_provider(workspace, offered)
        row, _ = await models.Model.update_or_create(
            defaults={
                "vendor": offered.vendor,
                "context_window": offered.context_window,
                "input_price": offered.input_price,
                "output_price": offered.output_price,
                "cached_price": offered.cached_price,
            },
            workspace_id=workspace.id,
            provider_id=provider.id,
            name=offered.model,
        )
        await _make_default_unless_chosen(row)
    row.provider = provider
    return row


async def _described(offered: Offer) -> Offer:
    """With what the catalog knows, where the operator has said nothing. A price of zero is something."""
    entry = await catalog_entries.offered_at(offered.wire, offered.base_url, offered.model)
    if entry is None:
        return offered
    return replace(
        offered,
        vendor=entry.vendor,
        context_window=offered.context_window or entry.context_window or None,
        input_price=entry.input_price if offered.input_price is None else offered.input_price,
        output_price=entry.output_price if offered.output_price is None else offered.output_price,
        cached_price=_cached_price(offered, entry.cached_price),
    )


def _cached_price(offered: Offer, known: Decimal | None) -> Decimal | None:
    """A price of one's own for what is read is also that of what is remembered, unless something else is said."""
    return known if offered.cached_price is None and offered.input_price is None else offered.cached_price


async def _operators_provider(workspace: models.Workspace, offered: Offer) -> models.Provider:
    """Never somebody else's of the same name: that one has an address and a credential of its own."""
    theirs = models.Provider.filter(workspace_id=workspace.id, name=offered.provider, from_environment=False)
    name = f"{offered.provider} (environment)" if await theirs.exists() else offered.provider
    provider, _ = await models.Provider.update_or_create(
        defaults={"wire": offered.wire, "base_url": offered.base_url, "from_environment": True},
        workspace_id=workspace.id,
        name=name,
    )
    return provider


async def _make_default_unless_chosen(row: models.Model) -> None:
    """What somebody made the default stays; what the environment said before makes way."""
    defaults = models.Model.filter(workspace_id=row.workspace_id, is_default=True).exclude(id=row.id)
    if await defaults.filter(provider__from_environment=False).exists():
        return
    await defaults.update(is_default=False)
    row.is_default = True
    await row.save(update_fields=["is_default"])


# ---------------------------------------------------------------- what people add


@dataclass(frozen=True, slots=True)
class NewModel:
    """What is None is taken from the catalog, if the catalog knows the model at its provider's address."""

    name: str
    vendor: str | None = None
    context_window: int | None = None
    input_price: float | None = None
    output_price: float | None = None
    cached_price: float | None = None


async def add(principal: Principal, provider_id: str, new: NewModel) -> models.Model:
    id = models.parse_id(provider_id)
    provider = await models.Provider.get_or_none(id=id, workspace_id=principal.workspace_id) if id else None
    if provider is None:
        raise NotFound("provider", provider_id)
    described = await _described(
        Offer(
            provider.name,
            provider.wire,
            provider.base_url,
            _check_text("name", new.name),
            "unknown",
            _check_window(new.context_window),
            _check_price("inputPrice", new.input_price),
            _check_price("outputPrice", new.output_price),
            _check_price("cachedPrice", new.cached_price),
        )
    )
    try:
        row = await models.Model.create(
            workspace_id=principal.workspace_id,
            provider=provider,
            name=described.model,
            vendor=_check_text("vendor", new.vendor or described.vendor),
            context_window=described.context_window,
            input_price=described.input_price,
            output_price=described.output_price,
            cached_price=described.cached_price,
        )
    except IntegrityError as exc:
        raise Conflict(f"This provider has a model {described.model!r} already") from exc
    return row


_CHECKS: Mapping[str, Callable[[Any], object]] = {
    "vendor": lambda value: _check_text("vendor", value),
    "context_window": lambda value: _check_window(value),
    "input_price": lambda value: _check_price("inputPrice", value),
    "output_price": lambda value: _check_price("outputPrice", value),
    "cached_price": lambda value: _check_price("cachedPrice", value),
}


async def update(principal: Principal, model_id: str, changes: Mapping[str, Any]) -> models.Model:
    row = await find(principal, model_id)
    for name, value in changes.items():
        setattr(row, name, _CHECKS[name](value))
    if changes:
        await row.save(update_fields=list(changes))
    return row


async def remove(principal: Principal, model_id: str) -> models.Model:
    """What it has answered stays, and what it cost."""
    async with transaction():
        row = await find(principal, model_id)
        await check_idle(models.Model.filter(id=row.id))
        # Looked at and deleted in one statement: it may become the default meanwhile.
        if not await visible_to(principal).filter(id=row.id, is_default=False).delete():
            raise Conflict("This model answers when nobody chose: make another one the default first")
    return row


async def check_idle(rows: QuerySet[models.Model]) -> None:
    """What is being said has still to be billed, at the model's price."""
    if await models.Turn.filter(status=models.TurnStatus.RUNNING, model_id__in=Subquery(rows.values("id"))).exists():
        raise Conflict("An answer is being made with it: wait for its end, or cancel it")


async def make_default(principal: Principal, model_id: str) -> models.Model:
    async with transaction(), connection() as bare:
        await bare.execute("SELECT pg_advisory_xact_lock(hashtext('palaver.offer'))")
        row = await find(principal, model_id)
        await visible_to(principal).filter(is_default=True).exclude(id=row.id).update(is_default=False)
        row.is_default = True
        await row.save(update_fields=["is_default"])
    return row


def _check_text(field: str, value: str | None) -> str:
    text = (value or "").strip()
    if not 1 <= len(text) <= _NAME_LENGTH:
        raise Invalid(field, f"must have between 1 and {_NAME_LENGTH} characters")
    return text


def _check_window(tokens: int | None) -> int | None:
    if tokens is not None and tokens < _LEAST_WINDOW:
        raise Invalid("contextWindow", f"must be at least {_LEAST_WINDOW}")
    return tokens


def _check_price(field: str, price: float | None) -> Decimal | None:
    if price is None:
        return None
    if not 0 <= price <= _HIGHEST_PRICE:
        raise Invalid(field, f"must be between 0 and {_HIGHEST_PRICE:,} US dollars for a million tokens")
    return round(Decimal(str(price)), 6)
