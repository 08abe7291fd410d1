"""The OpenAPI of the toy dialects: sound by the specification, and true by what the server does."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any  # OpenAPI documents are open JSON.

import pytest
from graphql import build_schema
from openapi_spec_validator import validate

from rest_compat import Dialect, compile_documents
from rest_compat.openapi import openapi, routes
from tests.rest_compat.serving import ENDPOINTS, Served
from tests.rest_compat.toy.dialects import AEGIS, AIVAX, DIALECTS, INFORMEDAI, INFORMER

# Endless by nature, broken on purpose, or waiting for a test.
LEFT_OUT = "/flood|/bug|/waits|/follow.jsonl|/raw"


def printed(dialect: Dialect) -> dict[str, Any]:
    return json.loads(json.dumps(openapi(dialect, ENDPOINTS[dialect])))  # type: ignore[no-any-return]  # JSON


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_is_valid(dialect: Dialect) -> None:
    validate(printed(dialect))


def test_describes_a_parameter() -> None:
    operation = printed(AEGIS)["paths"]["/ai/conversations"]["get"]

    assert operation["parameters"][0] == {
        "name": "limit",
        "in": "query",
        "required": False,
        "schema": {"type": "integer", "minimum": 0, "maximum": 100, "default": 50},
    }


def test_describes_what_an_operation_refuses_itself() -> None:
    schema = build_schema("""
      type Query { nothing: Boolean }
      type Reply { text: String! isRefused: Boolean! }
      type Mutation { ask(text: String!): Reply! }
    """)
    document = """
      mutation Ask($text: String!) @route(method: POST, path: "/api/ask") {
        ask(text: $text) @body { text @body  isRefused @respond(status: 400) }
      }
    """
    dialect = Dialect(name="toy", prefixes=("/api",))

    described = openapi(dialect, compile_documents(dialect, schema, {"toy.graphql": document}))

    responses = described["paths"]["/api/ask"]["post"]["responses"]
    refused, error = responses["400"]["content"]["application/json"], responses["4XX"]["content"]["application/json"]
    assert refused["schema"]["anyOf"] == [responses["200"]["content"]["application/json"]["schema"], error["schema"]]


def test_describes_a_body() -> None:
    operation = printed(AEGIS)["paths"]["/ai/chat"]["post"]

    assert operation["requestBody"] == {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "message": {"type": "string", "description": "What the user says."},
                        "conversation_id": {"type": ["string", "null"]},
                        "user_id": {"type": "string", "default": "api-user"},
                    },
                    "required": ["message"],
                }
            }
        },
    }


def test_names_objects_after_their_fragments() -> None:
    document = printed(INFORMER)

    answer = document["paths"]["/api/chats/{chat-id}"]["get"]["responses"]["200"]
    assert answer["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Chat"}
    assert document["components"]["schemas"]["Chat"]["required"] == ["id", "name", "_embedded"]


def test_lists_every_status_of_an_endpoint() -> None:
    operation = printed(INFORMEDAI)["paths"]["/api/v1/widget/sessions"]["post"]

    assert list(operation["responses"]) == ["200", "201", "400", "401", "409", "4XX", "5XX"]


def test_shows_every_answer_of_a_route_and_how_to_choose() -> None:
    operation = printed(AIVAX)["paths"]["/v1/chat/completions"]["post"]

    whole, streamed, both = operation["requestBody"]["content"]["application/json"]["schema"]["anyOf"]
    assert whole["properties"]["stream"] == {"enum": [False, None]}
    assert streamed["properties"]["stream"] == {"const": True}
    assert (streamed["required"], both["required"]) == (["stream"], ["stream", "json_only"])
    assert list(operation["responses"]["200"]["content"]) == ["application/json", "text/event-stream"]


def test_shows_the_operation_that_answers() -> None:
    operation = printed(INFORMEDAI)["paths"]["/api/v1/library/stats"]["get"]

    assert operation["x-graphql-operation"] == (
        "query LibraryStats {\n  totalDocuments: conversations {\n    totalCount\n  }\n}"
    )


def test_prints_the_table() -> None:
    assert routes(ENDPOINTS[INFORMER])[1:3] == [
        "GET    /api/chats/{chat-id}  informer  ReadChat",
        "DELETE /api/chats/{chat-id}/messages  informer  ClearMessages",
    ]


@pytest.mark.parametrize("dialect", [AEGIS, INFORMEDAI, AIVAX], ids=lambda dialect: dialect.name)
async def test_a_fuzzer_finds_nothing(dialect: Dialect, server: Served, tmp_path: Path) -> None:
    """Whatever the schema allows is answered as documented, and whatever it forbids is refused."""
    document = tmp_path / "openapi.json"
    document.write_text(json.dumps(printed(dialect)))

    fuzzer = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "run", str(document), "--url", server.url),
        *("--checks", "all", "--phases", "coverage,fuzzing", "--max-examples", "5", "--seed", "1"),
        *("--exclude-path-regex", LEFT_OUT),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=tmp_path,
    )
    output, _ = await asyncio.wait_for(fuzzer.communicate(), 120)

    assert fuzzer.returncode == 0, output.decode()
