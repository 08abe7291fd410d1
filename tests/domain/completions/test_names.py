"""Who answers to a name."""

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

import models
from domain.completions.names import Names
from domain.gateways.parameters import INTEGRATED
from domain.gateways.rows import Gateways
from domain.identity import Principal
from domain.providers import Providers, ProviderWire
from domain.secrets import Secrets
from engine import Engine
from engine.guard import Guard
from errors import Invalid, NotConfigured
from tests.conftest import SECRET_KEY


class Here:
    """The names of a process, and what they are made of."""

    def __init__(self, *problems: str) -> None:
        guard, secrets = Guard(allow_private=True), Secrets(lambda: [SECRET_KEY])
        self.engine = Engine()
        self.providers, self.gateways = Providers(self.engine, guard, secrets), Gateways(guard, secrets)
        self.names = Names(self.providers, self.gateways, problems)


@pytest.fixture
async def here(workspace: models.Workspace) -> AsyncIterator[Here]:
    here = Here()
    yield here
    await here.engine.close()


async def provider(here: Here, principal: Principal, name: str = "OpenAI") -> models.Provider:
    return await here.providers.create(
        principal, name=name, wire=ProviderWire.OPENAI, base_url="https://api.openai.com/v1", credential="sk-own"
    )


async def model(principal: Principal, of: models.Provider, name: str, vendor: str = "OpenAI") -> models.Model:
    return await models.Model.create(workspace_id=principal.workspace_id, provider=of, name=name, vendor=vendor)


@pytest.mark.parametrize("name", ["scripted-1", "@scripted/scripted-1"])
async def test_a_model_that_is_set_up(here: Here, principal: Principal, name: str) -> None:
    agent = await here.names.find(principal, name)

    assert (agent.spec.model.name, agent.called) == ("scripted-1", "@scripted/scripted-1")


async def test_a_model_by_its_id(here: Here, principal: Principal) -> None:
    row = await models.Model.get(workspace_id=principal.workspace_id)

    assert (await here.names.find(principal, str(row.id))).spec.model.id == row.id


@pytest.mark.parametrize("name", ["gpt-4o-mini", "@openai/gpt-4o-mini"])
async def test_a_model_that_only_the_catalog_knows(here: Here, principal: Principal, name: str) -> None:
    """At a provider that is set up, at the catalog's price."""
    row = await provider(here, principal)

    agent = await here.names.find(principal, name)

    [target] = agent.targets
    assert (target.provider, target.model, target.model_id) == (str(row.id), "gpt-4o-mini", None)
    assert agent.spec.model.input_price == Decimal("0.15")
    assert agent.called == "@openai/gpt-4o-mini"


async def test_offers_what_the_catalog_knows_at_providers_that_are_set_up(here: Here, principal: Principal) -> None:
    own = [offered.name for offered in await here.names.offered(principal)]
    of = await provider(here, principal)
    await model(principal, of, "gpt-4o-mini")

    names = [offered.name for offered in await here.names.offered(principal)]

    assert own == ["@scripted/scripted-1"]
    assert names[:2] == ["@openai/gpt-4o-mini", "@scripted/scripted-1"]
    assert names.count("@openai/gpt-4o-mini") == 1
    assert "@openai/gpt-4o" in names
    assert not any(name.startswith("@openai/text-embedding") for name in names)


@pytest.mark.parametrize(
    "name",
    [
        "gpt-4o-mini",
        "@openai/gpt-4o-mini",
        "@anthropic/gpt-4o-mini",
        "@",
        "@/",
        "x" * 600,
        "a\0b",
        "x" * 400 + ":abcd",
        "a\0:abcd",
    ],
)
async def test_a_model_of_nobody(here: Here, principal: Principal, name: str) -> None:
    """Nobody who is set up offers it."""
    with pytest.raises(Invalid, match="model names no gateway and no model"):
        await here.names.find(principal, name)


async def test_the_vendor_tells_models_of_one_name_apart(here: Here, principal: Principal) -> None:
    of = await provider(here, principal)
    other = await provider(here, principal, "Other")
    theirs = await model(principal, other, "same", "Acme Labs")
    await model(principal, of, "same", "OpenAI")

    assert (await here.names.find(principal, "@acme-labs/same")).spec.model.id == theirs.id


async def test_a_gateway_before_a_model_of_its_name(here: Here, principal: Principal) -> None:
    row = await here.gateways.create(principal, "Poet", {"baseAddress": INTEGRATED, "modelName": "scripted-1"})

    for name in (str(row.id), row.slug):
        agent = await here.names.find(principal, name)
        assert agent.gateway is not None
        assert (agent.gateway.id, agent.spec.model.name) == (row.id, "scripted-1")


async def test_a_gateway_with_an_address_of_its_own_has_the_catalogs_prices(here: Here, principal: Principal) -> None:
    row = await here.gateways.create(
        principal,
        "Own",
        {"baseAddress": "https://api.openai.com/v1", "modelName": "gpt-4o-mini", "apiKey": "sk-own"},
    )

    agent = await here.names.find(principal, row.slug)

    assert agent.has_own_address
    assert agent.called == "gpt-4o-mini"
    assert agent.spec.model.output_price == Decimal("0.6")
    assert agent.targets[0].provider == str(row.id)


async def test_a_strangers_names_are_nobodys(here: Here, principal: Principal, stranger: Principal) -> None:
    row = await here.gateways.create(principal, "Poet", {"baseAddress": INTEGRATED, "modelName": "scripted-1"})
    one = await models.Model.get(workspace_id=principal.workspace_id)

    for name in (str(row.id), row.slug, str(one.id), "scripted-1"):
        await here.names.find(principal, name)
        with pytest.raises(Invalid):
            await here.names.find(stranger, name)


async def test_the_operators_model_tells_what_is_wrong_with_it(principal: Principal) -> None:
    here = Here("No model is named. Set PALAVER_MODEL environment variable.")

    with pytest.raises(NotConfigured, match="PALAVER_MODEL"):
        await here.names.find(principal, "scripted-1")
