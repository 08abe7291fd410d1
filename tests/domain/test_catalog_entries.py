"""What the packages say, in our words; and that nobody waits for it twice."""

from datetime import date
from decimal import Decimal
from importlib.metadata import version

import pytest

from domain import catalog_entries
from domain.catalog_entries import MODELS, PRICES, Catalog, CatalogEntry, CatalogVendor, Source
from errors import Invalid


def entry(name: str, vendor: str = "Acme", **facts: object) -> CatalogEntry:
    known = {
        "vendor_id": vendor.lower(),
        "vendor": vendor,
        "name": name,
        "title": name.title(),
        "context_window": 1000,
        "input_modalities": ("text",),
        "output_modalities": ("text",),
        "released_on": None,
        "is_disabled": False,
        "input_price": None,
        "output_price": None,
        "cached_price": None,
        "price_source": None,
    }
    return CatalogEntry(**(known | facts))  # type: ignore[arg-type]  # each of its own type


def names(found: list[CatalogEntry]) -> list[str]:
    return [entry.name for entry in found]


@pytest.mark.parametrize("source", [MODELS, PRICES])
def test_the_day_of_a_source_is_that_of_its_version(source: Source) -> None:
    """A new version of the package has another day: look it up and write it down."""
    assert version(source.package) == source.version


async def test_knows_a_model_everybody_knows() -> None:
    found = (await catalog_entries.catalog()).find("openai", "gpt-4o")

    assert found is not None
    assert (found.vendor, found.context_window, found.released_on) == ("OpenAI", 128_000, date(2024, 5, 13))
    assert (found.input_price, found.output_price, found.cached_price) == (
        Decimal("2.5"),
        Decimal("10"),
        Decimal("1.25"),
    )
    assert found.price_source == PRICES
    assert found.modalities == ["text", "image", "pdf"]


async def test_is_read_once() -> None:
    assert await catalog_entries.catalog() is await catalog_entries.catalog()


async def test_every_price_has_a_source() -> None:
    known = await catalog_entries.catalog()

    priced = [entry for entry in known._entries if entry.is_priced]

    assert len(priced) == known.status.price_count
    assert all(entry.price_source is not None for entry in priced)


@pytest.mark.parametrize(
    ("wire", "base_url", "vendor"),
    [
        ("openai", "https://api.openai.com/v1", "OpenAI"),
        ("openai", "https://openrouter.ai/api/v1", None),
        ("openai", "http://127.0.0.1:8080/v1", None),
        ("openai", "https://api.openai.com.evil.example/v1", None),
        ("openai", "", None),
        ("anthropic", "", None),
    ],
)
async def test_a_name_means_something_only_at_its_vendor(wire: str, base_url: str, vendor: str | None) -> None:
    """Servers give any name to any model."""
    found = await catalog_entries.offered_at(wire, base_url, "gpt-4o")

    assert (found.vendor if found else None) == vendor


async def test_a_wire_without_an_address_is_its_vendors() -> None:
    found = await catalog_entries.offered_at("anthropic", "", "claude-opus-4-1")

    assert found is not None
    assert found.vendor == "Anthropic"


def test_newest_first_then_by_name_and_the_undated_last() -> None:
    catalog = Catalog(
        [entry("c"), entry("b", released_on=date(2025, 1, 1)), entry("a"), entry("d", released_on=date(2026, 1, 1))]
    )

    assert names(catalog.search()) == ["d", "b", "a", "c"]


def test_all_filters_must_fit() -> None:
    catalog = Catalog(
        [
            entry("red-one", "Acme AI", input_modalities=("text", "image")),
            entry("red-two", "Acme AI"),
            entry("blue", "Acme AI", input_modalities=("image",), title="Redder"),
            entry("red-three", "Other", input_modalities=("image",)),
            entry("red-old", "Acme AI", input_modalities=("image",), is_disabled=True),
        ]
    )

    found = catalog.search(pattern="RED", vendor="acme", modality="image")
    with_disabled = catalog.search(pattern="RED", vendor="acme", modality="image", include_disabled=True)

    assert names(found) == ["blue", "red-one"]
    assert names(with_disabled) == ["blue", "red-old", "red-one"]
    assert catalog.search(modality="imag") == []


@pytest.mark.parametrize("limit", [0, -1, 201])
def test_a_limit_is_refused_and_not_bent(limit: int) -> None:
    with pytest.raises(Invalid, match="between 1 and 200"):
        Catalog([]).search(limit=limit)


def test_counts_models_once_and_deployments_by_vendor() -> None:
    catalog = Catalog([entry("a"), entry("a", "Reseller", input_price=Decimal(0)), entry("b", "Reseller")])

    assert catalog.status.model_count == 2
    assert catalog.status.deployment_count == 3
    assert catalog.status.price_count == 1
    assert catalog.status.top_vendors == [CatalogVendor("Reseller", 2), CatalogVendor("Acme", 1)]


def test_an_empty_catalog_counts_nothing() -> None:
    status = Catalog([]).status

    assert (status.vendor_count, status.model_count, status.price_count, status.top_vendors) == (0, 0, 0, [])
