"""Who may answer a request: a model at a provider, and when several may, in which order they are asked."""

from dataclasses import dataclass
from uuid import UUID

__all__ = ["Target"]


@dataclass(frozen=True, slots=True)
class Target:
    # The provider as the engine knows it.
    provider: str
    model: str
    # The lowest tier is asked first; within a tier the weight says how often a target is the first of them.
    tier: int = 0
    weight: int = 1
    # Which row it was made of, for whoever has to know what it cost.
    model_id: UUID | None = None
