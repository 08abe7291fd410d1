"""Whatever comes in, a GraphQL client can read what goes out, and it is never our fault."""

import asyncio
import contextlib
import json
from urllib.parse import urlencode

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.types import Message, Scope

from tests.transport.server import Served
from transport.messages import Malformed, key_in, read_message

KINDS = st.sampled_from(
    [
        b"application/json",
        b"application/json; charset=latin-1",
        b"multipart/form-data; boundary=x",
        b"multipart/form-data",
        b"text/plain",
        b"",
    ]
)
ACCEPTS = st.sampled_from(
    [b"*/*", b"application/json", b"application/graphql-response+json", b"text/event-stream", b"multipart/mixed"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
DOCUMENTS = st.sampled_from(
    [
        "{ hello }",
        "query A { hello }",
        "{ echo(value: $v) }",
        "query ($v: JSON!) { echo(value: $v) }",
        "query ($n: Int!) { number(n: $n) }",
        "subscription { hello }",
        "{",
        "\ud800",
    ]
)
REQUESTS = st.fixed_dictionaries(
    {},
    optional={
        "query": DOCUMENTS | VALUES,
        "variables": st.dictionaries(st.sampled_from(["v", "n"]), VALUES) | VALUES,
        "operationName": st.sampled_from(["A", "", "B"]) | VALUES,
        "extensions": st.fixed_dictionaries({}, optional={"persistedQuery": VALUES, "operationId": VALUES}) | VALUES,
    },
)


def as_form(value: object, rest: bytes) -> bytes:
    head = b'--x\r\ncontent-disposition: form-data; name="operations"\r\n\r\n'
    return head + json.dumps(value).encode() + b"\r\n--x" + rest


BODIES = (
    st.binary(max_size=300)
    | st.builds(lambda value: json.dumps(value).encode(), REQUESTS | st.lists(REQUESTS, max_size=2))
    | st.builds(as_form, REQUESTS, st.binary(max_size=100))
)


def as_query_string(value: dict[str, object]) -> bytes:
    texts = {key: item if isinstance(item, str) else json.dumps(item) for key, item in value.items()}
    return urlencode(texts, errors="surrogatepass").encode()


QUERY_STRINGS = st.builds(as_query_string, REQUESTS)

TYPES = st.sampled_from(["connection_init", "subscribe", "complete", "ping", "pong"])

exploring = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


async def call(server: Served, method: str, query: bytes, headers: dict[bytes, bytes], body: bytes = b"") -> None:
    """Past the HTTP libraries, which would not let the strangest bytes through."""
    scope: Scope = {
        "type": "http",
        "method": method,
        "path": "/graphql",
        "query_string": query,
        "headers": list(headers.items()),
    }
    incoming: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
    sent: list[Message] = []

    async def receive() -> Message:
        if incoming:
            return incoming.pop()
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    await server.app.http(scope, receive, send)
    check(sent[0]["status"], dict(sent[0]["headers"])[b"content-type"], b"".join(m["body"] for m in sent[1:]))


def check(status: int, content_type: bytes, body: bytes) -> None:
    assert 200 <= status < 500, body
    kind = content_type.partition(b";")[0].decode()
    if not kind.endswith("json"):
        assert (status, kind) in ((200, "text/event-stream"), (200, "multipart/mixed"))
        return
    payload = json.loads(body)
    assert isinstance(payload, dict)
    assert set(payload) <= {"data", "errors", "extensions"}
    assert "data" in payload or payload["errors"][0]["message"]


@exploring
@given(body=BODIES, kind=KINDS, accept=ACCEPTS)
async def test_in_a_body(server: Served, body: bytes, kind: bytes, accept: bytes) -> None:
    await call(server, "POST", b"", {b"content-type": kind, b"accept": accept, b"x-graphql-csrf": b"1"}, body)


@exploring
@given(query=st.binary(max_size=200) | QUERY_STRINGS, accept=ACCEPTS)
async def test_in_a_query_string(server: Served, query: bytes, accept: bytes) -> None:
    await call(server, "GET", query, {b"accept": accept})


@exploring
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "BREW"]),
    headers=st.dictionaries(
        st.sampled_from(
            [b"accept", b"content-type", b"content-length", b"content-encoding", b"origin", b"host", b"last-event-id"]
        ),
        st.binary(max_size=60) | KINDS | ACCEPTS,
    ),
)
async def test_in_headers(server: Served, method: str, headers: dict[bytes, bytes]) -> None:
    await call(server, method, b"query={hello}", headers, b'{"query":"subscription { count { text } }"}')


@exploring
@given(value=st.dictionaries(st.sampled_from(["type", "id", "payload"]), VALUES) | VALUES | REQUESTS, kind=TYPES)
def test_in_a_message(value: object, kind: str) -> None:
    if isinstance(value, dict):
        value.setdefault("type", kind)
    with contextlib.suppress(Malformed):
        message = read_message(json.dumps(value))
        assert message.type == kind or message.type in json.dumps(value)
        key_in(message.payload)
