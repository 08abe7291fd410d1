"""The one place where a request becomes a principal, whatever it carries and whichever way it came in."""

import ipaddress
from urllib.parse import urlsplit
from uuid import UUID

from starlette.requests import HTTPConnection

from domain.identity import SCOPES, Principal, PrincipalKind
from domain.keys import Keys

__all__ = ["KEY_COOKIE", "Authenticator"]

KEY_COOKIE = "palaver_key"


class Authenticator:
    """`trusts_this_machine`: in development, who comes from here without a key acts for the local workspace."""

    def __init__(self, workspace_id: UUID, keys: Keys, *, trusts_this_machine: bool) -> None:
        self._keys, self._trusts_this_machine = keys, trusts_this_machine
        self._local = Principal(workspace_id, PrincipalKind.LOCAL, SCOPES[PrincipalKind.LOCAL])
        self._anonymous = Principal(workspace_id, PrincipalKind.ANONYMOUS, SCOPES[PrincipalKind.ANONYMOUS])

    async def __call__(self, connection: HTTPConnection, key: str | None) -> Principal:
        """`key` came in a message, or from where an old API reads it; else the request's own is looked for."""
        key = key or _key_of(connection)
        if key is not None:
            return await self._keys.authenticate(key, _origin_of(connection))
        if self._trusts_this_machine and _is_from_here(connection):
            return self._local
        return self._anonymous


def _key_of(connection: HTTPConnection) -> str | None:
    headers = connection.headers
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        return credentials.strip()
    if key := headers.get("x-api-key"):
        return key
    if b"api-key=" in connection.scope["query_string"] and (key := connection.query_params.get("api-key")):
        return key
    if "cookie" in headers and not _is_made_elsewhere(connection) and (key := connection.cookies.get(KEY_COOKIE)):
        return key
    return None


def _is_made_elsewhere(connection: HTTPConnection) -> bool:
    """A link or a picture on a stranger's page: such requests carry cookies, may come from here, and name no origin."""
    return "origin" not in connection.headers and connection.headers.get("sec-fetch-site") == "cross-site"


def _origin_of(connection: HTTPConnection) -> str | None:
    """Which page sent it. Only browsers say so, and they do not let pages lie about it."""
    origin = connection.headers.get("origin")
    if origin is not None:
        return origin
    if referer := connection.headers.get("referer"):
        parts = urlsplit(referer)
        return f"{parts.scheme}://{parts.netloc}"
    return None


def _is_from_here(connection: HTTPConnection) -> bool:
    """A connection from this machine that also speaks of this machine.

    The second half keeps out the pages of strangers that a browser on this machine has open: they can connect to
    127.0.0.1, but not without naming where they are from, or having us named as what we are not.
    """
    client = connection.client
    if client is None or not _is_loopback(client.host):
        return False
    if not _is_loopback(_host_of(f"//{connection.headers.get('host', '')}")):
        return False
    origin = _origin_of(connection)
    return not _is_made_elsewhere(connection) and (origin is None or _is_loopback(_host_of(origin)))


def _host_of(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
