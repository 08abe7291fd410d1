"""Lists that old APIs write as one text, and words that stand for several of our values."""

from textwrap import dedent
from typing import Any  # Request values and OpenAPI documents are open JSON.

import pytest
from graphql import build_schema
from starlette.requests import HTTPConnection

from errors import Invalid
from rest_compat import CompileError, Dialect, Endpoint, compile_documents
from rest_compat.bindings import bind
from rest_compat.incoming import Incoming, Payload
from rest_compat.openapi import openapi
from rest_compat.vocabulary import Place, Source

SCHEMA = build_schema("""
  enum State { QUEUED INDEXING INDEXED }
  type Query { found(states: [State!], state: State): [String!]! }
  scalar JSONObject
  type Mutation { tag(tags: [String!]): [String!]!  keep(metadata: JSONObject): Boolean! }
""")
WORDS = {"QUEUED": "Waiting", "INDEXING": "Waiting", "INDEXED": "Ready"}
DIALECT = Dialect(name="toy", prefixes=("/api",), spell=lambda enum, value: WORDS[value])

TAGS = """
  mutation Tag($tags: [String!] @from(body: "tags", separator: ",")) @route(method: POST, path: "/api/tags") {
    tag(tags: $tags) @body
  }
"""
TERMS = """
  mutation Search($terms: [String!]! @from(body: "terms") @from(body: "term", separator: ""))
  @route(method: POST, path: "/api/query") { tag(tags: $terms) @body }
"""
STATES = """
  query Browse($states: [State!], $state: State) @route(method: GET, path: "/api/documents") {
    found(states: $states, state: $state) @body
  }
"""

KEEP = """
  mutation Keep($metadata: JSONObject) @route(method: POST, path: "/api/keep") { keep(metadata: $metadata) @body }
"""
KIND_A, KIND_B = (
    f'query Browse{kind}($state: State!) @route(method: GET, path: "/api/documents", when: {{kind: "{kind}"}})'
    " { found(state: $state) @body }"
    for kind in ("a", "b")
)


def compiled(text: str) -> Endpoint:
    [endpoint] = compile_documents(DIALECT, SCHEMA, {"toy.graphql": dedent(text).strip()})
    return endpoint


def bound(text: str, *, json: Any = None, query: str = "") -> dict[str, Any]:
    connection = HTTPConnection({"type": "http", "headers": [], "query_string": query.encode()})
    return bind(compiled(text).bindings, Incoming(connection, {}, Payload(json=json)))


@pytest.mark.parametrize(
    ("given", "tags"),
    [("cars, bikes", ["cars", "bikes"]), ("cars", ["cars"]), ("", []), (" , ", []), (None, None)],
)
def test_reads_a_text_as_a_list(given: str | None, tags: list[str] | None) -> None:
    assert bound(TAGS, json={"tags": given}) == {"tags": tags}


@pytest.mark.parametrize("sent", ["Análise".encode(), "Análise".encode("latin-1")])
def test_reads_letters_of_headers_however_they_are_written(sent: bytes) -> None:
    connection = HTTPConnection({"type": "http", "headers": [(b"x-title", sent)], "query_string": b""})

    assert Incoming(connection, {}, Payload()).find(Source(Place.HEADER, "X-Title")) == "Análise"


@pytest.mark.parametrize("given", [7, ["cars"], {"a": 1}])
def test_refuses_what_is_no_text(given: object) -> None:
    with pytest.raises(Invalid, match=r"tags must be a string\."):
        bound(TAGS, json={"tags": given})


@pytest.mark.parametrize(
    ("given", "terms"),
    [({"term": "this, and that"}, ["this, and that"]), ({"terms": ["a", "b"]}, ["a", "b"])],
)
def test_takes_a_whole_text_for_the_only_item(given: dict[str, Any], terms: list[str]) -> None:
    assert bound(TERMS, json=given) == {"terms": terms}


def test_describes_both_ways_to_write_a_list() -> None:
    document = openapi(DIALECT, [compiled(TERMS)])

    schema = document["paths"]["/api/query"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    [ways] = schema["allOf"]
    assert [way["properties"] for way in ways["anyOf"]] == [
        {"terms": {"type": "array", "items": {"type": "string"}}},
        {"term": {"type": "string"}},
    ]


@pytest.mark.parametrize(
    "variable",
    ['$tags: String! @from(body: "tags", separator: ",")', '$tags: [String!] @from(query: "tags", separator: ",")'],
)
def test_complains_of_a_separator_that_separates_nothing(variable: str) -> None:
    field = "tag(tags: $tags)" if "[" in variable else "tag(tags: [$tags])"

    with pytest.raises(CompileError, match="A separator is for a list in the JSON body"):
        compiled(f'mutation Tag({variable}) @route(method: POST, path: "/api/tags") {{ {field} @body }}')


def test_describes_what_tells_operations_apart() -> None:
    endpoints = compile_documents(DIALECT, SCHEMA, {"toy.graphql": f"{KIND_A} {KIND_B}"})

    parameters = openapi(DIALECT, endpoints)["paths"]["/api/documents"]["get"]["parameters"]
    assert parameters == [
        {"name": "state", "in": "query", "required": True, "schema": {"type": "string", "enum": ["Waiting", "Ready"]}},
        {"name": "kind", "in": "query", "required": True, "schema": {"type": "string", "enum": ["a", "b"]}},
    ]


def test_takes_a_word_in_a_list_for_all_it_stands_for() -> None:
    assert bound(STATES, query="states=waiting") == {"states": ["QUEUED", "INDEXING"]}
    assert bound(STATES, query="states=Ready,waiting") == {"states": ["INDEXED", "QUEUED", "INDEXING"]}


def test_takes_a_word_alone_for_the_first_it_stands_for() -> None:
    assert bound(STATES, query="state=Waiting") == {"state": "QUEUED"}


def test_tells_every_word_once() -> None:
    with pytest.raises(Invalid, match=r"state must be one of Waiting, Ready\."):
        bound(STATES, query="state=lost")


@pytest.mark.parametrize("given", [[1], "text", 7])
def test_refuses_what_is_no_object(given: object) -> None:
    with pytest.raises(Invalid, match=r"metadata must be a JSON object\."):
        bound(KEEP, json={"metadata": given})


def test_takes_an_object() -> None:
    assert bound(KEEP, json={"metadata": {"a": [1]}}) == {"metadata": {"a": [1]}}
    assert bound(KEEP, json={"metadata": None}) == {"metadata": None}


DEEP = """
  mutation Tag($tags: [String!] @from(body: "options.tags")) @route(method: POST, path: "/api/tags") {
    tag(tags: $tags) @body
  }
"""


@pytest.mark.parametrize("given", [{}, {"options": None}, {"options": {}}])
def test_what_is_within_nothing_is_absent(given: dict[str, Any]) -> None:
    assert bound(DEEP, json=given) == {}


@pytest.mark.parametrize("given", [[None], "text", 7])
def test_refuses_to_look_into_what_is_no_object(given: object) -> None:
    with pytest.raises(Invalid, match=r"options must be an object\."):
        bound(DEEP, json={"options": given})
