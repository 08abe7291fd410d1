"""What lets calls in and writes them down, as one process has it; several share nothing but the database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any  # An entry's fields are of any type.
from uuid import uuid4

import models
from domain.admission import Admission, Permit
from domain.holds import CHANGED, Holds
from domain.identity import Principal
from domain.ledger import Entry, Ledger
from domain.notifications import Listener
from domain.rates import Rates
from engine.events import Usage

__all__ = ["PRICED", "Till", "entry_of", "till"]

# A call of a thousand tokens each way costs three thousandths.
PRICED = models.Model(name="priced", vendor="vendor", input_price=Decimal(1), output_price=Decimal(2))


@dataclass(frozen=True)
class Till:
    holds: Holds
    rates: Rates
    ledger: Ledger
    admission: Admission
    # Something was heard of budgets.
    heard: asyncio.Event


@asynccontextmanager
async def till(*, flush_seconds: float = 0.02, **options: Any) -> AsyncIterator[Till]:
    owner = uuid4()
    holds, rates = Holds(owner, **options), Rates(owner)
    ledger = Ledger(holds, rates, flush_seconds=flush_seconds)
    heard = asyncio.Event()

    def forget(what: str) -> None:
        holds.forget(what)
        heard.set()

    listener = Listener({CHANGED: forget}, resumed=holds.forget_all)
    ledger.open()
    listener.open()
    try:
        await listener.listening.wait()
        yield Till(holds, rates, ledger, Admission(holds, rates, check=ledger.check), heard)
    finally:
        await ledger.close()
        await listener.close()


def entry_of(principal: Principal, permit: Permit | None = None, **fields: Any) -> Entry:
    chosen: dict[str, Any] = {
        "id": models.new_id(models.Kind.TURN),
        "principal": principal,
        "provider_name": "scripted",
        "model": PRICED,
        "action": "completion",
        "usage": Usage(1000, 1000),
        "started_at": datetime.now(UTC),
        "response_ms": 12.5,
        "permit": permit,
    } | fields
    return Entry(**chosen)
