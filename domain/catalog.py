"""Which models there are, and which one answers when nobody chose."""

from dataclasses import dataclass, replace
from decimal import Decimal

from tortoise.queryset import QuerySet

import models
from domain import catalog_entries
from domain.identity import Principal
from errors import NotConfigured, NotFound
from models.database import connection, transaction

__all__ = ["Offer", "default_model", "default_or_none", "find", "offer", "visible_to"]


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
    problems: tuple[str, ...] = ()


def visible_to(principal: Principal) -> QuerySet[models.Model]:
    return models.Model.filter(workspace_id=principal.workspace_id)


async def find(principal: Principal, model_id: str) -> models.Model:
    id = models.parse_id(model_id)
    row = await visible_to(principal).get_or_none(id=id).select_related("provider") if id else None
    if row is None:
        raise NotFound("model", model_id)
    return row


async def default_model(principal: Principal) -> models.Model:
    row = await default_or_none(principal)
    if row is None:
        raise NotConfigured("No model is configured")
    return row


async def default_or_none(principal: Principal) -> models.Model | None:
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
    )


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
