"""Bad documents, and the exact complaint that each of them gets."""

from textwrap import dedent

import pytest
from graphql import build_schema

from rest_compat import CompileError, Dialect, Endpoint, compile_documents

SCHEMA = build_schema("""
  scalar JSON
  type Query {
    chat("Which one." id: ID!, first: Int): Chat!
    chats(first: Int, offset: Int): ChatConnection!
    node: Node
  }
  type Mutation { rename(id: ID!, title: String!): Chat! }
  type Subscription { events: Event! }
  type Chat implements Node { id: ID!  title: String  author: User!  messages: [Message!]! }
  type User implements Node { id: ID!  name: String!  admin: Boolean! }
  type Message { id: ID!  text: String! }
  type ChatConnection { nodes: [Chat!]!  totalCount: Int! }
  interface Node { id: ID! }
  union Event = Added | Ended
  type Added { text: String!  count: Int! }
  type Ended { text: Int!  chat: Chat! }
""")
DIALECT = Dialect(name="toy", prefixes=("/api",))


def compiled(text: str) -> dict[str, Endpoint]:
    endpoints = compile_documents(DIALECT, SCHEMA, {"chats.graphql": dedent(text).strip()})
    return {endpoint.name: endpoint for endpoint in endpoints}


MISTAKES = {
    "a field that is not there": (
        """
        query Read($id: ID!) @route(method: GET, path: "/api/chats/{id}") {
          chat(id: $id) @body { id titel }
        }
        """,
        "chats.graphql:2: Cannot query field 'titel' on type 'Chat'. Did you mean 'title'?",
    ),
    "a directive that is not there": (
        """
        query Read($id: ID! @form(path: "id")) @route(method: GET, path: "/api/chats/{id}") { chat(id: $id) { id } }
        """,
        "chats.graphql:1: Unknown directive '@form'.",
    ),
    "no syntax": ("query Read {", "chats.graphql:1: Syntax Error: Expected Name, found <EOF>."),
    "no route": (
        'query Read { chat(id: "1") { id } }',
        "chats.graphql:1: This operation answers no endpoint: give it @route(method:, path:).",
    ),
    "no name": (
        '{ chat(id: "1") { id } }',
        "chats.graphql:1: An operation needs a name: a verb and the old API's noun.",
    ),
    "a path parameter that no variable takes": (
        'query Read($ids: ID!) @route(method: GET, path: "/api/chats/{id}") { chat(id: $ids) { id } }',
        "chats.graphql:1: No variable takes the path parameter 'id'. Did you mean 'ids'?",
    ),
    "a variable for a path parameter that is not there": (
        """
        query Read(
          $id: ID! @from(path: "chat_id")
        ) @route(method: GET, path: "/api/chats/{chat-id}") { chat(id: $id) { id } }
        """,
        "chats.graphql:2: The path /api/chats/{chat-id} has no parameter 'chat_id'. Did you mean 'chat-id'?\n"
        "chats.graphql:3: No variable takes the path parameter 'chat-id'.",
    ),
    "a path outside the dialect": (
        'query Read @route(method: GET, path: "/ap/chats") { chat(id: "1") { id } }',
        "chats.graphql:1: /ap/chats is outside the dialect's prefixes: /api.",
    ),
    "half a segment as a parameter": (
        'query Read($id: ID!) @route(method: GET, path: "/api/chat-{id}") { chat(id: $id) { id } }',
        "chats.graphql:1: A parameter is a whole segment in braces, unlike in /api/chat-{id}.",
    ),
    "two operations on one route": (
        """
        query Read @route(method: GET, path: "/api/chats") { chat(id: "1") { id } }
        query List @route(method: GET, path: "/api/chats") { chat(id: "2") { id } }
        """,
        "chats.graphql:2: Read and List both answer GET /api/chats; tell them apart with `when:`.",
    ),
    "one route under two spellings": (
        """
        query Read($id: ID!) @route(method: GET, path: "/api/chats/{id}") { chat(id: $id) { id } }
        mutation Rename($chat: ID!, $title: String!)
        @route(method: PUT, path: "/api/chats/{chat}") { rename(id: $chat, title: $title) { id } }
        """,
        "chats.graphql:3: /api/chats/{chat} and /api/chats/{id} of Read are the same path; "
        "name their parameters alike.",
    ),
    "two conditions that one request can meet": (
        """
        query Read @route(method: GET, path: "/api/chats", when: {one: present}) { chat(id: "1") { id } }
        query List @route(method: GET, path: "/api/chats", when: {all: true}) { chat(id: "2") { id } }
        """,
        "chats.graphql:2: One request to GET /api/chats can satisfy the `when:` of both Read and List.",
    ),
    "two bodies on one route": (
        """
        mutation Rename($id: ID!) @route(method: POST, path: "/api/chats") { rename(id: $id, title: "") { id } }
        mutation Import($id: ID! @from(raw: true)) @route(method: POST, path: "/api/chats", when: {title: present}) {
          rename(id: $id, title: "") { id }
        }
        """,
        "chats.graphql:2: A request to POST /api/chats has one body; body and raw cannot both be read from it.",
    ),
    "a word that `when:` does not know": (
        'query Read @route(method: GET, path: "/api/chats", when: {one: here}) { chat(id: "1") { id } }',
        "chats.graphql:1: `when:` knows the words present and absent, not here; texts go in quotes.",
    ),
    "something beside the whole answer": (
        """
        query Read @route(method: GET, path: "/api/chats") {
          chat(id: "1") @body { id }
          count: chats { totalCount }
        }
        """,
        "chats.graphql:3: @body makes one field the whole answer, so 'count' would be lost beside it.",
    ),
    "two fields of one name": (
        """
        query Read @route(method: GET, path: "/api/chats") {
          chat(id: "1") { author { name } ... on Chat @under(key: "author") { title } }
        }
        """,
        "chats.graphql:2: 'author' is already a field, so nothing can be put under it.",
    ),
    "an event outside a stream": (
        """
        query Read @route(method: GET, path: "/api/chats") {
          chat(id: "1") { ... on Chat @event(name: "x") { id } }
        }
        """,
        "chats.graphql:2: @event belongs directly inside the field of a subscription answered as SSE.",
    ),
    "a stream that is not streamed": (
        'subscription Follow @route(method: GET, path: "/api/events") { events { ... on Added { text } } }',
        "chats.graphql:1: A subscription is answered as SSE or JSONL, not as JSON.",
    ),
    "a body for a GET": (
        'query Read($id: ID! @from(body: "id")) @route(method: GET, path: "/api/chats") { chat(id: $id) { id } }',
        "chats.graphql:1: $id wants the body, and a GET has none.",
    ),
    "a body of two kinds": (
        """
        mutation Rename($id: ID! @from(part: "id"), $title: String!) @route(method: POST, path: "/api/chats") {
          rename(id: $id, title: $title) { id }
        }
        """,
        "chats.graphql:1: A request has one body; body and part cannot both be read from it.",
    ),
    "one @from for two places": (
        """
        query Read($id: ID! @from(query: "id", header: "X-Id")) @route(method: GET, path: "/api/chats") {
          chat(id: $id) { id }
        }
        """,
        "chats.graphql:1: One @from names one place; repeat it for the next best one.",
    ),
    "a status from within a list": (
        """
        query Read @route(method: GET, path: "/api/chats") {
          chats { nodes { id author { admin @respond(status: 201) } } }
        }
        """,
        "chats.graphql:2: @respond cannot stand in a list: one answer has one status.",
    ),
    "a page without an envelope": (
        """
        query List @route(method: GET, path: "/api/chats", page: "chats") {
          chats { nodes { id } totalCount }
        }
        """,
        "chats.graphql:1: The dialect toy has no page envelope.",
    ),
    "a fragment for nothing": (
        """
        query Read @route(method: GET, path: "/api/chats") { chat(id: "1") { id } }
        fragment Unused on Chat { id }
        """,
        "chats.graphql:2: No operation uses the fragment Unused.",
    ),
    "a variable for nothing": (
        'query Read($id: ID) @route(method: GET, path: "/api/chats") { chat(id: "1") { id } }',
        "chats.graphql:1: Variable '$id' is never used in operation 'Read'.",
    ),
    "a fragment twice": (
        """
        query Read @route(method: GET, path: "/api/chats") { chat(id: "1") { ...Chat } }
        fragment Chat on Chat { id }
        fragment Chat on Chat { title }
        """,
        "chats.graphql:3: There is already a fragment Chat in this dialect.",
    ),
}


@pytest.mark.parametrize(("text", "complaint"), MISTAKES.values(), ids=MISTAKES.keys())
def test_complains(text: str, complaint: str) -> None:
    with pytest.raises(CompileError) as raised:
        compiled(text)

    assert "\n".join(map(str, raised.value.mistakes)) == complaint


def test_tells_all_mistakes_of_all_files_at_once() -> None:
    first = 'query Read @route(method: GET, path: "/api/a") { chat(id: "1") { nothing } }'
    second = "query List { node { id } }"

    with pytest.raises(CompileError) as raised:
        compile_documents(DIALECT, SCHEMA, {"a.graphql": first, "b.graphql": second})

    assert str(raised.value) == (
        "2 mistakes in REST documents:\n"
        "a.graphql:1: Cannot query field 'nothing' on type 'Chat'.\n"
        "b.graphql:1: This operation answers no endpoint: give it @route(method:, path:)."
    )


def test_prints_the_operation_without_our_directives() -> None:
    endpoint = compiled("""
        query Read($id: ID! @from(path: "chat-id")) @route(method: GET, path: "/api/chats/{chat-id}") {
          chat(id: $id) @body { ...Chat  ... @under(key: "by") { name: author { name @body } } }
        }
        fragment Chat on Chat { id  label: title  kind: __typename @always(value: "chat") }
    """)["Read"]

    assert endpoint.document == dedent("""\
        query Read($id: ID!) {
          chat(id: $id) {
            id
            label: title
            name: author {
              name
            }
          }
        }""")


def test_asks_twice_for_what_two_events_call_alike() -> None:
    """`text` is a text in one event and a number in another, which one selection could not be."""
    endpoint = compiled("""
        subscription Follow @route(method: GET, path: "/api/events", as: SSE) {
          events {
            ... on Added @event(name: "added") { text }
            ... on Ended @event(name: "ended") { text  name: chat { title @body } }
            ... on Ended @event(name: "gone") { name: chat { id @body } }
          }
        }
    """)["Follow"]

    assert endpoint.document == dedent("""\
        subscription Follow {
          events {
            __typename
            ... on Added {
              text
            }
            ... on Ended {
              text_2: text
              name: chat {
                title
              }
              name_2: chat {
                id
              }
            }
          }
        }""")


def test_keeps_conditions_of_graphql_itself() -> None:
    endpoint = compiled("""
        query Read($full: Boolean! = false) @route(method: GET, path: "/api/chats") {
          chat(id: "1") @body { id  ... @include(if: $full) { title } }
        }
    """)["Read"]

    assert "... @include(if: $full) {" in endpoint.document


def test_describes_a_variable_as_the_graph_describes_its_argument() -> None:
    endpoint = compiled("""
        query Read($id: ID!, "How many." $first: Int) @route(method: GET, path: "/api/chats/{id}") {
          chat(id: $id, first: $first) { id }
        }
    """)["Read"]

    assert [(each.variable, each.description) for each in endpoint.bindings] == [
        ("id", "Which one."),
        ("first", "How many."),
    ]


def test_takes_a_description_and_a_place_from_the_document() -> None:
    endpoint = compiled('''

        """Reads it."""
        query Read @route(method: GET, path: "/api/chats", errors: [409]) { chat(id: "1") { id } }
    ''')["Read"]

    assert (endpoint.description, endpoint.place, endpoint.errors) == ("Reads it.", "chats.graphql:1", (409,))
