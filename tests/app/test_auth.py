"""Who a request is, by what it carries and where it comes from."""

from uuid import uuid4

import pytest
from starlette.requests import HTTPConnection

import models
from app.auth import Authenticator
from domain import keys
from domain.identity import KeyKind, PrincipalKind
from domain.keys import Keys
from errors import Unauthenticated


def connection(headers: dict[str, str] | None = None, *, client: str = "127.0.0.1", query: str = "") -> HTTPConnection:
    named = {"host": "127.0.0.1:8000"} | (headers or {})
    return HTTPConnection(
        {
            "type": "http",
            "method": "GET",
            "path": "/",
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in named.items()],
            "client": (client, 50000),
            "server": ("127.0.0.1", 8000),
            "scheme": "http",
        }
    )


def local(*, trusts_this_machine: bool = True) -> Authenticator:
    return Authenticator(uuid4(), Keys(), trusts_this_machine=trusts_this_machine)


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        (connection(), PrincipalKind.LOCAL),
        (connection({"host": "localhost:8000"}), PrincipalKind.LOCAL),
        (connection({"host": "[::1]:8000"}, client="::1"), PrincipalKind.LOCAL),
        (connection({"origin": "http://localhost:5173"}), PrincipalKind.LOCAL),
        (connection(client="192.0.2.7"), PrincipalKind.ANONYMOUS),
        # A page of a stranger in a browser on this machine.
        (connection({"origin": "https://evil.example"}), PrincipalKind.ANONYMOUS),
        (connection({"origin": "null"}), PrincipalKind.ANONYMOUS),
        # Its links and pictures, which name no origin.
        (connection({"sec-fetch-site": "cross-site"}), PrincipalKind.ANONYMOUS),
        (connection({"referer": "https://evil.example/page"}), PrincipalKind.ANONYMOUS),
        (connection({"sec-fetch-site": "none"}), PrincipalKind.LOCAL),
        (connection({"sec-fetch-site": "cross-site", "origin": "http://localhost:5173"}), PrincipalKind.LOCAL),
        # The same, after it had its own name lead to this machine.
        (connection({"host": "evil.example:8000"}), PrincipalKind.ANONYMOUS),
        (connection({"host": "127.0.0.1.evil.example"}), PrincipalKind.ANONYMOUS),
    ],
)
async def test_trusts_this_machine_only(asked: HTTPConnection, kind: PrincipalKind) -> None:
    assert (await local()(asked, None)).kind is kind


async def test_production_trusts_nobody() -> None:
    authenticate = local(trusts_this_machine=False)

    assert (await authenticate(connection(), None)).kind is PrincipalKind.ANONYMOUS


async def test_finds_the_key_wherever_it_is(workspace: models.Workspace) -> None:
    _, secret = await keys.create(workspace.id, KeyKind.SK)
    authenticate = Authenticator(workspace.id, Keys(), trusts_this_machine=True)

    carried = [
        (connection({"authorization": f"Bearer {secret}"}), None),
        (connection({"authorization": f"bearer  {secret}"}), None),
        (connection({"x-api-key": secret}), None),
        (connection({"cookie": f"a=b; palaver_key={secret}"}), None),
        (connection(query=f"api-key={secret}"), None),
        (connection(), secret),
    ]

    assert [(await authenticate(asked, key)).kind for asked, key in carried] == [PrincipalKind.SK] * 6


async def test_a_cookie_does_not_open_what_a_strangers_page_links_to(workspace: models.Workspace) -> None:
    _, secret = await keys.create(workspace.id, KeyKind.SK)
    authenticate = Authenticator(workspace.id, Keys(), trusts_this_machine=False)
    linked = connection({"cookie": f"palaver_key={secret}", "sec-fetch-site": "cross-site"})

    assert (await authenticate(linked, None)).kind is PrincipalKind.ANONYMOUS


async def test_a_wrong_key_is_refused_even_here(workspace: models.Workspace) -> None:
    authenticate = Authenticator(workspace.id, Keys(), trusts_this_machine=True)

    with pytest.raises(Unauthenticated):
        await authenticate(connection({"authorization": "Bearer sk-nothing"}), None)
