"""Budgets, keys, settings and usage through the graph."""

from typing import Any  # Answers are open.

import pytest

import models
from domain import keys
from domain.identity import KeyKind, Principal
from domain.keys import Keys
from execution import Result
from tests.conftest import MakeTalk
from tests.paying import entry_of
from tests.resolvers.asking import asker


def data(result: Result) -> Any:
    assert not result.errors, result.errors
    return result.data


def codes(result: Result) -> list[str]:
    return [error["extensions"]["code"] for error in result.errors or []]


BUDGET = "{ id apiKeyId period amount spent held remaining startedAt endsAt }"


async def test_budgets_are_set_and_told(process: MakeTalk, principal: Principal) -> None:
    async with process() as here:
        ask = asker(here, principal)
        made = data(
            await ask(
                "mutation { createBudget(input: {amount: 1.5, period: DAY}) { budget " + BUDGET + " } }",
            )
        )["createBudget"]["budget"]
        assert (made["apiKeyId"], made["period"], made["amount"], made["spent"]) == (None, "DAY", 1.5, 0)
        assert made["endsAt"] > made["startedAt"]

        here.ledger.record(entry_of(principal))
        await here.ledger.flush()
        listed = data(await ask("{ budgets { nodes { id spent remaining } } workspace { balance spentLately } }"))

        assert listed["budgets"]["nodes"] == [{"id": made["id"], "spent": 0.003, "remaining": 1.497}]
        assert listed["workspace"] == {"balance": 1.497, "spentLately": 0.003}

        changed = data(
            await ask(
                "mutation ($id: ID!) { updateBudget(input: {id: $id, amount: 2, reset: true})"
                " { budget { amount spent } } }",
                id=made["id"],
            )
        )
        assert changed["updateBudget"]["budget"] == {"amount": 2, "spent": 0}
        data(await ask("mutation ($id: ID!) { deleteBudget(input: {id: $id}) { deletedId } }", id=made["id"]))
        assert data(await ask("{ workspace { balance } }")) == {"workspace": {"balance": None}}


async def test_who_may_not_set_budgets(process: MakeTalk, principal: Principal) -> None:
    """Not even the account's own key: it would lift its own."""
    _, secret = await keys.create(principal.workspace_id, KeyKind.SK)
    account = await Keys().authenticate(secret, None)
    async with process() as here:
        made = await asker(here, account)("mutation { createBudget(input: {amount: 1}) { budget { id } } }")

    assert codes(made) == ["forbidden"]
    assert await models.Budget.all().count() == 0


async def test_keys_have_limits(process: MakeTalk, principal: Principal) -> None:
    async with process() as here:
        ask = asker(here, principal)
        made = data(
            await ask(
                'mutation { createKey(input: {kind: SK, label: "ci", requestsPerMinute: 60, callsAtOnce: 2})'
                " { secret key { id preview ending requestsPerMinute tokensPerMinute callsAtOnce } } }"
            )
        )["createKey"]
        key, end = made["key"], made["secret"][-6:]
        assert (key["preview"], key["ending"]) == (f"sk-…{end}", end)
        assert (key["requestsPerMinute"], key["tokensPerMinute"], key["callsAtOnce"]) == (60, None, 2)

        changed = data(
            await ask(
                "mutation ($id: ID!) { updateKey(input: {id: $id, requestsPerMinute: null, tokensPerMinute: 9})"
                " { key { label requestsPerMinute tokensPerMinute callsAtOnce } } }",
                id=key["id"],
            )
        )["updateKey"]["key"]

    assert changed == {"label": "ci", "requestsPerMinute": None, "tokensPerMinute": 9, "callsAtOnce": 2}


@pytest.mark.parametrize(
    "document",
    [
        "mutation { createKey(input: {kind: WSK}) { secret } }",
        'mutation { updateWorkspace(input: {name: "x"}) { workspace { id } } }',
        "mutation { rollSalt(input: {}) { workspace { id } } }",
        'mutation { updateKey(input: {id: "x"}) { key { id } } }',
        "{ workspace { salt } }",
        "{ apiKeys { nodes { id } } }",
    ],
)
async def test_other_servers_keys_manage_nothing(process: MakeTalk, principal: Principal, document: str) -> None:
    _, secret = await keys.create(principal.workspace_id, KeyKind.WSK)
    server = await Keys().authenticate(secret, None)
    async with process() as here:
        assert codes(await asker(here, server)(document)) == ["forbidden"]


async def test_settings_are_changed(process: MakeTalk, principal: Principal) -> None:
    async with process() as here:
        ask = asker(here, principal)
        before = data(await ask("{ workspace { name allowsLogging healsJson salt } }"))["workspace"]
        assert (before["name"], before["allowsLogging"], before["healsJson"]) == ("local", True, False)

        changed = data(
            await ask(
                'mutation { updateWorkspace(input: {name: "Shop", allowsLogging: false})'
                " { workspace { name allowsLogging healsJson } } }"
            )
        )["updateWorkspace"]["workspace"]
        data(await ask("mutation { rollSalt(input: {}) { workspace { id } } }"))
        here.accounts.forget_all()

        assert changed == {"name": "Shop", "allowsLogging": False, "healsJson": False}
        assert data(await ask("{ workspace { salt } }"))["workspace"]["salt"] != before["salt"]


async def test_usage_is_reported(process: MakeTalk, principal: Principal) -> None:
    async with process() as here:
        for user in ("ann", "ann", "bob"):
            here.ledger.record(entry_of(principal, external_user=user))
        await here.ledger.flush()

        found = data(
            await asker(here, principal)(
                "{ usageReport(groupBy: USER, first: 1) { groups { externalUser model requests cost }"
                " total { requests inputTokens cost } }"
                " usageStatistics { totalRequests recent(first: 1) { cost inputPrice cachedPrice items { sku } } } }"
            )
        )

    assert found["usageReport"] == {
        "groups": [{"externalUser": "ann", "model": None, "requests": 2, "cost": 0.006}],
        "total": {"requests": 3, "inputTokens": 3000, "cost": 0.009},
    }
    assert found["usageStatistics"] == {
        "totalRequests": 3,
        "recent": [{"cost": 0.003, "inputPrice": 1, "cachedPrice": None, "items": []}],
    }
