import strawberry

import models
from domain import catalog, providers
from domain.completions.names import tag_of
from domain.providers import ProviderWire
from resolvers.context import Info
from resolvers.pages import After, Before, First, Last, Page, PageArgs, page_of_rows


async def models_(
    info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
) -> Page[models.Model]:
    found = catalog.visible_to(info.context.principal)
    return await page_of_rows(found, PageArgs(first, after, last, before), newest_by="id")


async def providers_(
    info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
) -> Page[models.Provider]:
    found = providers.visible_to(info.context.principal)
    return await page_of_rows(found, PageArgs(first, after, last, before), newest_by="id")


def wire(root: strawberry.Parent[models.Provider]) -> ProviderWire:
    return ProviderWire(root.wire)


def has_credential(root: strawberry.Parent[models.Provider]) -> bool:
    return root.credential is not None


async def provider(root: strawberry.Parent[models.Model], info: Info) -> models.Provider | None:
    return await info.context.loaders.provider_by_id.load(root.provider_id)


def tag(root: strawberry.Parent[models.Model]) -> str:
    return tag_of(root)
