from dataclasses import dataclass
from typing import Annotated

import strawberry

import models
from domain import catalog, catalog_entries
from domain.agents import Sampling
from domain.catalog_entries import CatalogEntry, CatalogModality, CatalogStatus, CatalogVendor
from resolvers.context import Info


@dataclass(frozen=True, slots=True)
class CurrentModel:
    provider: str
    name: str
    sampling: Sampling
    model: models.Model | None


async def catalog_status(info: Info) -> CatalogStatus:
    return (await catalog_entries.catalog()).status


async def catalog_vendors(info: Info) -> list[CatalogVendor]:
    return (await catalog_entries.catalog()).vendors


async def catalog_modalities(info: Info) -> list[CatalogModality]:
    return (await catalog_entries.catalog()).modalities


async def catalog_models(
    info: Info,
    pattern: Annotated[
        str | None, strawberry.argument(description="Part of its name or title, in capitals or not.")
    ] = None,
    vendor: Annotated[
        str | None, strawberry.argument(description="Part of its vendor's name, in capitals or not.")
    ] = None,
    modality: Annotated[str | None, strawberry.argument(description="What it must read or write, exactly.")] = None,
    limit: Annotated[int, strawberry.argument(description="How many at most: from 1 to 200.")] = 50,
    include_disabled: Annotated[
        bool, strawberry.argument(description="Also those that their vendors have given up.")
    ] = False,
) -> list[CatalogEntry]:
    known = await catalog_entries.catalog()
    return known.search(
        pattern=pattern, vendor=vendor, modality=modality, limit=limit, include_disabled=include_disabled
    )


async def current_model(info: Info) -> CurrentModel:
    service, row = info.context.services.service, await catalog.default_model(info.context.principal)
    if row is None:
        return CurrentModel(service.provider, service.model, service.sampling, None)
    return CurrentModel(row.provider.name, row.name, service.sampling, row)


async def entry_of_current(root: strawberry.Parent[CurrentModel], info: Info) -> CatalogEntry | None:
    return await entry(root.model, info) if root.model else None


async def entry(root: strawberry.Parent[models.Model], info: Info) -> CatalogEntry | None:
    provider = await info.context.loaders.provider_by_id.load(root.provider_id)
    return await catalog_entries.offered_at(provider.wire, provider.base_url, root.name) if provider else None
