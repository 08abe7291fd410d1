"""What is known of a call of the gateway when it is over: what the ledger writes down."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import models
from domain.admission import Permit
from domain.identity import Principal
from domain.usage import UsageItem
from engine.events import Usage

__all__ = ["Entry", "Spoken", "Utterance"]


# Not frozen, like the events of an answer: a thousand of these are made in a second.
@dataclass(slots=True)
class Utterance:
    role: str
    parts: list[models.Part]


@dataclass(slots=True)
class Spoken:
    """For workspaces that keep what is said: all that was asked with, and the answer if there is any."""

    asked: Sequence[Utterance]
    answer: Utterance | None = None
    metadata: Mapping[str, object] = field(default_factory=dict)
    # Calls of one principal with the same one are the same conversation, as it is by then.
    idempotency_key: str | None = None

    @property
    def characters(self) -> int:
        said = [*self.asked, self.answer] if self.answer is not None else self.asked
        return sum(len(part.get("text", "")) + len(part.get("arguments", "")) for each in said for part in each.parts)


@dataclass(slots=True)
class Entry:
    """`id` is an id of a turn; whatever is recorded under it, it is billed once."""

    id: UUID
    principal: Principal
    provider_name: str
    # Who answered, at the prices of this moment.
    model: models.Model
    action: str
    # As the provider reported it, or as it was estimated.
    usage: Usage
    started_at: datetime
    response_ms: float
    first_token_at: datetime | None = None
    # What else was paid for: part of the cost.
    items: tuple[UsageItem, ...] = ()
    error_code: str | None = None
    error_message: str | None = None
    # Whoever asked has left before the end.
    was_cancelled: bool = False
    gateway_id: UUID | None = None
    external_user: str | None = None
    permit: Permit | None = None
    spoken: Spoken | None = None

    @property
    def status(self) -> models.TurnStatus:
        if self.error_code is not None:
            return models.TurnStatus.FAILED
        return models.TurnStatus.CANCELLED if self.was_cancelled else models.TurnStatus.COMPLETED
