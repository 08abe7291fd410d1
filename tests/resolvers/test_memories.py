"""What is remembered of people, through the graph."""

from collections.abc import AsyncIterator

import pytest

from domain import memories
from domain.calling import Caller
from domain.identity import SCOPES, Principal, PrincipalKind
from models import MemoryFormat
from tests.conftest import MakeTalk
from tests.resolvers.asking import Asker, asker
from tests.resolvers.test_providers import code, data

LIST = """query($filter: MemoryFilter) { memories(first: 1, filter: $filter) {
  totalCount pageInfo { hasNextPage } nodes { externalUser format preview(characters: 5) } } }"""
DELETE = "mutation($input: DeleteMemoriesInput!) { deleteMemories(input: $input) { deletedCount externalUser format } }"


@pytest.fixture
async def ask(process: MakeTalk, principal: Principal) -> AsyncIterator[Asker]:
    async with process() as talk:
        yield asker(talk, principal)


async def test_are_listed_read_and_forgotten(ask: Asker, principal: Principal) -> None:
    caller = Caller(principal, external_user="customer-123")
    coffee = await memories.save(caller, "Likes coffee.")
    await memories.save(caller, "{}", format=MemoryFormat.DATE_REMINDER)

    page = data(await ask(LIST))["memories"]
    few = data(await ask(LIST, filter={"format": "TEXT"}))["memories"]
    found = data(await ask("query($id: ID!) { node(id: $id) { ... on Memory { content } } }", id=str(coffee.id)))
    gone = data(await ask(DELETE, input={"externalUser": "customer-123", "format": "TEXT"}))["deleteMemories"]

    assert (page["totalCount"], page["pageInfo"]) == (2, {"hasNextPage": True})
    assert page["nodes"] == [{"externalUser": "customer-123", "format": "DATE_REMINDER", "preview": "{}"}]
    assert few["nodes"] == [{"externalUser": "customer-123", "format": "TEXT", "preview": "Likes"}]
    assert found == {"node": {"content": "Likes coffee."}}
    assert gone == {"deletedCount": 1, "externalUser": "customer-123", "format": "TEXT"}
    assert data(await ask("query($id: ID!) { node(id: $id) { id } }", id=str(coffee.id))) == {"node": None}


async def test_are_nothing_for_a_browsers_key(ask: Asker, principal: Principal) -> None:
    browser = Principal(principal.workspace_id, PrincipalKind.PAK, SCOPES[PrincipalKind.PAK])

    assert code(await Asker(ask.talk, browser)(LIST)) == "forbidden"


async def test_are_nothing_for_strangers(ask: Asker, stranger: Principal) -> None:
    await memories.save(Caller(stranger, external_user="customer-123"), "Of another workspace.")

    assert data(await ask(LIST))["memories"]["totalCount"] == 0
