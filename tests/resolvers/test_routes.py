"""Model routes through the graph."""

from collections.abc import AsyncIterator
from typing import Any  # GraphQL answers are open.

import pytest

from domain.identity import SCOPES, Principal, PrincipalKind
from tests.conftest import MakeTalk
from tests.resolvers.asking import Asker, asker
from tests.resolvers.test_providers import CREATE_MODEL, code, data, provider
from tests.upstream import Upstream

CREATE = """mutation($input: CreateModelRouteInput!) { createModelRoute(input: $input) {
  modelRoute { id name targets { tier weight model { name } } } } }"""
UPDATE = """mutation($input: UpdateModelRouteInput!) { updateModelRoute(input: $input) {
  modelRoute { name targets { model { name } } } } }"""
DELETE = "mutation($id: ID!) { deleteModelRoute(input: {id: $id}) { deletedId } }"


@pytest.fixture
async def ask(process: MakeTalk, principal: Principal) -> AsyncIterator[Asker]:
    async with process() as talk:
        yield asker(talk, principal)


async def made_models(ask: Asker, upstream: Upstream, *names: str) -> list[str]:
    theirs = await provider(ask, upstream)
    made = [data(await ask(CREATE_MODEL, input={"providerId": theirs["id"], "name": name})) for name in names]
    return [each["createModel"]["model"]["id"] for each in made]


async def test_is_made_read_changed_and_deleted(ask: Asker, upstream: Upstream) -> None:
    one, two = await made_models(ask, upstream, "one", "two")

    targets = [{"modelId": two, "tier": 1}, {"modelId": one, "weight": 3}]
    made = data(await ask(CREATE, input={"name": "ours", "targets": targets}))["createModelRoute"]["modelRoute"]
    listed = data(await ask("{ modelRoutes { totalCount nodes { name } } }"))
    found = data(await ask("query($id: ID!) { node(id: $id) { ... on ModelRoute { name } } }", id=made["id"]))
    changed = data(await ask(UPDATE, input={"id": made["id"], "targets": [{"modelId": two}]}))
    gone = data(await ask(DELETE, id=made["id"]))

    assert made | {"id": ""} == {
        "id": "",
        "name": "ours",
        "targets": [
            {"tier": 0, "weight": 3, "model": {"name": "one"}},
            {"tier": 1, "weight": 1, "model": {"name": "two"}},
        ],
    }
    assert listed == {"modelRoutes": {"totalCount": 1, "nodes": [{"name": "ours"}]}}
    assert found == {"node": {"name": "ours"}}
    assert changed["updateModelRoute"]["modelRoute"] == {"name": "ours", "targets": [{"model": {"name": "two"}}]}
    assert gone == {"deleteModelRoute": {"deletedId": made["id"]}}


@pytest.mark.parametrize("change", [{"name": ""}, {"targets": []}])
async def test_is_not_emptied(ask: Asker, upstream: Upstream, change: dict[str, Any]) -> None:
    [one] = await made_models(ask, upstream, "one")
    made = data(await ask(CREATE, input={"name": "ours", "targets": [{"modelId": one}]}))

    result = await ask(UPDATE, input={"id": made["createModelRoute"]["modelRoute"]["id"], **change})

    assert code(result) == "invalid"


async def test_the_targets_of_all_are_read_at_once(ask: Asker, upstream: Upstream) -> None:
    [one] = await made_models(ask, upstream, "one")
    for name in ("a", "b", "c"):
        data(await ask(CREATE, input={"name": name, "targets": [{"modelId": one}]}))

    async with ask.counting() as count:
        data(await ask("{ modelRoutes { nodes { targets { model { name } } } } }"))

    assert count.statements == 3


@pytest.mark.parametrize("kind", [PrincipalKind.SK, PrincipalKind.WSK, PrincipalKind.ANONYMOUS])
async def test_needs_a_key_that_manages_models(process: MakeTalk, principal: Principal, kind: PrincipalKind) -> None:
    async with process() as talk:
        weak = Principal(principal.workspace_id, kind, SCOPES[kind])
        result = await asker(talk, weak)(CREATE, input={"name": "x", "targets": []})

    assert code(result) in ("forbidden", "unauthenticated")
