"""What a resolver knows of the request it works for."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import strawberry

from domain.identity import Principal
from domain.ingestion import Ingestion
from domain.retrieval import Retrieval
from domain.service import Service
from domain.turns import Turns
from resolvers.loaders import Loaders

__all__ = ["Context", "Info"]


@dataclass(slots=True)
class Context:
    principal: Principal
    turns: Turns
    service: Service
    retrieval: Retrieval
    ingestion: Ingestion
    # Whether the key this came in with still opens anything; asked by connections that outlive a request.
    still_valid: Callable[[], bool] = lambda: True
    loaders: Loaders = field(default_factory=Loaders)

    def fresh(self) -> "Context":
        """The same asker, with nothing remembered: for the next event of a subscription."""
        return replace(self, loaders=Loaders())


Info = strawberry.Info[Context, None]
