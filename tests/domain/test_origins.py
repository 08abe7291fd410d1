import pytest

from domain.origins import check_entry, is_allowed
from errors import Invalid


@pytest.mark.parametrize(
    ("origin", "entry", "allowed"),
    [
        ("https://example.com", "example.com", True),
        ("http://example.com:8080", "example.com", True),
        ("https://EXAMPLE.com", "example.com", True),
        ("https://www.example.com", "example.com", False),
        ("https://evil-example.com", "example.com", False),
        ("https://example.com.evil.org", "example.com", False),
        ("https://a.b.example.com", "*.example.com", True),
        ("https://example.com", "*.example.com", False),
        ("https://evilexample.com", "*.example.com", False),
        ("http://localhost:3000", "localhost:3000", True),
        ("http://localhost:3001", "localhost:3000", False),
        ("https://example.com", "https://example.com", True),
        ("https://example.com:443", "https://example.com", True),
        ("http://example.com", "https://example.com", False),
        ("https://bücher.example", "xn--bcher-kva.example", True),
        ("https://anything.org", "*", True),
        ("null", "*", False),
        ("", "*", False),
        ("https://user@example.com", "example.com", False),
        ("https://example.com:99999", "example.com", False),
    ],
)
def test_compares_whole_hosts(origin: str, entry: str, allowed: bool) -> None:
    assert is_allowed(origin, [entry]) is allowed


def test_an_empty_list_allows_nobody() -> None:
    assert not is_allowed("https://example.com", [])


@pytest.mark.parametrize("entry", ["", "https://", "*.https://x", "a b", "example.com/path", "http://[::1", "*."])
def test_refuses_what_is_no_domain(entry: str) -> None:
    with pytest.raises(Invalid):
        check_entry(entry)
