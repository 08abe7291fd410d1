from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any  # Chunks are open JSON.

from resolvers.completions import Request
from resolvers.context import Info

__all__ = ["Chunks", "complete"]


@dataclass(slots=True)
class Chunks:
    chunks: list[Any]


async def complete(info: Info, input: Request) -> AsyncGenerator[Chunks, None]:
    completions, principal = info.context.services.completions, info.context.principal
    async with aclosing(completions.stream(principal, input.request)) as answer:
        async for chunks in answer:
            yield Chunks(chunks)
