"""Providers and models through the graph: what may be written and is never read."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any  # GraphQL answers are open.

import pytest

from domain.identity import SCOPES, Principal, PrincipalKind
from execution import Result
from tests.conftest import MakeTalk
from tests.resolvers.asking import Asker, asker
from tests.upstream import Reply, Upstream

CREATE = """mutation($input: CreateProviderInput!) { createProvider(input: $input) {
  provider { id name wire baseUrl hasCredential fromEnvironment } } }"""
UPDATE = """mutation($input: UpdateProviderInput!) { updateProvider(input: $input) {
  provider { name baseUrl hasCredential callsAtOnce } } }"""
TEST = "mutation($id: ID!) { testProvider(input: {id: $id}) { provider { name } modelNames } }"
CREATE_MODEL = """mutation($input: CreateModelInput!) { createModel(input: $input) {
  model { id name vendor inputPrice contextWindow isDefault provider { name } entry { name } } } }"""


@pytest.fixture
async def ask(process: MakeTalk, principal: Principal) -> AsyncIterator[Asker]:
    async with process() as talk:
        yield asker(talk, principal)


def data(result: Result) -> dict[str, Any]:
    assert result.errors is None, result.errors
    assert result.data is not None
    return result.data


def code(result: Result) -> str:
    assert result.errors is not None
    return str(result.errors[0]["extensions"]["code"])


async def provider(ask: Asker, upstream: Upstream) -> dict[str, Any]:
    given = {"name": "theirs", "baseUrl": upstream.base_url, "credential": "sk-theirs"}
    made: dict[str, Any] = data(await ask(CREATE, input=given))["createProvider"]["provider"]
    return made


async def test_is_set_up_tried_changed_and_deleted(ask: Asker, upstream: Upstream) -> None:
    made = await provider(ask, upstream)
    tried = data(await ask(TEST, id=made["id"]))
    changed = data(await ask(UPDATE, input={"id": made["id"], "name": "ours", "credential": None, "callsAtOnce": 7}))
    gone = data(await ask("mutation($id: ID!) { deleteProvider(input: {id: $id}) { deletedId } }", id=made["id"]))
    after = data(await ask("query($id: ID!) { node(id: $id) { id } providers { nodes { name } } }", id=made["id"]))

    assert made | {"id": ""} == {
        "id": "",
        "name": "theirs",
        "wire": "OPENAI",
        "baseUrl": upstream.base_url,
        "hasCredential": True,
        "fromEnvironment": False,
    }
    assert tried == {"testProvider": {"provider": {"name": "theirs"}, "modelNames": ["test-model"]}}
    assert changed["updateProvider"]["provider"] == {
        "name": "ours",
        "baseUrl": upstream.base_url,
        "hasCredential": False,
        "callsAtOnce": 7,
    }
    assert gone == {"deleteProvider": {"deletedId": made["id"]}}
    assert after == {"node": None, "providers": {"nodes": [{"name": "scripted"}]}}


async def test_a_refused_key_is_told_without_it(ask: Asker, upstream: Upstream) -> None:
    made = await provider(ask, upstream)
    upstream.listing = Reply.error(401, "Incorrect API key provided: sk-theirs")

    result = await ask(TEST, id=made["id"])

    assert code(result) == "provider_refused_key"
    assert "sk-theirs" not in str(result.errors)


async def test_a_model_is_offered_chosen_and_taken_back(ask: Asker, upstream: Upstream) -> None:
    made = await provider(ask, upstream)
    model = data(await ask(CREATE_MODEL, input={"providerId": made["id"], "name": "test-model", "inputPrice": 0}))
    id = model["createModel"]["model"]["id"]
    chosen = data(await ask("mutation($id: ID!) { setDefaultModel(input: {id: $id}) { model { isDefault } } }", id=id))
    current = data(await ask("{ currentModel { provider name model { id inputPrice outputPrice } entry { name } } }"))
    reply = data(await ask('mutation { reply(input: {text: "Hi"}) { answer { text } } }'))
    kept = await ask("mutation($id: ID!) { deleteModel(input: {id: $id}) { deletedId } }", id=id)

    assert model["createModel"]["model"] == {
        "id": id,
        "name": "test-model",
        "vendor": "unknown",
        "inputPrice": 0.0,
        "contextWindow": None,
        "isDefault": False,
        "provider": {"name": "theirs"},
        "entry": None,
    }
    assert chosen == {"setDefaultModel": {"model": {"isDefault": True}}}
    assert current["currentModel"] == {
        "provider": "theirs",
        "name": "test-model",
        "model": {"id": id, "inputPrice": 0.0, "outputPrice": None},
        "entry": None,
    }
    assert reply == {"reply": {"answer": {"text": "Hello there."}}}
    assert code(kept) == "conflict"


async def test_a_field_that_is_wrong_is_named_as_it_was_spelled(ask: Asker) -> None:
    result = await ask(CREATE, input={"name": "x", "baseUrl": "ftp://example.com"})

    assert code(result) == "invalid"
    assert result.errors is not None
    assert result.errors[0]["extensions"]["fields"][0]["path"] == "baseUrl"


@pytest.mark.parametrize("kind", [PrincipalKind.SK, PrincipalKind.WSK, PrincipalKind.SSK, PrincipalKind.ANONYMOUS])
async def test_only_owners_set_up(ask: Asker, upstream: Upstream, kind: PrincipalKind) -> None:
    theirs = Asker(ask.talk, replace(ask.principal, kind=kind, scopes=SCOPES[kind]))

    result = await theirs(CREATE, input={"name": "x", "baseUrl": upstream.base_url})

    assert code(result) in ("forbidden", "unauthenticated")


async def test_the_credential_has_no_field(ask: Asker) -> None:
    fields = data(await ask('{ __type(name: "Provider") { fields { name } } }'))["__type"]["fields"]

    assert "credential" not in {field["name"] for field in fields}
