from base64 import b64encode
from pathlib import Path
from typing import Any  # Tool arguments are open JSON.

import orjson
import pytest
from aiohttp import web

from domain.calling import Caller
from domain.gateways.parameters import BuiltinFunction, BuiltinOptions, ImageQuality, WebSearchMode
from domain.published import Published
from domain.tools import sandbox
from domain.tools.builtin import Builtins, Endpoint, Endpoints, code
from engine.guard import Guard
from errors import NotConfigured, ToolFailed
from knowledge import read
from tests.domain.tools.listening import Server

PLAIN = BuiltinOptions()
PNG = b"\x89PNG\r\n\x1a\n and so on"


@pytest.fixture
def published(tmp_path: Path) -> Published:
    return Published(tmp_path, "https://palaver.example.com")


@pytest.fixture
def builtins(guard: Guard, server: Server, published: Published) -> Builtins:
    provider = Endpoint(server.url, "sk-secret", "painter")
    return Builtins(guard, published, Endpoints(provider, provider))


async def use(
    builtins: Builtins,
    caller: Caller,
    function: BuiltinFunction,
    options: BuiltinOptions = PLAIN,
    **arguments: Any,
) -> Any:
    (tool,) = builtins.tools(caller, function, options)
    return await tool.run(arguments)


async def kept(published: Published, url: str) -> Any:
    return await published.find(url.rpartition("/")[2])


# ---------------------------------------------------------------- reading and asking


async def test_reads_pages(builtins: Builtins, caller: Caller, server: Server) -> None:
    page = "<html><title>Bread</title><body><h1>Bread</h1><script>no()</script><p>Bake it.</p></body></html>"
    server.says("/bread", page, content_type="text/html")
    server.says("/moved", status=301, location="/bread")
    urls = [f"{server.url}/{path}" for path in ("bread", "moved", "gone")]

    bread, moved, gone = await use(builtins, caller, BuiltinFunction.OPEN_URL, urls=urls)

    assert (bread["title"], moved["text"]) == ("Bread", bread["text"])
    assert "Bake it." in bread["text"]
    assert "no()" not in bread["text"]
    assert gone == {"url": urls[2], "error": "This page answered with status 404."}


async def test_reads_no_more_than_it_may(builtins: Builtins, caller: Caller, server: Server) -> None:
    server.says("/long", "word " * 20_000, content_type="text/plain")
    server.says("/endless", "x" * 5_000_001, content_type="text/plain")
    urls = [f"{server.url}/long", f"{server.url}/endless"]

    long, endless = await use(builtins, caller, BuiltinFunction.OPEN_URL, urls=urls)

    assert (len(long["text"]), long["isCut"]) == (40_000, True)
    assert "more than 5,000,000 bytes" in endless["error"]
    with pytest.raises(ToolFailed):
        await use(builtins, caller, BuiltinFunction.OPEN_URL, urls=urls * 3)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{port}/", "http://0x7f.1:{port}/", "file:///etc/passwd", "x", "http://"]
)
async def test_reaches_nothing_private(caller: Caller, server: Server, url: str) -> None:
    guarded = Builtins(Guard())
    url = url.format(port=server.url.rpartition(":")[2])

    (page,) = await use(guarded, caller, BuiltinFunction.OPEN_URL, urls=[url])
    assert "error" in page
    with pytest.raises(ToolFailed, match="cannot be called"):
        await use(guarded, caller, BuiltinFunction.REQUEST, url=url)

    assert server.seen == []


async def test_sends_requests(builtins: Builtins, caller: Caller, server: Server) -> None:
    server.says("/things", '{"id": 1}', status=201, x_internal="no")

    answer = await use(
        builtins,
        caller,
        BuiltinFunction.REQUEST,
        url=f"{server.url}/things",
        method="POST",
        headers={"x-own": "1", "Host": "elsewhere", "Content-Length": "99"},
        body="{}",
    )

    (seen,) = server.seen
    assert answer["status"] == 201
    assert answer["body"] == '{"id": 1}'
    assert "x-internal" not in answer["headers"]
    assert (seen.method, seen.body, seen.headers["x-own"]) == ("POST", b"{}", "1")
    assert seen.headers["host"] != "elsewhere"


async def test_follows_no_redirects_of_requests(builtins: Builtins, caller: Caller, server: Server) -> None:
    server.says("/moved", status=302, location="http://169.254.169.254/latest")

    answer = await use(builtins, caller, BuiltinFunction.REQUEST, url=f"{server.url}/moved")

    assert (answer["status"], answer["headers"]["location"]) == (302, "http://169.254.169.254/latest")


@pytest.mark.parametrize("headers", [{"a\r\nb": "c"}, {"a": "b\r\nc: d"}, {"": "x"}])
async def test_smuggles_no_headers(builtins: Builtins, caller: Caller, server: Server, headers: dict[str, str]) -> None:
    with pytest.raises(ToolFailed, match="malformed"):
        await use(builtins, caller, BuiltinFunction.REQUEST, url=server.url, headers=headers)


# ---------------------------------------------------------------- providers


async def test_searches_the_web(builtins: Builtins, caller: Caller, server: Server) -> None:
    found = [
        {"title": name, "url": f"{server.url}/{name}", "content": f"About {name}"} for name in ("bread", "gone", "x")
    ]
    server.says("/search", orjson.dumps({"results": found}).decode())
    server.says("/bread", "<p>Bake it for forty minutes.</p>", content_type="text/html")

    pages = await use(
        builtins, caller, BuiltinFunction.WEB_SEARCH, BuiltinOptions(web_search_max_results=2), query="bread & butter"
    )
    summaries = await use(
        builtins,
        caller,
        BuiltinFunction.WEB_SEARCH,
        BuiltinOptions(web_search_mode=WebSearchMode.SUMMARIZED),
        query="bread",
    )

    bread, gone = ({"title": each["title"], "url": each["url"], "summary": each["content"]} for each in found[:2])
    assert pages == [bread | {"text": "Bake it for forty minutes."}, gone]
    assert [each["title"] for each in summaries] == ["bread", "gone", "x"]
    assert server.seen[0].path == "/search?q=bread+%26+butter&format=json"
    assert server.seen[0].headers["authorization"] == "Bearer sk-secret"
    assert "authorization" not in server.seen[1].headers


async def test_draws_pictures(builtins: Builtins, caller: Caller, server: Server, published: Published) -> None:
    answer = {"data": [{"b64_json": b64encode(PNG).decode()}]}
    server.says("/images/generations", orjson.dumps(answer).decode())
    options = BuiltinOptions(image_generation_quality=ImageQuality.HIGHEST, image_generation_max_results=2)

    made = await use(builtins, caller, BuiltinFunction.IMAGE_GENERATION, options, prompt="A cat", count=2)

    (url,) = made["urls"]
    picture = await kept(published, url)
    assert (picture.content, picture.media_type) == (PNG, "image/png")
    assert server.seen[0].json == {
        "model": "painter",
        "prompt": "A cat",
        "n": 2,
        "quality": "high",
        "moderation": "auto",
    }


async def test_draws_after_pictures_only_when_it_may(builtins: Builtins, caller: Caller, server: Server) -> None:
    answer = {"data": [{"b64_json": b64encode(PNG).decode()}]}
    server.says("/images/edits", orjson.dumps(answer).decode())

    async def picture(request: object) -> Any:
        return web.Response(body=PNG)

    server.answers["/cat.png"] = picture
    asked: dict[str, Any] = {"prompt": "A dog", "references": [f"{server.url}/cat.png"]}

    with pytest.raises(ToolFailed, match="wrong arguments"):
        await use(builtins, caller, BuiltinFunction.IMAGE_GENERATION, **asked)
    options = BuiltinOptions(image_generation_allow_reference_usage=True)
    await use(builtins, caller, BuiltinFunction.IMAGE_GENERATION, options, **asked)

    assert server.seen[-1].json["images"] == [{"image_url": f"data:image/png;base64,{b64encode(PNG).decode()}"}]


@pytest.mark.parametrize(
    "answer",
    ['{"data": []}', "[]", '{"data": [{}]}', '{"data": [{"b64_json": "x"}]}', '{"data": [{"b64_json": "PHN2Zz4="}]}'],
)
async def test_keeps_nothing_but_pictures(builtins: Builtins, caller: Caller, server: Server, answer: str) -> None:
    server.says("/images/generations", answer)

    with pytest.raises(ToolFailed, match="generate_image failed"):
        await use(builtins, caller, BuiltinFunction.IMAGE_GENERATION, prompt="A cat")


async def test_says_why_a_provider_refused(builtins: Builtins, caller: Caller, server: Server) -> None:
    server.says("/images/generations", '{"error": {"message": "Not such pictures."}}', status=400)
    server.says("/search", "broken", status=500)

    with pytest.raises(ToolFailed, match=r"status 400: Not such pictures\.$"):
        await use(builtins, caller, BuiltinFunction.IMAGE_GENERATION, prompt="…")
    with pytest.raises(ToolFailed, match=r"status 500\.$"):
        await use(builtins, caller, BuiltinFunction.WEB_SEARCH, query="…")


# ---------------------------------------------------------------- documents, pages and code


async def test_makes_documents(builtins: Builtins, caller: Caller, published: Published) -> None:
    html = "<h1>Bread &amp; butter</h1><p>Crème brûlée</p><table><tr><th>A</th></tr><tr><td>B</td></tr></table>"

    made = await use(builtins, caller, BuiltinFunction.GENERATE_DOCUMENT, title="Our / menu", html=html)

    document = await kept(published, made["url"])
    text = (await read.document(document.content, "menu.pdf")).text
    assert document.media_type == "application/pdf"
    assert "Bread & butter" in text
    assert "Crème brûlée" in text


@pytest.mark.parametrize("source", ["/etc/hostname", "file:///etc/hostname", "{url}/picture.png", "/proc/self/environ"])
async def test_documents_show_nothing_of_ours(builtins: Builtins, caller: Caller, server: Server, source: str) -> None:
    html = f'<p>Look</p><img src="{source.format(url=server.url)}">'

    with pytest.raises(ToolFailed, match="could not make a PDF"):
        await use(builtins, caller, BuiltinFunction.GENERATE_DOCUMENT, title="x", html=html)

    assert server.seen == []


async def test_publishes_pages(builtins: Builtins, caller: Caller, published: Published) -> None:
    made = await use(builtins, caller, BuiltinFunction.GENERATE_WEB_PAGE, title="Game", html="<script>play()</script>")

    page = await kept(published, made["url"])
    assert page.content == b"<script>play()</script>"
    assert page.headers["content-security-policy"].startswith("sandbox")


@pytest.mark.skipif(code.missing() is not None, reason=str(code.missing()))
async def test_runs_code(builtins: Builtins, caller: Caller) -> None:
    script = "const text = `a\nEOF\n$HOME`;\nconsole.log(text, [1, 2].map(x => x * 2));"

    assert await use(builtins, caller, BuiltinFunction.CODE, code=script) == "a\nEOF\n$HOME [ 2, 4 ]"
    assert "ReferenceError: nothing is not defined" in await use(builtins, caller, BuiltinFunction.CODE, code="nothing")
    abroad = "require('net').connect(80, '1.1.1.1').on('error', error => console.log(error.code))"
    assert await use(builtins, caller, BuiltinFunction.CODE, code=abroad) == "ENETUNREACH"


# ---------------------------------------------------------------- what cannot work here


@pytest.mark.parametrize(
    ("function", "spoken"),
    [
        (BuiltinFunction.WEB_SEARCH, "WebSearch.*PALAVER_SEARCH_BASE_URL"),
        (BuiltinFunction.IMAGE_GENERATION, "ImageGeneration.*PALAVER_IMAGE_BASE_URL"),
        (BuiltinFunction.X_POSTS_SEARCH, "XPostsSearch.*posts of X"),
        (BuiltinFunction.ADVANCED_WEB_USAGE, "AdvancedWebUsage.*browsers"),
    ],
)
async def test_says_what_is_missing(caller: Caller, function: BuiltinFunction, spoken: str) -> None:
    bare = Builtins(Guard())

    assert bare.missing(function) is not None
    with pytest.raises(NotConfigured, match=spoken):
        bare.tools(caller, function, BuiltinOptions())


async def test_code_needs_a_sandbox(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "missing", lambda: "bubblewrap is not installed")

    with pytest.raises(NotConfigured, match="Code, which cannot work here: bubblewrap is not installed"):
        Builtins(Guard()).tools(caller, BuiltinFunction.CODE, BuiltinOptions())
