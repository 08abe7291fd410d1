"""Conversations through the graph: what comes back, and how many statements it takes."""

from collections.abc import AsyncIterator
from typing import Any  # GraphQL answers are open.

import pytest

import models
from domain import conversations as rules
from domain.identity import Principal
from domain.turns import Ask
from engine.testing import ScriptedProvider, saying
from execution import Result
from tests.conftest import MakeTalk
from tests.resolvers.asking import Asker, asker

LIST = """query($first: Int, $after: String, $last: Int, $before: String, $text: String) {
  conversations(first: $first, after: $after, last: $last, before: $before, filter: {text: $text}) {
    nodes { title } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount } }"""


@pytest.fixture
async def ask(process: MakeTalk, principal: Principal) -> AsyncIterator[Asker]:
    async with process(ScriptedProvider(saying("Fine"))) as talk:
        yield asker(talk, principal)


def titles(result: Result) -> list[str]:
    assert result.data is not None, result.errors
    return [node["title"] for node in result.data["conversations"]["nodes"]]


def page_info(result: Result) -> Any:
    assert result.data is not None
    return result.data["conversations"]["pageInfo"]


async def test_begins_renames_and_deletes(ask: Asker) -> None:
    created = await ask('mutation { createConversation(input: {title: "Plans"}) { conversation { id title } } }')
    assert created.data is not None
    id = created.data["createConversation"]["conversation"]["id"]

    renamed = await ask(
        "mutation($id: ID!, $to: String!) {"
        " renameConversation(input: {id: $id, title: $to}) { conversation { title } } }",
        id=id,
        to=" Better plans ",
    )
    deleted = await ask("mutation($id: ID!) { deleteConversation(input: {id: $id}) { deletedId } }", id=id)
    after = await ask("query($id: ID!) { conversation(id: $id) { id } }", id=id)

    assert renamed.data == {"renameConversation": {"conversation": {"title": "Better plans"}}}
    assert deleted.data == {"deleteConversation": {"deletedId": id}}
    assert after.errors is not None
    assert after.errors[0]["extensions"]["code"] == "not_found"


@pytest.mark.parametrize(
    "document",
    [
        "mutation($text: String!) { createConversation(input: {externalUser: $text}) { conversation { id } } }",
        "mutation($text: String!) { createConversation(input: {title: $text}) { conversation { id } } }",
        'mutation($text: String!) { reply(input: {text: "Hi", externalUser: $text}) { answer { id } } }',
        "query($text: String!) { conversations(filter: {text: $text}) { totalCount } }",
    ],
)
async def test_what_is_too_long_is_refused(ask: Asker, document: str) -> None:
    result = await ask(document, text="".join(map(chr, range(0x4E00, 0x4E00 + 9000))))

    assert result.errors is not None
    assert [error["extensions"]["code"] for error in result.errors] == ["invalid"]


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
async def test_a_time_beyond_all_calendars_is_refused(ask: Asker, moment: str) -> None:
    result = await ask("query($m: DateTime) { usageStatistics(range: {start: $m}) { totalTokens } }", m=moment)

    assert result.errors is not None
    assert "between the years 1 and 9999" in result.errors[0]["message"]


async def test_an_empty_title_is_refused(ask: Asker, principal: Principal) -> None:
    made = await rules.create(principal, title="Plans")

    result = await ask(
        'mutation($id: ID!) { renameConversation(input: {id: $id, title: " "}) { conversation { id } } }',
        id=str(made.id),
    )

    assert result.errors is not None
    assert result.errors[0]["message"] == "title must not be empty."
    assert result.errors[0]["extensions"]["fields"] == [{"path": "title", "message": "must not be empty"}]


async def test_pages_go_forward_and_back(ask: Asker, principal: Principal) -> None:
    for number in range(5):
        await rules.create(principal, title=str(number))

    first = await ask(LIST, first=2)
    second = await ask(LIST, first=2, after=page_info(first)["endCursor"])
    third = await ask(LIST, first=2, after=page_info(second)["endCursor"])
    back = await ask(LIST, last=2, before=page_info(third)["startCursor"])

    assert [titles(page) for page in (first, second, third, back)] == [["4", "3"], ["2", "1"], ["0"], ["2", "1"]]
    assert [page_info(page)["hasNextPage"] for page in (first, second, third, back)] == [True, True, False, True]
    assert [page_info(page)["hasPreviousPage"] for page in (first, second, third, back)] == [False, True, True, True]
    assert first.data is not None
    assert first.data["conversations"]["totalCount"] == 5


async def test_a_cursor_stays_right_while_the_list_grows(ask: Asker, principal: Principal) -> None:
    for number in range(3):
        await rules.create(principal, title=str(number))
    first = await ask(LIST, first=2)

    await rules.create(principal, title="new")
    second = await ask(LIST, first=2, after=page_info(first)["endCursor"])

    assert titles(second) == ["0"]


@pytest.mark.parametrize("cursor", ["", "x", "bnVsbA", "WyIxIl0", "W10", "éé", "WyJ4IiwieSJd"])
async def test_a_cursor_of_nothing_is_refused(ask: Asker, cursor: str) -> None:
    result = await ask(LIST, after=cursor)

    assert result.errors is not None
    assert result.errors[0]["extensions"]["code"] == "invalid"


async def test_finds_words_in_messages_and_titles(process: MakeTalk, principal: Principal) -> None:
    async with process(ScriptedProvider(saying("Paris is the capital of France"))) as talk:
        ask = asker(talk, principal)
        await talk.turns.reply(principal, Ask("Which city?"))
        await rules.create(principal, title="Holiday in Rome")

        found = {text: titles(await ask(LIST, text=text)) for text in ("capital france", "rome", "berlin", "  ")}

    assert found["capital france"] == ["Which city?"]
    assert found["rome"] == ["Holiday in Rome"]
    assert found["berlin"] == []
    assert len(found["  "]) == 2


async def test_strangers_see_nothing(process: MakeTalk, principal: Principal) -> None:
    stranger = Principal((await models.Workspace.create(name="other")).id, principal.kind, principal.scopes)
    async with process() as talk:
        outcome = await talk.turns.reply(principal, Ask("Hi"))
        ids = [outcome.conversation.id, outcome.turn.id, outcome.turn.question_id, outcome.turn.model_id]
        ask, theirs = asker(talk, principal), asker(talk, stranger)

        query = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id } conversations { totalCount } }"
        seen = await ask(query, ids=[str(id) for id in ids])
        unseen = await theirs(query, ids=[str(id) for id in ids])

    assert seen.data is not None
    assert [node["__typename"] for node in seen.data["nodes"]] == ["Conversation", "Turn", "Message", "Model"]
    assert unseen.data == {"nodes": [None] * 4, "conversations": {"totalCount": 0}}


DEEP = """query($first: Int!) { conversations(first: $first) { nodes {
  id title model { name provider { name } } runningTurn { id }
  messages(last: 4) { nodes { text parts { __typename } parent { id } siblings { id } conversation { title }
    turn { status model { name } usage { cost } question { text } answer { text } } } } } } }"""
# What it asks for that is in another table than its parent, and the ids of a branch.
RELATIONS = 14


@pytest.mark.parametrize("length", [1, 2, 12])
async def test_statements_do_not_grow_with_the_list(process: MakeTalk, principal: Principal, length: int) -> None:
    """One for each relation at most: fewer when two of them happen to be asked for at the same moment."""
    # Housekeeping speaks to the database too; not in the next hour.
    async with process(ScriptedProvider(saying("Fine")), lease_seconds=3600) as talk:
        ask = asker(talk, principal)
        for number in range(length):
            await talk.turns.reply(principal, Ask(f"Question {number}", stream=False))

        async with ask.counting() as count:
            result = await ask(DEEP, first=length)

    assert result.errors is None
    assert 0 < count.statements <= RELATIONS


async def test_a_branch_can_be_read_by_its_end(process: MakeTalk, principal: Principal) -> None:
    async with process(ScriptedProvider(saying("a"), saying("b"), saying("c"))) as talk:
        ask = asker(talk, principal)
        first = await talk.turns.reply(principal, Ask("1"))
        assert first.answer is not None
        id = str(first.conversation.id)
        second = await talk.turns.reply(principal, Ask("2", conversation_id=id))
        await talk.turns.reply(principal, Ask("3", conversation_id=id, after_id=str(first.answer.id)))

        query = """query($id: ID!, $leaf: ID) { conversation(id: $id) {
          messages(leaf: $leaf) { nodes { text siblings { text } } totalCount } } }"""
        current = await ask(query, id=id)
        other = await ask(query, id=id, leaf=str(second.turn.answer_id))

    assert [node["text"] for node in current.data["conversation"]["messages"]["nodes"]] == ["1", "a", "3", "c"]  # type: ignore[index]  # no errors
    assert [node["text"] for node in other.data["conversation"]["messages"]["nodes"]] == ["1", "a", "2", "b"]  # type: ignore[index]  # no errors
    assert current.data["conversation"]["messages"]["nodes"][2]["siblings"] == [{"text": "2"}]  # type: ignore[index]  # no errors


async def test_siblings_of_the_first_message_are_read_without_the_rest(ask: Asker, principal: Principal) -> None:
    """Its parent is nobody, which must not mean everybody."""
    begun = await ask.talk.turns.reply(principal, Ask("1"))
    await models.Message.create(
        workspace_id=principal.workspace_id, conversation_id=begun.conversation.id, role="user", text="1, but better"
    )
    assert begun.answer is not None

    result = await ask(
        "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Message { siblings { text } } } }",
        ids=[str(begun.turn.question_id), str(begun.answer.id)],
    )

    assert result.data == {"nodes": [{"siblings": [{"text": "1, but better"}]}, {"siblings": []}]}
