"""Who may answer a request: a model at a provider, and when several may, in which order they are asked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

__all__ = ["Target", "in_order"]


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


def in_order(
    targets: Sequence[Target], uniform: Callable[[float, float], float], *, first: Target | None = None
) -> list[Target]:
    """By tier, and before them `first`; within a tier drawn by weight, so that the second is as random as the first."""
    if len(targets) == 1:
        return list(targets)
    # Efraimidis and Spirakis: the largest u^(1/w) belongs to each with the probability of its weight.
    return sorted(targets, key=lambda target: (target != first, target.tier, -(uniform(0, 1) ** (1 / target.weight))))
