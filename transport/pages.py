"""The pages for people: GraphiQL and the start page, built from web/ and served under a strict policy."""

import hashlib
import html
import json
import logging
import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from transport.negotiation import GRAPHQL, HTML, JSON, parse_accept

__all__ = ["PageFirst", "pages", "wants_page"]

logger = logging.getLogger(__name__)

_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
    ".woff2": "font/woff2",
}
# The build leaves both beside each file; the smaller one first.
_COMPRESSED = {"br": ".br", "gzip": ".gz"}
# Where the pages in web/ leave room for what only the server knows.
_NONCE_PLACE, _APIS_PLACE = "PALAVER-NONCE", "PALAVER-APIS"

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Asset:
    path: Path
    media_type: str
    compressed: Mapping[str, Path]


def pages(dist: Path, apis: Mapping[str, str] | None = None) -> list[Route]:
    """`/`, `/graphiql` and `/assets/…` from what Vite left in `dist`, or a page that says how to build them.

    `apis` are the titles of the REST APIs by the name that `/openapi/<name>.json` knows them by.
    """
    start, graphiql = dist / "index.html", dist / "graphiql.html"
    if not (start.is_file() and graphiql.is_file()):
        logger.warning("The browser pages are not built: %s is missing. Run `make web`, then start again.", graphiql)
        return [Route("/", _not_built), Route("/graphiql", _not_built)]
    listed = html.escape(json.dumps(dict(apis or {})))
    assets = {asset.path.name: asset for asset in _find_assets(dist / "assets")}
    return [
        Route("/", _plain_page(start.read_text("utf-8").replace(_APIS_PLACE, listed).encode())),
        Route("/graphiql", _page_with_nonce(graphiql.read_text("utf-8").replace(_APIS_PLACE, listed))),
        Route("/assets/{name:path}", _asset_endpoint(assets)),
    ]


def wants_page(scope: Scope) -> bool:
    """A browser was pointed at the GraphQL address itself: it asks for HTML above all, and names no document."""
    if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
        return False
    if not {"query", "extensions", "documentId"}.isdisjoint(parse_qs(scope["query_string"].decode("latin-1"))):
        return False
    accept = parse_accept(Headers(scope=scope).get("accept"))
    return accept.names(HTML) and accept.rank(HTML) > max(accept.rank(GRAPHQL), accept.rank(JSON))


class PageFirst:
    """The GraphQL endpoint, except that it sends people who open it in a browser to GraphiQL."""

    def __init__(self, graphql: ASGIApp) -> None:
        self.graphql = graphql

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if wants_page(scope):
            # Relative, so that it is right below any path a proxy puts us under.
            await RedirectResponse("graphiql", 303, {"vary": "accept", **_guard()})(scope, receive, send)
        else:
            await self.graphql(scope, receive, send)


def _plain_page(content: bytes) -> Endpoint:
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"etag": etag, "cache-control": "no-cache", **_guard()}

    async def page(request: Request) -> Response:
        if _knows(request, etag):
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=HTML)

    return page


def _page_with_nonce(content: str) -> Endpoint:
    async def page(request: Request) -> Response:
        nonce = secrets.token_urlsafe(16)
        # A kept copy would carry a nonce that the next policy does not know.
        headers = {"cache-control": "no-store", **_guard(nonce)}
        return Response(content.replace(_NONCE_PLACE, nonce), headers=headers, media_type=HTML)

    return page


def _asset_endpoint(assets: Mapping[str, Asset]) -> Endpoint:
    """Names are looked up, never joined to a path: what the build did not leave cannot be asked for."""

    async def asset(request: Request) -> Response:
        found = assets.get(request.path_params["name"])
        if found is None:
            raise HTTPException(404, headers=_guard())
        coding, path = _best_coding(found, request)
        # The build puts a hash of the content into every name.
        headers = {
            "cache-control": "public, max-age=31536000, immutable",
            "etag": f'"{path.name}"',
            "vary": "accept-encoding",
            **({"content-encoding": coding} if coding else {}),
            **_guard(),
        }
        if _knows(request, headers["etag"]):
            return Response(status_code=304, headers=headers)
        return FileResponse(path, headers=headers, media_type=found.media_type)

    return asset


def _find_assets(folder: Path) -> Iterator[Asset]:
    for path in folder.iterdir():
        if path.suffix not in _COMPRESSED.values():
            compressed = {coding: path.with_name(path.name + suffix) for coding, suffix in _COMPRESSED.items()}
            existing = {coding: file for coding, file in compressed.items() if file.is_file()}
            yield Asset(path, _MEDIA_TYPES.get(path.suffix, "application/octet-stream"), existing)


def _best_coding(asset: Asset, request: Request) -> tuple[str | None, Path]:
    items = [item.partition(";") for item in request.headers.get("accept-encoding", "").lower().split(",")]
    accepted = {coding.strip() for coding, _, weight in items if weight.replace(" ", "") not in ("q=0", "q=0.0")}
    return next(((coding, path) for coding, path in asset.compressed.items() if coding in accepted), (None, asset.path))


def _knows(request: Request, etag: str) -> bool:
    known = request.headers.get("if-none-match", "")
    return etag in (tag.strip().removeprefix("W/") for tag in known.split(","))


def _guard(nonce: str | None = None) -> dict[str, str]:
    """What every response carries. Only a page with a nonce may make styles of its own.

    Monaco writes the place of each line into `style` attributes through innerHTML, and there is no nonce for
    attributes; `style-src-attr` allows those alone, which reach neither scripts nor the network.
    """
    styles = f"style-src 'self' 'nonce-{nonce}'; style-src-attr 'unsafe-inline'" if nonce else "style-src 'self'"
    return {"content-security-policy": f"{_POLICY}; {styles}", **_HEADERS}


# 'self' covers WebSockets of the same host and port as well.
_POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; worker-src 'self'; img-src 'self' data:; "
    "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}

_NOT_BUILT = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Palaver</title>
<h1>Palaver is running</h1>
<p>Its browser pages are not built yet: run <code>make web</code> in the project's folder, then start it again.</p>
<p>Programs find GraphQL at <code>/graphql</code> all the same.</p>
"""


async def _not_built(request: Request) -> Response:
    return Response(_NOT_BUILT, 503, {"cache-control": "no-store", **_guard()}, HTML)
