"""The operator's model as rows: what the catalog knows of it, and what nobody may overwrite."""

from dataclasses import replace
from decimal import Decimal

import models
from domain import catalog
from domain.catalog import Offer
from domain.turns import Ask
from engine.events import End, EndReason, Text, Usage
from engine.testing import ScriptedProvider, Step
from tests.conftest import OFFER, MakeTalk, principal_of

KNOWN = Offer("openai", "openai", "https://api.openai.com/v1", "gpt-4o", "OpenAI")


async def default_name(workspace: models.Workspace) -> str | None:
    found = await catalog.default_model(principal_of(workspace))
    return found.name if found else None


async def test_the_catalog_tells_what_the_operator_did_not(workspace: models.Workspace) -> None:
    row = await catalog.offer(workspace, KNOWN)

    assert (row.vendor, row.context_window) == ("OpenAI", 128_000)
    assert (row.input_price, row.output_price) == (Decimal("2.5"), Decimal("10"))
    assert row.cached_price == Decimal("1.25")


async def test_what_the_operator_says_wins_also_when_it_is_nothing(workspace: models.Workspace) -> None:
    said = replace(KNOWN, context_window=4096, input_price=Decimal(0), output_price=Decimal(0))

    row = await catalog.offer(workspace, said)

    assert row.context_window == 4096
    assert (row.input_price, row.output_price) == (Decimal(0), Decimal(0))
    # The catalog's price for what is remembered belongs to the catalog's price for what is read.
    assert row.cached_price is None


async def test_a_name_at_another_address_costs_what_nobody_knows(workspace: models.Workspace) -> None:
    row = await catalog.offer(workspace, replace(KNOWN, base_url="http://127.0.0.1:9/v1"))

    assert (row.context_window, row.input_price) == (None, None)


async def test_usage_is_billed_at_a_price_and_keeps_it(process: MakeTalk, workspace: models.Workspace) -> None:
    answer: list[Step] = [Text("Hello"), Usage(1_000_000, 100_000), End(EndReason.STOP)]
    await catalog.offer(workspace, replace(OFFER, input_price=Decimal("2.5"), output_price=Decimal("10")))
    async with process(ScriptedProvider(answer)) as here:
        outcome = await here.turns.reply(principal_of(workspace), Ask("Hi"))
        await models.Model.filter(workspace_id=workspace.id).update(input_price=99)

    record = await models.UsageRecord.get(turn_id=outcome.turn.id)
    assert record.cost == Decimal("3.5")
    assert (record.input_price, record.output_price) == (Decimal("2.5"), Decimal("10"))


async def test_a_price_of_zero_is_kept_apart_from_none(process: MakeTalk, workspace: models.Workspace) -> None:
    kept = []
    async with process() as here:
        for price in (Decimal(0), None):
            await catalog.offer(workspace, replace(OFFER, input_price=price, output_price=price))
            outcome = await here.turns.reply(principal_of(workspace), Ask("Hi"))
            kept.append((await models.UsageRecord.get(turn_id=outcome.turn.id)).input_price)

    assert kept == [0, None]


async def test_another_model_of_the_environment_takes_over(workspace: models.Workspace) -> None:
    await catalog.offer(workspace, replace(OFFER, model="another"))

    assert await default_name(workspace) == "another"


async def test_what_somebody_chose_stays_the_default(workspace: models.Workspace) -> None:
    theirs = await models.Provider.create(workspace_id=workspace.id, name="mine", wire="openai", base_url="http://a/v1")
    await models.Model.filter(workspace_id=workspace.id).update(is_default=False)
    await models.Model.create(workspace_id=workspace.id, provider=theirs, name="m", vendor="unknown", is_default=True)

    await catalog.offer(workspace, replace(OFFER, model="another"))

    assert await default_name(workspace) == "m"


async def test_somebody_elses_provider_of_the_same_name_is_left_alone(workspace: models.Workspace) -> None:
    """Else a restart would send their credential to the operator's address."""
    theirs = await models.Provider.create(
        workspace_id=workspace.id, name="openai", wire="openai", base_url="https://gateway.example/v1", credential="x"
    )

    row = await catalog.offer(workspace, KNOWN)

    await theirs.refresh_from_db()
    assert (theirs.base_url, theirs.from_environment) == ("https://gateway.example/v1", False)
    assert row.provider.name == "openai (environment)"
