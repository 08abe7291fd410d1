"""Gateways and skills through the graph: every parameter, who may do what, and what is never read."""

from collections.abc import AsyncIterator
from dataclasses import fields, replace
from typing import Any  # GraphQL answers are open.

import pytest

from domain.gateways.parameters import Parameters
from domain.identity import SCOPES, Principal, PrincipalKind
from execution import Result
from resolvers.parameters import RECORDS, WORDS
from resolvers.records import Records, Words
from tests.conftest import MakeTalk
from tests.resolvers.asking import Asker, asker

PARAMETERS = {"baseAddress": "@integrated", "modelName": "@openai/gpt-5-mini"}
CREATE = "mutation($input: CreateGatewayInput!) { createGateway(input: $input) { gateway { id name slug } } }"
UPDATE = """mutation($input: UpdateGatewayInput!) { updateGateway(input: $input) { gateway {
  name parameters { apiKey temperature topP flags mcpSources { name headers cacheDuration } } } } }"""
CREATE_SKILL = "mutation($input: CreateSkillInput!) { createSkill(input: $input) { skill { id } } }"


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


async def made(ask: Asker, **parameters: Any) -> dict[str, Any]:
    given = {"name": "Support", "parameters": PARAMETERS | parameters}
    gateway: dict[str, Any] = data(await ask(CREATE, input=given))["createGateway"]["gateway"]
    return gateway


async def test_is_made_found_changed_and_deleted(ask: Asker) -> None:
    gateway = await made(ask, temperature=1, flags=["NO_TEMPERATURE"])
    id = gateway["id"]
    sources = [{"name": "docs", "url": "https://1.1.1.1/", "headers": {"X-Key": "1"}}]
    changes = {"topP": 0.5, "temperature": None, "mcpSources": sources}
    changed = data(await ask(UPDATE, input={"id": id, "parameters": changes}))
    found = data(
        await ask(
            """query($id: ID!) { gateway(id: $id) { slug } gateways(filter: "supp") { totalCount nodes { id } }
            node(id: $id) { id ... on Gateway { name } } }""",
            id=id,
        )
    )
    gone = data(await ask("mutation($id: ID!) { deleteGateway(input: {id: $id}) { deletedId } }", id=id))

    assert gateway["slug"] == f"support:{id[-4:]}"
    assert changed["updateGateway"]["gateway"] == {
        "name": "Support",
        "parameters": {
            "apiKey": None,
            "temperature": None,
            "topP": 0.5,
            "flags": ["NO_TEMPERATURE"],
            "mcpSources": [{"name": "docs", "headers": {"X-Key": "********"}, "cacheDuration": 600}],
        },
    }
    assert found == {
        "gateway": {"slug": gateway["slug"]},
        "gateways": {"totalCount": 1, "nodes": [{"id": id}]},
        "node": {"id": id, "name": "Support"},
    }
    assert gone == {"deleteGateway": {"deletedId": id}}
    assert code(await ask("query($id: ID!) { gateway(id: $id) { id } }", id=id)) == "not_found"


async def test_a_field_that_is_wrong_is_named_as_it_was_spelled(ask: Asker) -> None:
    given = {"name": "Support", "parameters": PARAMETERS | {"queryStrategyParameters": {"rewriteContextSize": 0}}}

    result = await ask(CREATE, input=given)

    assert code(result) == "invalid"
    assert result.errors is not None
    path = result.errors[0]["extensions"]["fields"][0]["path"]
    assert path == "parameters.queryStrategyParameters.rewriteContextSize"


@pytest.mark.parametrize("parameters", [PARAMETERS | {"temprature": 1}, PARAMETERS | {"flags": ["PREVIEW"]}, {}])
async def test_what_the_graph_does_not_know_is_refused(ask: Asker, parameters: dict[str, Any]) -> None:
    result = await ask(CREATE, input={"name": "Support", "parameters": parameters})

    assert result.errors is not None
    assert result.data is None


@pytest.mark.parametrize("name", [None, "", " "])
async def test_a_gateway_keeps_a_name(ask: Asker, name: str | None) -> None:
    gateway = await made(ask)

    assert code(await ask(UPDATE, input={"id": gateway["id"], "name": name})) == "invalid"


@pytest.mark.parametrize("kind", [PrincipalKind.WSK, PrincipalKind.PAK, PrincipalKind.SSK, PrincipalKind.ANONYMOUS])
async def test_is_for_server_keys_alone(ask: Asker, kind: PrincipalKind) -> None:
    gateway = await made(ask)
    theirs = Asker(ask.talk, replace(ask.principal, kind=kind, scopes=SCOPES[kind]))

    for document in (
        "{ gateways { nodes { id } } }",
        "{ skills { nodes { id } } }",
        "{ skillsExport }",
        "mutation { clearSkills(input: {everything: true}) { deleted } }",
    ):
        assert code(await theirs(document)) in ("forbidden", "unauthenticated")
    assert data(await theirs("query($id: ID!) { node(id: $id) { id } }", id=gateway["id"])) == {"node": None}


async def test_an_sk_key_may_do_it_all(ask: Asker) -> None:
    server = Asker(ask.talk, replace(ask.principal, kind=PrincipalKind.SK, scopes=SCOPES[PrincipalKind.SK]))

    gateway = await made(server)

    assert data(await server("{ gateways { nodes { id } } }"))["gateways"]["nodes"] == [{"id": gateway["id"]}]


async def test_a_strangers_is_no_node(ask: Asker, stranger: Principal) -> None:
    gateway = await made(ask)
    skill = data(await ask(CREATE_SKILL, input={"slug": "x", "instructions": "X."}))["createSkill"]["skill"]
    theirs = Asker(ask.talk, stranger)

    found = data(await theirs("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=[gateway["id"], skill["id"]]))

    assert found == {"nodes": [None, None]}


async def test_a_skill_is_made_found_changed_and_deleted(ask: Asker) -> None:
    given = {"slug": "Translator", "instructions": "Translate.", "allowedTools": ["a", "b"]}
    id = data(await ask(CREATE_SKILL, input=given))["createSkill"]["skill"]["id"]
    sources = [{"name": "docs", "url": "https://1.1.1.1/", "headers": {"X-Key": "1"}}]
    changed = data(
        await ask(
            """mutation($input: UpdateSkillInput!) { updateSkill(input: $input) { skill {
            slug description allowedTools allowedToolsCount sources { name headers } } } }""",
            input={"id": id, "description": "For texts.", "sources": sources},
        )
    )
    found = data(await ask("query($id: ID!) { skill(id: $id) { slug } node(id: $id) { id } }", id=id))
    gone = data(await ask("mutation($id: ID!) { deleteSkill(input: {id: $id}) { deletedId } }", id=id))
    unsure = await ask("mutation { clearSkills(input: {everything: false}) { deleted } }")
    cleared = data(await ask("mutation { clearSkills(input: {everything: true}) { deleted } }"))

    assert changed["updateSkill"]["skill"] == {
        "slug": "Translator",
        "description": "For texts.",
        "allowedTools": ["a", "b"],
        "allowedToolsCount": 2,
        "sources": [{"name": "docs", "headers": {"X-Key": "********"}}],
    }
    assert found == {"skill": {"slug": "Translator"}, "node": {"id": id}}
    assert gone == {"deleteSkill": {"deletedId": id}}
    assert code(unsure) == "invalid"
    assert cleared == {"clearSkills": {"deleted": 0}}


async def test_every_parameter_is_in_the_graph(ask: Asker) -> None:
    def names(type_: str) -> str:
        return f'{{ __type(name: "{type_}") {{ fields {{ name description }} inputFields {{ name description }} }} }}'

    read, create, change = [
        data(await ask(names(f"GatewayParameters{kind}")))["__type"] for kind in ("", "Input", "Changes")
    ]
    members = read["fields"] + create["inputFields"] + change["inputFields"]

    assert len(fields(Parameters)) == 45
    assert len(members) == 3 * 45
    assert all(member["description"] for member in members)


def test_a_parameter_without_words_is_a_mistake() -> None:
    said = WORDS[Parameters]
    without = Words(said.name, said.about, {name: text for name, text in said.members.items() if name != "stop"})

    with pytest.raises(AssertionError):
        Records({Parameters: without})
    assert RECORDS.output(Parameters) is RECORDS.output(Parameters)
