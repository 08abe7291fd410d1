"""What this installation is, and whether it can answer."""

from dataclasses import dataclass
from enum import StrEnum

from domain.agents import Sampling

__all__ = ["Service", "ServiceHealth"]


class ServiceHealth(StrEnum):
    HEALTHY = "HEALTHY"
    UNHEALTHY = "UNHEALTHY"


@dataclass(frozen=True, slots=True)
class Service:
    """As the operator configured it; `problems` say what keeps it from answering, in words for the operator."""

    version: str
    is_enabled: bool
    provider: str
    model: str
    sampling: Sampling
    problems: tuple[str, ...] = ()

    @property
    def health(self) -> ServiceHealth:
        return ServiceHealth.UNHEALTHY if self.problems else ServiceHealth.HEALTHY

    @property
    def is_valid(self) -> bool:
        return not self.problems

    @property
    def can_answer(self) -> bool:
        return self.is_enabled and not self.problems
