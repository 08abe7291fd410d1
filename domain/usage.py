"""What was used and what it cost."""

import colorsys
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any  # Items are kept as JSON.

import orjson

import models
from domain.identity import Principal
from domain.usage_reports import TimeRange, sums
from engine.events import Usage

__all__ = [
    "SMALLEST",
    "ModelUse",
    "TimeRange",
    "UsageItem",
    "UsageStatistics",
    "cost_of",
    "estimate_tokens",
    "items_from",
    "items_json",
    "items_of",
    "recent",
    "statistics",
]

_MILLION = Decimal(1_000_000)
_NOTHING = Decimal(0)
# What the database keeps of an amount of money.
SMALLEST = Decimal("0.000000001")


@dataclass(frozen=True, slots=True)
class UsageItem:
    """One line of what a call cost: so many of something at a price."""

    sku: str
    description: str
    quantity: int
    unit_price: Decimal

    @property
    def amount(self) -> Decimal:
        return self.quantity * self.unit_price


@dataclass(frozen=True, slots=True)
class ModelUse:
    model_id: str
    vendor: str
    requests: int
    tokens: int
    cost: float
    percentage: float

    @property
    def color(self) -> str:
        """The same for a vendor every time, and grey for an unknown one."""
        if self.vendor == "unknown":
            return "#808080"
        hue = int(hashlib.sha256(self.vendor.lower().encode()).hexdigest()[:4], 16) / 0xFFFF
        red, green, blue = colorsys.hls_to_rgb(hue, 0.45, 0.6)
        return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"


@dataclass(frozen=True, slots=True)
class UsageStatistics:
    input_tokens: int
    output_tokens: int
    total_cost: float
    total_requests: int
    success_rate: float
    models: list[ModelUse]
    range: TimeRange
    external_user: str | None

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens


def items_from(kept: Sequence[Mapping[str, Any]]) -> list[UsageItem]:
    return [
        UsageItem(item["sku"], item["description"], item["quantity"], Decimal(str(item["unit_price"]))) for item in kept
    ]


def cost_of(usage: Usage, model: models.Model, items: Sequence[UsageItem] = ()) -> Decimal:
    """With what else was paid for. What nobody knows the price of costs nothing; what is known to be free does too."""
    input_price = model.input_price or _NOTHING
    cost = (usage.input_tokens - _cached(usage)) * input_price + usage.output_tokens * (model.output_price or _NOTHING)
    if usage.cached_tokens:
        cost += _cached(usage) * (input_price if model.cached_price is None else model.cached_price)
    cost /= _MILLION
    if items:
        cost += sum((item.amount for item in items), _NOTHING)
    return cost.quantize(SMALLEST)


def items_of(usage: Usage, model: models.Model, called: str) -> tuple[UsageItem, ...]:
    """The same in lines, which add up to it."""
    description = f"Inference for AI model '{called}'"
    cached = _cached(usage)
    input_price = model.input_price or _NOTHING
    lines = [
        ("inference.chat_completions.in", usage.input_tokens - cached, input_price),
        ("inference.chat_completions.out", usage.output_tokens, model.output_price or _NOTHING),
        (
            "inference.chat_completions.in.cached",
            cached,
            input_price if model.cached_price is None else model.cached_price,
        ),
    ]
    return tuple(UsageItem(sku, description, count, price / _MILLION) for sku, count, price in lines if count)


def _cached(usage: Usage) -> int:
    """Providers count what they remembered among the input."""
    return min(usage.cached_tokens, usage.input_tokens)


def estimate_tokens(characters: int) -> int:
    """For when the provider did not say: four characters make about one, and a message costs a few of its own."""
    return characters // 4 + 4


def items_json(items: Sequence[UsageItem]) -> str:
    """As a record keeps them. Prices as text: they are amounts of money, and JSON's numbers are not."""
    if not items:
        return "[]"
    return orjson.dumps(
        [
            {
                "sku": item.sku,
                "description": item.description,
                "quantity": item.quantity,
                "unit_price": str(item.unit_price),
                "amount": str(item.amount),
            }
            for item in items
        ]
    ).decode()


async def statistics(principal: Principal, range: TimeRange, external_user: str | None) -> UsageStatistics:
    rows = await sums(principal, range, ("model_name", "vendor"), external_user)
    requests = sum(row["requests"] for row in rows)
    return UsageStatistics(
        input_tokens=sum(row["input_tokens"] for row in rows),
        output_tokens=sum(row["output_tokens"] for row in rows),
        total_cost=float(sum((row["cost"] for row in rows), Decimal(0))),
        total_requests=requests,
        success_rate=_percentage(sum(row["successes"] for row in rows), requests) if requests else 100.0,
        models=[
            ModelUse(
                model_id=row["model_name"],
                vendor=row["vendor"],
                requests=row["requests"],
                tokens=row["input_tokens"] + row["output_tokens"],
                cost=float(row["cost"]),
                percentage=_percentage(row["requests"], requests),
            )
            for row in rows
        ],
        range=range,
        external_user=external_user,
    )


async def recent(
    principal: Principal, range: TimeRange, external_user: str | None, limit: int
) -> list[models.UsageRecord]:
    found = models.UsageRecord.filter(workspace_id=principal.workspace_id)
    if range.start is not None:
        found = found.filter(created_at__gte=range.start)
    if range.end is not None:
        found = found.filter(created_at__lte=range.end)
    if external_user is not None:
        found = found.filter(external_user=external_user)
    return await found.order_by("-created_at", "-id").limit(limit)


def _percentage(part: int, whole: int) -> float:
    return round(100 * part / whole, 1)
