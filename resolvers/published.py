from typing import Annotated

import strawberry

from files import Blob
from resolvers.context import Info


async def published_file(
    info: Info, token: Annotated[str, strawberry.argument(description="The last part of its link.")]
) -> Blob:
    return await info.context.services.published.find(token)
