from collections.abc import AsyncGenerator
from typing import Annotated

import strawberry

from domain.ingestion import IngestionProgress
from resolvers.context import Info


def ingestion(
    info: Info, collection_id: Annotated[strawberry.ID, strawberry.argument(description="The collection.")]
) -> AsyncGenerator[IngestionProgress, None]:
    return info.context.services.ingestion.follow(info.context.principal, collection_id)
