"""What a resolver knows of the request it works for."""

from dataclasses import dataclass, field

import strawberry

import resolvers.enums  # noqa: F401 - before anything takes an enum as an argument, the graph has to know it
from domain.accounts import Accounts
from domain.budgets import Budgets
from domain.completions.completions import Completions
from domain.gateways.rows import Gateways
from domain.identity import Principal
from domain.ingestion import Ingestion
from domain.issuing import Issuing
from domain.providers import Providers
from domain.published import Published
from domain.retrieval import Retrieval
from domain.service import Service
from domain.skills import Skills
from domain.turns import Turns
from resolvers.loaders import Loaders

__all__ = ["Context", "Info", "Services"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What a process does, for everybody who asks."""

    turns: Turns
    service: Service
    retrieval: Retrieval
    ingestion: Ingestion
    providers: Providers
    gateways: Gateways
    skills: Skills
    completions: Completions
    accounts: Accounts
    issuing: Issuing
    budgets: Budgets
    published: Published


@dataclass(slots=True)
class Context:
    principal: Principal
    services: Services
    loaders: Loaders = field(default_factory=Loaders)

    def fresh(self) -> "Context":
        """The same asker, with nothing remembered: for the next event of a subscription."""
        return Context(self.principal, self.services)


Info = strawberry.Info[Context, None]
