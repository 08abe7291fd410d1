"""Preparing without a database, over a model that plays back a script."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any  # Whatever a test wants to be otherwise.
from uuid import UUID

import pytest

import models
from domain.agents import AgentSpec, Sampling
from domain.calling import Caller
from domain.gateways.parameters import Parameters
from domain.identity import SCOPES, Principal, PrincipalKind
from domain.preparing import Bill, Choice, Overrides, Prepared, Preparing
from engine import ChatRequest, Engine
from engine.targets import Target
from engine.testing import ScriptedProvider

CALLER = Caller(Principal(UUID(int=1), PrincipalKind.LOCAL, SCOPES[PrincipalKind.LOCAL]), external_user="ada")


def model(name: str = "scripted-1", **fields: Any) -> models.Model:
    prices = {"input_price": Decimal(2), "output_price": Decimal(10)}
    return models.Model(name=name, vendor="Scripted", context_window=8192, **{**prices, **fields})


SPEC = AgentSpec(model(), "scripted", sampling=Sampling(None, None))


class Here:
    """Every model that is named is there."""

    async def named(self, principal: Principal, name: str) -> Choice:
        return Choice(model(name), (Target("scripted", name),))

    async def default(self, principal: Principal) -> Choice | None:
        return await self.named(principal, "default")


@dataclass
class Bench:
    """What was said to the models on the way is in `provider.requests`."""

    provider: ScriptedProvider
    closing: AsyncExitStack
    preparing: Preparing
    bill: Bill = field(default_factory=Bill)
    spec: AgentSpec = SPEC

    async def prepare(
        self,
        request: ChatRequest,
        parameters: Parameters | None,
        *,
        overrides: Overrides | None = None,
    ) -> Prepared:
        return await self.preparing.prepare(
            CALLER, self.spec, parameters, request, closing=self.closing, overrides=overrides, bill=self.bill
        )

    async def sent(self, request: ChatRequest, parameters: Parameters | None, **more: Any) -> ChatRequest:
        """What the model would be asked first."""
        return (await self.prepare(request, parameters, **more)).sent(0)


MakeBench = Callable[..., Awaitable[Bench]]


@pytest.fixture
async def bench() -> AsyncIterator[MakeBench]:
    async with AsyncExitStack() as closing:

        async def made(*scripts: Any, **helpers: Any) -> Bench:
            provider = ScriptedProvider(*scripts)
            engine = Engine({"scripted": provider})
            closing.push_async_callback(engine.close)
            return Bench(provider, closing, Preparing(engine, **{"models": Here(), **helpers}))

        yield made
