"""Where AIVAX's clients put their key."""

from base64 import b64encode

import pytest
from starlette.requests import HTTPConnection

from rest_compat.dialects.aivax import key_of


def basic(text: str) -> str:
    return f"Basic {b64encode(text.encode()).decode()}"


@pytest.mark.parametrize(
    ("authorization", "query", "key"),
    [
        ("Bearer sk-one", "", "sk-one"),
        ("bearer   sk-one ", "", "sk-one"),
        ("sk-one", "", "sk-one"),
        (basic("anybody:sk-one"), "", "sk-one"),
        (basic(":sk-one"), "", "sk-one"),
        ("", "api-key=sk-two", "sk-two"),
        ("Bearer sk-one", "api-key=sk-two", "sk-one"),
        # Somebody meant to show a key: it is refused, not passed over.
        ("Basic nonsense", "", "nonsense"),
        ("Basic ÿÿ", "", "ÿÿ"),
        ("Bearer", "", "Bearer"),
        ("", "", None),
    ],
)
def test_finds_the_key(authorization: str, query: str, key: str | None) -> None:
    headers = [(b"authorization", authorization.encode("latin-1"))] if authorization else []
    connection = HTTPConnection({"type": "http", "headers": headers, "query_string": query.encode()})

    assert key_of(connection) == key
