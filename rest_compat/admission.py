"""Which kinds of keys an API takes where. Told before anything else about a request is."""

from collections.abc import Mapping
from typing import Any  # Principals are opaque here, but for their kind and whether they came with a key.

from errors import Forbidden, Unauthenticated

__all__ = ["admit", "kinds_for"]


def kinds_for(key_kinds: Mapping[str, frozenset[str]], path: str) -> frozenset[str] | None:
    """Those of the longest beginning of the path; nothing when any kind will do."""
    named = [beginning for beginning in key_kinds if path.startswith(beginning)]
    return key_kinds[max(named, key=len)] if named else None


def admit(principal: Any, kinds: frozenset[str]) -> None:
    if principal.kind in kinds:
        return
    if principal.key_id is None:
        raise Unauthenticated
    raise Forbidden(f"A key of kind {principal.kind} may not do this")
