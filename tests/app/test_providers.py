"""A provider set up in one process answers in another."""

from pathlib import Path
from typing import Any  # Credentials and answers are open.

from tests.serving import Served, serving
from tests.upstream import Upstream


async def graphql(served: Served, query: str, **variables: Any) -> dict[str, Any]:
    answer = (await served.client.post("/graphql", json={"query": query, "variables": variables})).json()
    assert "errors" not in answer, answer
    found: dict[str, Any] = answer["data"]
    return found


async def test_answers_in_every_process(database: dict[str, Any], upstream: Upstream, tmp_path: Path) -> None:
    settings = {"data_dir": tmp_path, "allow_private_urls": True}
    async with (
        Upstream() as theirs,
        serving(database, upstream, **settings) as one,
        serving(database, upstream, **settings) as another,
    ):
        made = await graphql(
            one,
            """mutation($url: String) { createProvider(input: {name: "theirs", baseUrl: $url, credential: "sk-1"}) {
              provider { id } } }""",
            url=theirs.base_url,
        )
        model = await graphql(
            one,
            'mutation($id: ID!) { createModel(input: {providerId: $id, name: "m"}) { model { id } } }',
            id=made["createProvider"]["provider"]["id"],
        )
        reply = await graphql(
            another,
            'mutation($id: ID) { reply(input: {text: "Hi", modelId: $id}) { answer { text } turn { status } } }',
            id=model["createModel"]["model"]["id"],
        )

    assert reply == {"reply": {"answer": {"text": "Hello there."}, "turn": {"status": "COMPLETED"}}}
    assert [call.headers["Authorization"] for call in theirs.calls] == ["Bearer sk-1"]
    assert upstream.calls == []


async def test_private_addresses_are_refused_unless_allowed(palaver: Served, upstream: Upstream) -> None:
    """The operator's own model may be at one: it is asked all the time."""
    query = 'mutation($url: String) { createProvider(input: {name: "x", baseUrl: $url}) { provider { id } } }'

    refused = await palaver.client.post("/graphql", json={"query": query, "variables": {"url": upstream.base_url}})
    reply = await graphql(palaver, 'mutation { reply(input: {text: "Hi"}) { answer { text } } }')

    assert refused.json()["errors"][0]["extensions"]["code"] == "invalid"
    assert reply == {"reply": {"answer": {"text": "Hello there."}}}
