"""Tricks with addresses, all of which have opened some server's inner rooms before."""

import ipaddress
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from engine.guard import Guard, is_public
from errors import Invalid


class Names(AbstractResolver):
    """A name server; each question takes the next answer, and the last one stays."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        self.asked.append(host)
        addresses = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if not addresses:
            raise OSError("no such name")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        pass


@asynccontextmanager
async def listening(redirect: str | None = None, status: int = 302) -> AsyncIterator[tuple[int, list[web.Request]]]:
    """Somebody on this machine whom nobody outside should reach."""
    seen: list[web.Request] = []

    async def whatever(request: web.Request) -> web.StreamResponse:
        seen.append(request)
        return web.Response(status=status, headers={"location": redirect}) if redirect else web.Response(text="secret")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", whatever)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1], seen
    finally:
        await runner.cleanup()


PRIVATE = [
    "http://127.0.0.1/",
    "http://127.0.0.1:8000/v1",
    "http://127.1/",
    "http://127.255.255.254/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://0x7F.1/",
    "http://017700000001/",
    "http://0177.0.0.1/",
    "http://127.0.0.1./",
    "http://0/",
    "http://0.0.0.0/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.1.1/",
    "http://3232235777/",
    "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/",
    "http://0xA9FEA9FE/",
    "http://0251.0376.0251.0376/",
    "http://100.64.0.1/",
    "http://100.100.100.200/",
    "http://192.0.0.192/",
    "http://192.0.2.1/",
    "http://198.18.0.1/",
    "http://198.51.100.1/",
    "http://203.0.113.1/",
    "http://224.0.0.1/",
    "http://239.255.255.250/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://[::]/",
    "http://[::1]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::ffff:0:127.0.0.1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[64:ff9b::169.254.169.254]/",
    "http://[64:ff9b:1::a00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[2002:a9fe:a9fe::]/",
    "http://[2001:0:1::1]/",
    "http://[2001:db8::1]/",
    "http://[fe80::1]/",
    "http://[fe80::1%25eth0]/",
    "http://[fc00::1]/",
    "http://[fd00:ec2::254]/",
    "http://[fec0::1]/",
    "http://[ff02::1]/",
    "http://[100::1]/",
]

NO_ADDRESSES = [
    "",
    "api.example.com",
    "//api.example.com",
    "https://",
    "https:///v1",
    "http:api.example.com",
    "ftp://api.example.com/",
    "file:///etc/passwd",
    "gopher://api.example.com/",
    "data:text/plain,x",
    "javascript:alert(1)",
    "unix:///run/docker.sock",
    "http://user@api.example.com/",
    "http://user:password@api.example.com/",
    "http://api.example.com@127.0.0.1/",
    "http://@api.example.com/",
    "http://api.example.com\\@127.0.0.1/",
    "http://api.example.com\t/",
    "http://api.example.com\n/",
    " http://api.example.com/",
    "http://api.example.com/a b",
    "http://\u2460\u2461\u2466.0.0.1/",
    "http://127\u30020\u30020\u30021/",
    "http://api.example.com:99999/",
    "http://api.example.com:port/",
    "http://[::1/",
    "http://[v1.fe]/",
]

PUBLIC = [
    "https://api.openai.com/v1",
    "http://1.1.1.1/",
    "https://8.8.8.8:8443/v1",
    "https://[2606:4700:4700::1111]/",
    "https://[64:ff9b::808:808]/",
    "https://[::ffff:8.8.8.8]/",
    "https://a-host_of.example:1/x?y=%20#z",
]


@pytest.mark.parametrize("url", PRIVATE)
def test_refuses_what_is_private_in_any_spelling(url: str) -> None:
    with pytest.raises(Invalid, match="no public address"):
        Guard().check(url)


@pytest.mark.parametrize("url", NO_ADDRESSES)
def test_refuses_what_is_no_plain_web_address(url: str) -> None:
    with pytest.raises(Invalid):
        Guard(allow_private=True).check(url)


@pytest.mark.parametrize("url", PUBLIC)
def test_lets_public_addresses_pass(url: str) -> None:
    Guard().check(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000/", "http://[::1]/", "http://192.168.1.1/"])
def test_lets_private_addresses_pass_when_told(url: str) -> None:
    Guard(allow_private=True).check(url)


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["10.1.2.3"], ["::1"], ["fe80::1%2"], ["8.8.8.8", "169.254.169.254"]]
)
async def test_refuses_to_keep_a_name_that_leads_inside(addresses: list[str]) -> None:
    with pytest.raises(Invalid, match="baseUrl must not lead to"):
        await Guard(resolver=Names(addresses)).vet("https://inner.example/v1", "baseUrl")


async def test_keeps_a_name_that_leads_nowhere_yet() -> None:
    await Guard(resolver=Names([])).vet("https://soon.example/v1")


@pytest.mark.parametrize("host", ["inner.example", "inner.example.", "localhost", "2130706433.example"])
async def test_a_connection_by_name_is_refused_before_it_is_made(host: str) -> None:
    async with listening() as (port, seen):
        with pytest.raises(Invalid, match="no public address"):
            async with Guard(resolver=Names(["127.0.0.1"])).request("GET", f"http://{host}:{port}/"):
                pass

    assert seen == []


async def test_a_name_that_changes_its_mind_is_caught_at_the_connection() -> None:
    """Public when it was looked at, private when it is used."""
    async with listening() as (port, seen):
        guard = Guard(resolver=Names(["8.8.8.8"], ["127.0.0.1"]))
        await guard.vet(f"http://rebinding.example:{port}/")
        with pytest.raises(Invalid, match="no public address"):
            async with guard.request("GET", f"http://rebinding.example:{port}/"):
                pass

    assert seen == []


@pytest.mark.parametrize("host", ["127.0.0.1", "[::ffff:127.0.0.1]"])
async def test_an_address_that_no_check_has_seen_is_caught_at_the_connection(host: str) -> None:
    async with listening() as (port, seen), aiohttp.ClientSession(connector=Guard().connector()) as session:
        with pytest.raises(Invalid, match="no public address"):
            await session.get(f"http://{host}:{port}/")

    assert seen == []


async def test_the_name_is_asked_for_once_and_its_answer_is_used() -> None:
    async with listening() as (port, seen):
        names = Names(["127.0.0.1"], ["10.0.0.1"])
        async with Guard(allow_private=True, resolver=names).request("GET", f"http://a.example:{port}/x") as response:
            assert await response.text() == "secret"

    assert (names.asked, [str(request.rel_url) for request in seen]) == (["a.example"], ["/x"])


async def test_redirects_are_handed_back_unless_asked_for() -> None:
    async with (
        listening("/elsewhere") as (port, seen),
        Guard(allow_private=True).request("GET", f"http://127.0.0.1:{port}/") as response,
    ):
        assert response.status == 302

    assert len(seen) == 1


class FirstMachineIsPublic(Guard):
    """Takes the one listener for a public one, so that it can send us somewhere else."""

    def __init__(self, port: int) -> None:
        super().__init__(resolver=Names(["127.0.0.1"]))
        self.port = port

    def _check_address(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address, field: str) -> None:
        if not self.port:
            super()._check_address(address, field)
        self.port = max(0, self.port - 1)


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:127.0.0.1]/",
        "//2130706433/",
        "http://inner.example/",
        "file:///etc/passwd",
        "http://user:password@a.example/",
    ],
)
async def test_every_redirect_is_looked_at(location: str) -> None:
    async with listening(location) as (port, seen):
        # Two looks lead to the first answer: at the name's address, and at the socket's.
        guard = FirstMachineIsPublic(2)
        with pytest.raises(Invalid):
            async with guard.request("GET", f"http://a.example:{port}/", redirects=3):
                pass

    assert len(seen) == 1


async def test_what_is_secret_does_not_follow_a_redirect_to_another_host() -> None:
    async with listening() as (there, got):
        location = f"http://b.example:{there}/"
        async with listening(location, status=307) as (here, _):
            guard = Guard(allow_private=True, resolver=Names(["127.0.0.1"]))
            headers = {"Authorization": "Bearer x", "X-Api-Key": "y", "Cookie": "z", "Accept": "text/plain"}
            async with guard.request("GET", f"http://a.example:{here}/", headers=headers, redirects=1) as response:
                assert response.status == 200

    assert {"Authorization", "X-Api-Key", "Cookie"} & set(got[0].headers) == set()
    assert got[0].headers["Accept"] == "text/plain"


async def test_redirects_end() -> None:
    async with (
        listening("/again") as (port, seen),
        Guard(allow_private=True).request("GET", f"http://127.0.0.1:{port}/", redirects=3) as response,
    ):
        assert response.status == 302

    assert len(seen) == 4


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "64:ff9b::808:808"])
def test_public_is_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))
