"""Requests as nobody documents them: odd spellings that must work, and malformed ones that must not break anything."""

import asyncio
from pathlib import Path
from typing import Any  # Bodies are open JSON.

import httpx
import pytest

from tests.rest_compat.serving import LIMITS, Served

JSON = {"content-type": "application/json"}
FORM = {"content-type": "multipart/form-data; boundary=cut"}
UPLOAD = "/api/v1/skills/management/import"

MALFORMED: dict[str, tuple[str, dict[str, str], bytes]] = {
    "nothing but a brace": ("/ai/chat", JSON, b"{"),
    "not UTF-8": ("/ai/chat", JSON, b'{"message": "\xff\xfe"}'),
    "half a surrogate": ("/ai/chat", JSON, b'{"message": "\\ud800"}'),
    "as deep as it is long": ("/ai/chat", JSON, b"[" * 10_000 + b"]" * 9_999),
    "deep but well-formed": ("/ai/chat", JSON, b'{"message": ' + b"[" * 900 + b"]" * 900 + b"}"),
    "two values": ("/ai/chat", JSON, b'{"message": "a"} {"message": "b"}'),
    "no number": ("/ai/chat", JSON, b'{"message": NaN}'),
    "null": ("/ai/chat", JSON, b"null"),
    "a form without a boundary": (UPLOAD, {"content-type": "multipart/form-data"}, b"--cut--"),
    "a form that is none": (UPLOAD, FORM, b"what is this"),
    "a form cut short": (
        UPLOAD,
        FORM,
        b'--cut\r\nContent-Disposition: form-data; name="skills"; filename="a"\r\n\r\nhalf',
    ),
    "a form of a text that is not UTF-8": (
        UPLOAD,
        FORM,
        b'--cut\r\nContent-Disposition: form-data; name="skills"\r\n\r\n\xff\r\n--cut--\r\n',
    ),
    "a form of a thousand parts": (
        UPLOAD,
        FORM,
        b'--cut\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n' * 1000 + b"--cut--\r\n",
    ),
    "a form with the file twice": (
        UPLOAD,
        FORM,
        b'--cut\r\nContent-Disposition: form-data; name="skills"; filename="a"\r\n\r\n{}\r\n' * 2 + b"--cut--\r\n",
    ),
    "an url-encoded text that is not UTF-8": (
        UPLOAD,
        {"content-type": "application/x-www-form-urlencoded"},
        b"skills=%ff",
    ),
}


@pytest.mark.parametrize(("path", "headers", "content"), MALFORMED.values(), ids=MALFORMED.keys())
async def test_malformed_is_refused_in_the_dialect(
    path: str, headers: dict[str, str], content: bytes, client: httpx.AsyncClient
) -> None:
    answer = await client.post(path, content=content, headers=headers)

    assert answer.status_code in (400, 415), answer.text
    assert answer.json().keys() in ({"detail"}, {"error", "details"})


@pytest.mark.parametrize("length", ["declared", "chunked"])
async def test_a_body_over_the_limit_is_not_read_on(length: str, server: Served) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    size = LIMITS.json_bytes * 100
    how = f"Content-Length: {size}" if length == "declared" else "Transfer-Encoding: chunked"
    writer.write(f"POST /ai/chat HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{how}\r\n\r\n".encode())
    if length == "chunked":
        # Never ended, and more than is allowed: the answer has to come without the end.
        writer.write(b"%x\r\n" % (LIMITS.json_bytes + 1) + b"x" * (LIMITS.json_bytes + 1) + b"\r\n")

    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)

    assert head.startswith(b"HTTP/1.1 413")
    writer.close()


async def test_a_client_that_leaves_while_sending_does_no_harm(server: Served, client: httpx.AsyncClient) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"POST /ai/chat HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{")
    await writer.drain()
    writer.close()

    assert (await client.get("/ai/health")).status_code == 200


QUERIES = {
    "repeated": "tags=a&tags=b",
    "with brackets": "tags[]=a&tags%5B%5D=b",
    "with commas": "tags=a,b",
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES.keys())
async def test_reads_lists_in_a_query(query: str, client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/ai/conversations?limit=1&{query}")

    assert answer.json() == [{"id": "0", "title": "Chat 0"}]


async def test_one_value_twice_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.get("/ai/conversations?limit=1&limit=2")

    assert (answer.status_code, answer.json()) == (400, {"detail": "limit is given more than once."})


@pytest.mark.parametrize("path", ["/ai/conversations/a%2Fb", "/ai/conversations/%C3%A4%20b", "/%61i/conversations/x"])
async def test_decodes_a_path_after_cutting_it(path: str, client: httpx.AsyncClient) -> None:
    answer = await client.get(path)

    assert answer.json()["id"] == {"a%2Fb": "a/b", "%C3%A4%20b": "ä b", "x": "x"}[path.rpartition("/")[2]]


async def test_answers_a_head_like_a_get_without_the_body(client: httpx.AsyncClient) -> None:
    whole, head = await client.get("/ai/health"), await client.head("/ai/health")

    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["content-length"] == whole.headers["content-length"]


async def test_tells_what_a_path_takes(client: httpx.AsyncClient) -> None:
    answer = await client.options("/ai/chat/stream")

    assert (answer.status_code, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")


async def test_leaves_other_paths_alone(client: httpx.AsyncClient) -> None:
    answer = await client.get("/aim")

    assert (answer.status_code, answer.text) == (404, "Not Found")


async def test_files_are_gone_when_the_answer_is_there(server: Served, client: httpx.AsyncClient) -> None:
    url = "/api/v1/shell/io/file?path=a.txt"
    answer = await client.post(url, content=b"the bytes", headers={"X-Shell-User-Id": "u"})

    assert answer.json() == {"message": "File stored.", "data": None}
    path, content = server.stage.seen
    assert content == b"the bytes"
    assert not Path(path).exists()


async def test_a_stranger_s_body_is_not_read(server: Served) -> None:
    """Refused for the key while most of the body is still on its way."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(
        b"POST /ai/chat HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer wrong\r\n"
        b"Content-Type: application/json\r\nContent-Length: 9999\r\n\r\n{"
    )

    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)

    assert head.startswith(b"HTTP/1.1 401")
    writer.close()


async def test_other_sites_may_call_where_the_dialect_lets_them(client: httpx.AsyncClient) -> None:
    origin = {"Origin": "https://shop.example"}

    allowed = await client.post("/api/v1/widget/sessions", json={}, headers=origin)
    not_theirs = await client.get("/api/v1/library/stats", headers=origin)

    assert allowed.headers["access-control-allow-origin"] == "https://shop.example"
    assert "access-control-allow-origin" not in not_theirs.headers


async def test_says_everything_that_is_wrong(client: httpx.AsyncClient) -> None:
    body: dict[str, Any] = {"message": 1, "conversation_id": [], "user_id": None}

    answer = await client.post("/ai/chat", json=body)

    assert answer.json() == {
        "detail": "message must be a string. conversation_id must be a string. user_id must not be null."
    }


async def test_a_header_cannot_be_split_by_what_a_resolver_returns(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/library/a%0d%0aSet-Cookie:%20x=1/chunks")

    assert answer.headers["x-document"] == "a Set-Cookie: x=1"
    assert "set-cookie" not in answer.headers
