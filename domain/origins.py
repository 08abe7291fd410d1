"""Which web pages may use a key that is bound to domains."""

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from errors import Invalid

__all__ = ["check_entry", "is_allowed"]

_PORTS = {"http": 80, "https": 443}
# A name or an address; in brackets an IPv6 one, which arrives here without them.
_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*|[0-9a-f:.]+")


def is_allowed(origin: str | None, entries: Sequence[str]) -> bool:
    """Compares parsed hosts for equality, never text by its ending: `evil-example.com` is not `example.com`."""
    found = _parse(origin or "")
    return found is not None and any(_matches(found, entry) for entry in entries)


def check_entry(entry: str) -> str:
    """An allowed domain as it will be kept: `example.com`, `*.example.com`, `localhost:3000`, an origin, or `*`."""
    text = entry.strip().lower()
    if text == "*":
        return text
    rest = text.removeprefix("*.")
    if _parse(rest if "://" in rest else f"//{rest}") is None or ("://" in text and text.startswith("*.")):
        raise Invalid("domain", f"{entry!r} is neither a host, a *.host, a host:port nor an origin")
    return text


def _parse(text: str) -> tuple[str, str, int | None] | None:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
        if not host or parts.username or parts.path not in ("", "/") or parts.query or parts.fragment:
            return None
        host = host.rstrip(".").encode("idna").decode() if not host.isascii() else host.rstrip(".")
        if not _HOST.fullmatch(host):
            return None
    except ValueError:  # A port that is no number, a host that is no name.
        return None
    return parts.scheme, host, port or _PORTS.get(parts.scheme)


def _matches(origin: tuple[str, str, int | None], entry: str) -> bool:
    scheme, host, port = origin
    if entry == "*":
        return True
    if entry.startswith("*."):
        return host.endswith(entry[1:]) and host != entry[2:]
    wanted = _parse(entry if "://" in entry else f"//{entry}")
    if wanted is None:
        return False
    wanted_scheme, wanted_host, wanted_port = wanted
    if wanted_host != host:
        return False
    if wanted_scheme:
        return (wanted_scheme, wanted_port) == (scheme, port)
    return wanted_port is None or wanted_port == port
