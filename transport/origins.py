"""Which web pages may talk to us with the visitor's cookies."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers

from transport.options import CORS

__all__ = ["PREFLIGHT_HEADERS", "allowed", "forgeable", "preflighted"]

# Any header that is not on the browsers' short list makes them ask first, which a forger's page does not survive.
PREFLIGHT_HEADERS = (
    "x-graphql-csrf",
    "graphql-require-preflight",
    "apollo-require-preflight",
    "x-apollo-operation-name",
)


def allowed(headers: Headers, cors: CORS) -> bool:
    """No `Origin` means no browser; the same origin and those of the settings may come in."""
    origin = headers.get("origin")
    if origin is None:
        return True
    if origin in cors.origins or _same(origin, headers.get("host", "")):
        return True
    return "*" in cors.origins and "cookie" not in headers


def _same(origin: str, host: str) -> bool:
    # A proxy that ends TLS may have changed the scheme we see, so only host and port are compared.
    try:
        theirs = urlsplit(origin)
        ours = urlsplit(f"{theirs.scheme}://{host}")
        default = {"http": 80, "https": 443}.get(theirs.scheme)
        return bool(theirs.hostname) and (theirs.hostname, theirs.port or default) == (
            ours.hostname,
            ours.port or default,
        )
    except ValueError:
        return False


def preflighted(headers: Headers) -> bool:
    return any(name in headers for name in PREFLIGHT_HEADERS)


def forgeable(headers: Headers, cors: CORS) -> bool:
    """Whether a hostile page could have made a visitor's browser send this GET without asking us first."""
    if preflighted(headers):
        return False
    if site := headers.get("sec-fetch-site"):
        return site not in ("same-origin", "none") and not ("origin" in headers and allowed(headers, cors))
    # Browsers before 2023 do not say where they come from, but they do send cookies.
    return "cookie" in headers or not allowed(headers, cors)
