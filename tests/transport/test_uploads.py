import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.transport.server import Served, served
from transport import TransportOptions

Client = httpx.AsyncClient

ONE = "mutation ($file: Upload!) { receive(file: $file) { filename mediaType size content path } }"
MANY = "mutation ($files: [Upload!]!) { receiveAll(files: $files) { filename content } }"
CSRF = {"x-graphql-csrf": "1"}
BOUNDARY = "xx"


def form(*parts: tuple[str, str | bytes] | tuple[str, str | bytes, str]) -> bytes:
    """Parts in the order given; those with a third item are files of that name."""
    whole = b""
    for name, content, *filename in parts:
        disposition = f'form-data; name="{name}"' + (f'; filename="{filename[0]}"' if filename else "")
        whole += f"--{BOUNDARY}\r\ncontent-disposition: {disposition}\r\n".encode()
        whole += b"content-type: text/plain\r\n\r\n" if filename else b"\r\n"
        whole += (content.encode() if isinstance(content, str) else content) + b"\r\n"
    return whole + f"--{BOUNDARY}--\r\n".encode()


def operations(query: str = ONE, variables: object = None) -> str:
    return json.dumps({"query": query, "variables": {"file": None} if variables is None else variables})


async def send(client: Client, server: Served, content: bytes, **headers: str) -> httpx.Response:
    return await client.post(
        server.url,
        content=content,
        headers=CSRF | {"content-type": f"multipart/form-data; boundary={BOUNDARY}"} | headers,
    )


async def test_a_file_arrives_and_is_gone_afterwards(client: Client, server: Served) -> None:
    content = form(("operations", operations()), ("map", '{"0": ["variables.file"]}'), ("0", "Hello", "../../a b.txt"))

    response = await send(client, server, content)

    received = response.json()["data"]["receive"]
    path = Path(received.pop("path"))
    assert received == {"filename": "a b.txt", "mediaType": "text/plain", "size": 5, "content": "Hello"}
    assert not path.exists()
    assert not path.parent.exists()


async def test_files_arrive_where_the_map_says(client: Client, server: Served) -> None:
    content = form(
        ("operations", operations(MANY, {"files": [None, None, None]})),
        ("map", '{"a": ["variables.files.2", "variables.files.0"], "b": ["variables.files.1"]}'),
        ("a", "first", "a.txt"),
        ("b", "second", "b.txt"),
    )

    response = await send(client, server, content)

    assert [file["content"] for file in response.json()["data"]["receiveAll"]] == ["first", "second", "first"]


async def test_httpx_and_others_send_it_like_this(client: Client, server: Served) -> None:
    response = await client.post(
        server.url,
        data={"operations": operations(), "map": '{"0": ["variables.file"]}'},
        files={"0": ("big.bin", b"\x00\r\n--x" * 300_000, "application/octet-stream")},
        headers=CSRF,
    )

    assert response.json()["data"]["receive"]["size"] == 1_800_000


async def test_a_form_needs_a_header_no_other_site_can_send(client: Client, server: Served) -> None:
    content = form(("operations", operations()), ("map", '{"0": ["variables.file"]}'), ("0", "Hello", "a.txt"))

    response = await client.post(
        server.url, content=content, headers={"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    )

    assert response.status_code == 403
    assert "x-graphql-csrf" in response.json()["errors"][0]["message"]


GOOD_MAP = ("map", '{"0": ["variables.file"]}')


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([], "JSON object"),
        ([("operations", "{")], "not JSON"),
        ([("operations", "3"), ("map", "{}")], "JSON object"),
        ([("map", "{}"), ("operations", operations())], "must be `operations`"),
        ([("0", "x", "a.txt")], "must be `operations`"),
        ([("operations", operations()), ("0", "x", "a.txt")], "must be `map`"),
        ([("operations", operations()), ("map", "3")], "lists of paths"),
        ([("operations", operations()), ("map", '{"0": "variables.file"}')], "lists of paths"),
        ([("operations", operations()), ("map", '{"0": []}')], "lists of paths"),
        ([("operations", operations()), GOOD_MAP], "is missing"),
        ([("operations", operations()), GOOD_MAP, ("1", "x", "a.txt")], "must be in `map`"),
        ([("operations", operations()), GOOD_MAP, ("0", "x", "a.txt"), ("0", "x", "a.txt")], "come once"),
        ([("operations", operations()), ("map", '{"0": ["query"]}'), ("0", "x", "a.txt")], "into `variables`"),
        ([("operations", operations()), ("map", '{"0": ["variables.x.y"]}'), ("0", "x", "a.txt")], "nothing"),
        ([("operations", operations()), ("map", '{"0": ["variables"]}'), ("0", "x", "a.txt")], "into `variables`"),
        ([("operations", operations(variables={"file": 3})), GOOD_MAP, ("0", "x", "a.txt")], "must be null"),
        (
            [("operations", operations(MANY, {"files": []})), ("map", '{"0": ["variables.files.0"]}'), ("0", "x", "a")],
            "nothing",
        ),
    ],
)
async def test_a_form_that_does_not_add_up_is_400(client: Client, server: Served, parts: list[Any], words: str) -> None:
    response = await send(client, server, form(*parts))

    assert response.status_code == 400
    assert words in response.json()["errors"][0]["message"]


@pytest.mark.parametrize("content", [b"", b"nonsense", b"--xx\r\n", form(("operations", operations()))[:-6]])
async def test_a_form_that_is_cut_short_is_400(client: Client, server: Served, content: bytes) -> None:
    response = await send(client, server, content)

    assert response.status_code == 400


async def test_a_form_without_a_boundary_is_400(client: Client, server: Served) -> None:
    response = await send(client, server, b"", **{"content-type": "multipart/form-data"})

    assert response.status_code == 400


async def test_sizes_and_numbers_are_bounded(client: Client) -> None:
    options = TransportOptions(upload_file_bytes=1000, upload_total_bytes=1500, upload_files=2, body_bytes=2000)
    several = {"files": [None] * 3}
    async with served(options) as server:
        long = form(("operations", operations()), GOOD_MAP, ("0", "x" * 1001, "a.txt"))
        together = form(
            ("operations", operations(MANY, several)),
            ("map", '{"0": ["variables.files.0"], "1": ["variables.files.1"]}'),
            ("0", "x" * 900, "a.txt"),
            ("1", "x" * 900, "b.txt"),
        )
        many = form(
            ("operations", operations(MANY, several)),
            ("map", json.dumps({str(n): [f"variables.files.{n}"] for n in range(3)})),
        )
        paths = form(("operations", operations()), ("map", json.dumps({"0": ["variables.file"] * 11})))
        wordy = form(("operations", operations(ONE + " " * 2000)))
        statuses = [
            (await send(client, server, content)).status_code for content in (long, together, many, paths, wordy)
        ]

    assert statuses == [413, 413, 413, 400, 413]


async def test_a_client_that_leaves_leaves_no_file(
    server: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    content = form(("operations", operations()), GOOD_MAP, ("0", "x" * 100_000, "a.txt"))
    writer.write(
        b"POST /graphql HTTP/1.1\r\nhost: x\r\nx-graphql-csrf: 1\r\n"
        b"content-type: multipart/form-data; boundary=xx\r\ncontent-length: %d\r\n\r\n%b"
        % (len(content), content[:90_000])
    )
    await _until(lambda: any(tmp_path.rglob("0")))

    writer.transport.abort()

    await _until(lambda: not any(tmp_path.iterdir()))


async def _until(fact: Any) -> None:
    for _ in range(100_000):
        if fact():
            return
        await asyncio.sleep(0)
    assert fact()
