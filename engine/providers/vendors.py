"""Vendors with a wire of their own, through pydantic-ai: Anthropic and Google.

What speaks to them is an optional extra that takes seconds to import, so it is looked for when a provider is made and
imported, in a thread, when it is first asked something.
"""

import asyncio
import importlib
import importlib.util
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Protocol

from engine.chat import ChatRequest
from engine.chunks import built
from engine.events import Event
from engine.guard import Guard
from engine.packets import Heard
from errors import NotConfigured

__all__ = ["VENDORS", "VendorProvider"]

# The packages that each vendor's extra brings.
VENDORS = {"anthropic": ("pydantic_ai", "anthropic"), "google": ("pydantic_ai", "google.genai")}


class Wire(Protocol):
    """What a vendor's module connects to."""

    def chat(self, request: ChatRequest, *, stream: bool) -> AsyncGenerator[Event | None, None]: ...

    async def models(self) -> list[str]: ...

    async def close(self) -> None: ...


class VendorProvider:
    """`vendor` is also the name of the extra that has to be installed."""

    def __init__(
        self,
        name: str,
        vendor: str,
        key: str,
        *,
        base_url: str | None = None,
        connect_seconds: float = 10,
        guard: Guard | None = None,
    ) -> None:
        if not all(map(_is_installed, VENDORS[vendor])):
            raise NotConfigured(f"Model provider {name!r} needs an extra: install palaver[{vendor}]")
        self.name, self.vendor = name, vendor
        self._key, self._base_url, self._connect_seconds, self._guard = key, base_url, connect_seconds, guard
        self._wire: Wire | None = None

    async def listen(self, request: ChatRequest, *, stream: bool) -> AsyncGenerator[list[Heard], None]:
        wire = await self._open()
        async with aclosing(built(wire.chat(request, stream=stream), request.model, stream=stream)) as answer:
            async for heard in answer:
                yield heard

    async def models(self) -> list[str]:
        wire = await self._open()
        return await wire.models()

    async def close(self) -> None:
        if self._wire is not None:
            await self._wire.close()

    async def _open(self) -> Wire:
        if self._wire is None:
            module = await asyncio.to_thread(importlib.import_module, f"engine.providers.{self.vendor}")
            # Whoever waited for the same import may have been first.
            self._wire = self._wire or module.connect(
                self.name,
                self._key,
                base_url=self._base_url,
                connect_seconds=self._connect_seconds,
                guard=self._guard,
            )
        return self._wire


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # the parent of a dotted name is missing
        return False
