"""Collections that are filled and searched, for tests."""

from contextlib import aclosing

import models
from domain import collections, storing
from domain.identity import Principal
from domain.ingestion import Ingestion, IngestionProgress
from domain.storing import NewDocument

__all__ = ["fill", "until_indexed"]


async def fill(
    ingestion: Ingestion, principal: Principal, *documents: NewDocument, name: str = "Handbook"
) -> models.Collection:
    """A new collection with these documents, indexed."""
    collection = await collections.create(principal, name)
    await storing.store(collection, documents)
    await until_indexed(ingestion, principal, collection)
    return collection


async def until_indexed(
    ingestion: Ingestion, principal: Principal, collection: models.Collection
) -> list[IngestionProgress]:
    async with aclosing(ingestion.follow(principal, str(collection.id))) as progress:
        return [event async for event in progress]
