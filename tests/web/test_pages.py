"""How the pages are served: the policy, caching, and what happens before they are built."""

import html
import json
import logging
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from transport.pages import PageFirst, pages

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    files = {
        "index.html": '<meta content="PALAVER-APIS">',
        "graphiql.html": '<meta property="csp-nonce" nonce="PALAVER-NONCE">',
        "assets/app-1a2b.js": "let plain",
        "assets/app-1a2b.js.br": "brotli's",
        "assets/app-1a2b.js.gz": "gzip's",
        "assets/letters-3c4d.woff2": "letters",
    }
    for name, content in files.items():
        path = tmp_path / "dist" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (tmp_path / "secret.txt").write_text("not for you")
    return tmp_path / "dist"


async def get(dist: Path, path: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> httpx.Response:
    graphql = Route("/graphql", PageFirst(PlainTextResponse("graphql")))
    transport = httpx.ASGITransport(Starlette(routes=[*pages(dist), graphql]))
    async with httpx.AsyncClient(transport=transport, base_url="http://palaver.test") as client:
        return await client.request(method, path, headers={"accept-encoding": "", **(headers or {})})


async def test_every_response_forbids_what_no_page_needs(dist: Path) -> None:
    for path in ("/", "/graphiql", "/assets/app-1a2b.js", "/assets/nothing.js"):
        headers = (await get(dist, path)).headers

        policy = headers["content-security-policy"].split("; ")
        assert {"default-src 'none'", "script-src 'self'", "connect-src 'self'", "worker-src 'self'"} < set(policy)
        assert {"base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"} < set(policy)
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


async def test_only_graphiql_may_make_styles_and_only_with_the_nonce_of_the_response(dist: Path) -> None:
    first, second = await get(dist, "/graphiql"), await get(dist, "/graphiql")

    nonces = [page.text.partition('nonce="')[2].partition('"')[0] for page in (first, second)]
    assert nonces[0] != nonces[1]
    assert f"style-src 'self' 'nonce-{nonces[0]}'" in first.headers["content-security-policy"]
    assert first.headers["cache-control"] == "no-store"
    assert "unsafe-inline" not in (await get(dist, "/")).headers["content-security-policy"]


async def test_the_start_page_is_sent_again_only_when_it_changed(dist: Path) -> None:
    page = await get(dist, "/")

    again = await get(dist, "/", {"if-none-match": page.headers["etag"]})
    other = await get(dist, "/", {"if-none-match": '"of-last-week"'})

    assert page.headers["cache-control"] == "no-cache"
    assert (again.status_code, again.text) == (304, "")
    assert other.status_code == 200


async def test_pages_know_the_rest_apis_of_this_server(dist: Path) -> None:
    transport = httpx.ASGITransport(Starlette(routes=pages(dist, {"aegis": 'Aegis "AI" <service>'})))
    async with httpx.AsyncClient(transport=transport, base_url="http://palaver.test") as client:
        page = await client.get("/")

    content = html.unescape(page.text.removeprefix('<meta content="').removesuffix('">'))
    assert json.loads(content) == {"aegis": 'Aegis "AI" <service>'}
    assert "<service>" not in page.text


async def test_assets_are_kept_for_ever(dist: Path) -> None:
    asset = await get(dist, "/assets/letters-3c4d.woff2")

    again = await get(dist, "/assets/letters-3c4d.woff2", {"if-none-match": f"W/{asset.headers['etag']}"})

    assert (asset.text, asset.headers["content-type"]) == ("letters", "font/woff2")
    assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert again.status_code == 304


@pytest.mark.parametrize(
    ("accepted", "coding", "content"),
    [
        ("gzip, deflate, br, zstd", "br", b"brotli's"),
        ("gzip;q=1.0, deflate", "gzip", b"gzip's"),
        ("br;q=0, gzip", "gzip", b"gzip's"),
        ("identity", None, b"let plain"),
    ],
)
async def test_sends_what_the_build_compressed(dist: Path, accepted: str, coding: str | None, content: bytes) -> None:
    transport = httpx.ASGITransport(Starlette(routes=pages(dist)))
    async with (
        httpx.AsyncClient(transport=transport, base_url="http://palaver.test") as client,
        client.stream("GET", "/assets/app-1a2b.js", headers={"accept-encoding": accepted}) as response,
    ):
        sent = b"".join([chunk async for chunk in response.aiter_raw()])

    assert (response.headers.get("content-encoding"), sent) == (coding, content)
    assert response.headers["content-type"] == "text/javascript; charset=utf-8"
    assert response.headers["vary"] == "accept-encoding"


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../../secret.txt",
        "/assets/..%2f..%2fsecret.txt",
        "/assets/%2e%2e/%2e%2e/secret.txt",
        "/assets/..%5c..%5csecret.txt",
        "/assets//etc/passwd",
        "/assets/",
        "/assets/app-1a2b.js%00.css",
        "/assets/app-1a2b.js.br",
    ],
)
async def test_serves_nothing_the_build_did_not_name(dist: Path, path: str) -> None:
    assert (await get(dist, path)).status_code == 404


async def test_before_the_build_says_what_to_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        answers = [await get(tmp_path, path) for path in ("/", "/graphiql")]

    assert [answer.status_code for answer in answers] == [503, 503]
    assert all("make web" in answer.text for answer in answers)
    assert "make web" in caplog.text
    assert (await get(tmp_path, "/graphql")).text == "graphql"


@pytest.mark.parametrize(
    ("accept", "query", "method", "lands"),
    [
        (BROWSER, "", "GET", True),
        (BROWSER, "", "HEAD", True),
        (BROWSER, "?utm_source=mail", "GET", True),
        (BROWSER, "?query={me{id}}", "GET", False),
        (BROWSER, "", "POST", False),
        ("*/*", "", "GET", False),
        ("application/json, text/html;q=0.9", "", "GET", False),
        ("text/html;q=0", "", "GET", False),
        ("application/graphql-response+json", "", "GET", False),
    ],
)
async def test_browsers_land_on_graphiql_and_programs_do_not(
    dist: Path, accept: str, query: str, method: str, lands: bool
) -> None:
    answer = await get(dist, f"/graphql{query}", {"accept": accept}, method)

    assert (answer.status_code, answer.headers.get("location")) == ((303, "graphiql") if lands else (200, None))
