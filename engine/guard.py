"""The one guard before every address that a user gave us: what it leads to must be public.

What counts is where a connection really goes. Whatever a URL looks like to this parser or that, and whatever a name
resolved to a moment ago, each socket is looked at before it is connected; so redirects and names that change their mind
are looked at as well.
"""

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import SplitResult, urljoin, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import AddrInfoType

from errors import Invalid

__all__ = ["Guard"]

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_PORTS = {"http": 80, "https": 443}
# A machine without a network may wait long for its name server.
_RESOLVE_SECONDS = 5
# Where an IPv6 address carries an IPv4 address that a gateway or the kernel may connect to instead.
_CARRIERS = (
    (ipaddress.IPv6Network("::ffff:0:0/96"), 0),  # mapped
    (ipaddress.IPv6Network("::ffff:0:0:0/96"), 0),  # translated
    (ipaddress.IPv6Network("::/96"), 0),  # compatible, long given up
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),  # NAT64
    (ipaddress.IPv6Network("2002::/16"), 80),  # 6to4
)
# Said to be public by some table, and not for us: NAT64 of a site, Teredo, ORCHID, documentation, the old site-local.
_CLOSED = tuple(
    map(
        ipaddress.ip_network,
        (
            *("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15"),
            *("64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16", "fec0::/10"),
        ),
    )
)
_KEPT_ACROSS_HOSTS = frozenset({"accept", "accept-encoding", "accept-language", "content-type", "user-agent"})


class Guard:
    """`allow_private` lets addresses of this machine and its networks pass; all else is checked as ever."""

    def __init__(self, *, allow_private: bool = False, resolver: AbstractResolver | None = None) -> None:
        self._allow_private, self._resolver = allow_private, resolver

    def check(self, url: str, field: str = "url") -> SplitResult:
        """Whether it is a web address at all, and no private one by its looks. Asks nobody."""
        if not url.isascii() or not url.isprintable() or any(sign in url for sign in " \\"):
            raise Invalid(field, "must be a web address of plain characters")
        try:
            parts = urlsplit(url)
            _ = parts.port
        except ValueError:
            raise Invalid(field, "must be a web address, such as https://api.example.com/v1") from None
        if parts.scheme not in _PORTS or not parts.hostname:
            raise Invalid(field, "must be a web address, such as https://api.example.com/v1")
        if "@" in parts.netloc:
            raise Invalid(field, "must not have a user name or password in it")
        address = _literal(parts.hostname)
        if address is not None:
            self._check_address(address, field)
        elif "[" in parts.netloc:
            raise Invalid(field, "must be a web address, such as https://api.example.com/v1")
        return parts

    async def vet(self, url: str, field: str = "url") -> None:
        """For addresses that are to be kept. A name that leads nowhere yet passes: it is looked at again when used."""
        parts = self.check(url, field)
        host = parts.hostname or ""
        try:
            async with asyncio.timeout(_RESOLVE_SECONDS):
                found = await self._resolve(host, parts.port or _PORTS[parts.scheme])
        except OSError:  # of which a timeout is one
            return
        for result in found:
            self._check_address(ipaddress.ip_address(result["host"].partition("%")[0]), field)

    def connector(self) -> aiohttp.TCPConnector:
        """For a session whose every connection is looked at, whoever asked for it and however it was named."""
        # Happy eyeballs would try one address after the other, and forget why it did not like the first.
        return aiohttp.TCPConnector(limit=0, resolver=_Checked(self), socket_factory=self._socket)

    @asynccontextmanager
    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        redirects: int = 0,
        timeout_seconds: float = 30,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One request. So many redirects are followed, each looked at; what is secret does not go to another host."""
        timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        sent = {name.lower(): value for name, value in (headers or {}).items()}
        async with aiohttp.ClientSession(
            connector=self.connector(), cookie_jar=aiohttp.DummyCookieJar(), timeout=timeout
        ) as session:
            while True:
                here = self.check(url)
                response = await session.request(method, url, headers=sent, data=body, allow_redirects=False)
                location = response.headers.get("location")
                if not (redirects and location and response.status in (301, 302, 303, 307, 308)):
                    yield response
                    response.close()
                    return
                response.close()
                redirects -= 1
                url = urljoin(url, location)
                if (there := self.check(url)).netloc != here.netloc or there.scheme != here.scheme:
                    sent = {name: value for name, value in sent.items() if name in _KEPT_ACROSS_HOSTS}
                if response.status < 307 and method not in ("GET", "HEAD"):
                    method, body = "GET", None

    def _check_address(self, address: IPAddress, field: str) -> None:
        if not (self._allow_private or is_public(address)):
            raise Invalid(field, f"must not lead to {address}, which is no public address")

    async def addresses(self, host: str, port: int) -> list[str]:
        """For clients that connect by themselves: where a name leads, asked for once and looked at."""
        literal = _literal(host)
        if literal is not None:
            self._check_address(literal, "url")
            return [str(literal)]
        return [result["host"] for result in await _Checked(self).resolve(host, port)]

    async def _resolve(self, host: str, port: int) -> list[ResolveResult]:
        resolver = self._resolver or aiohttp.ThreadedResolver()
        return await resolver.resolve(host, port, family=socket.AF_UNSPEC)

    def _socket(self, info: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, where = info
        self._check_address(ipaddress.ip_address(str(where[0]).partition("%")[0]), "url")
        return socket.socket(family=family, type=kind, proto=protocol)


class _Checked(AbstractResolver):
    """One private address among several is one too many: which of them is tried is left to chance."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._guard._resolve(host, port)
        for result in found:
            self._guard._check_address(ipaddress.ip_address(result["host"].partition("%")[0]), "url")
        return found

    async def close(self) -> None:
        pass


def is_public(address: IPAddress) -> bool:
    if any(address.version == network.version and address in network for network in _CLOSED):
        return False
    if isinstance(address, ipaddress.IPv6Address):
        for network, shift in _CARRIERS:
            if address in network:
                return is_public(ipaddress.IPv4Address((int(address) >> shift) & 0xFFFFFFFF))
    return address.is_global and not (address.is_multicast or address.is_reserved)


def _literal(host: str) -> IPAddress | None:
    """The address that a host is, in any spelling that some program takes for one: `127.1`, `0x7f000001`, `0177.1`."""
    bare = host.rstrip(".").partition("%")[0]
    try:
        return ipaddress.ip_address(bare)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(bare))
    except OSError:
        return None
