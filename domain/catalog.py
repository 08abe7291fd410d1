"""Which models there are, and which one answers when nobody chose."""

from dataclasses import dataclass
from decimal import Decimal

from tortoise.queryset import QuerySet

import models
from domain.identity import Principal
from errors import NotConfigured, NotFound

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
    provider, _ = await models.Provider.update_or_create(
        defaults={"wire": offered.wire, "base_url": offered.base_url}, workspace_id=workspace.id, name=offered.provider
    )
    row, _ = await models.Model.update_or_create(
        defaults={
            "vendor": offered.vendor,
            "context_window": offered.context_window,
            "input_price": offered.input_price,
            "output_price": offered.output_price,
            "is_default": True,
        },
        workspace_id=workspace.id,
        provider_id=provider.id,
        name=offered.model,
    )
    await models.Model.filter(workspace_id=workspace.id, is_default=True).exclude(id=row.id).update(is_default=False)
    row.provider = provider
    return row
