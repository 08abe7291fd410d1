"""One file per wire; `connect` makes a provider from what is written in a row or a setting."""

from collections.abc import Mapping

import aiohttp

from engine.chat import ChatProvider
from engine.providers.openai import OpenAIProvider
from engine.providers.vendors import VENDORS, VendorProvider
from errors import Invalid

__all__ = ["KINDS", "connect"]

OPENAI_URL = "https://api.openai.com/v1"
KINDS = ("openai", *VENDORS)


def connect(
    kind: str,
    name: str,
    *,
    base_url: str | None = None,
    key: str = "",
    headers: Mapping[str, str] | None = None,
    session: aiohttp.ClientSession | None = None,
) -> ChatProvider:
    """A provider of that kind; `headers` and `session` are for the OpenAI-compatible wire only."""
    if kind == "openai":
        return OpenAIProvider(name, base_url or OPENAI_URL, key, headers=headers, session=session)
    if kind in VENDORS:
        return VendorProvider(name, kind, key, base_url=base_url)
    raise Invalid("kind", f"must be one of {', '.join(KINDS)}")
