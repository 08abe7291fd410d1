"""Secrets at rest: sealed with a key of the operator's, and bound to the one place where they may be used."""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from functools import cached_property

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from errors import NotConfigured

__all__ = ["Secrets"]


class Secrets:
    """`read_keys` gives the keys when they are first needed. The first of them seals, each of them opens."""

    def __init__(self, read_keys: Callable[[], Sequence[str]]) -> None:
        self._read_keys = read_keys

    def seal(self, secret: str, *place: object) -> str:
        return self._box.encrypt(_mark(place) + secret.encode()).decode()

    def open(self, sealed: str, *place: object) -> str:
        """Only for the place it was sealed for: copied into another row, it is worth nothing."""
        try:
            content = self._box.decrypt(sealed.encode())
        except InvalidToken as exc:
            raise NotConfigured("A stored credential cannot be opened: PALAVER_SECRET_KEYS lacks its key") from exc
        mark = _mark(place)
        if not hmac.compare_digest(content[: len(mark)], mark):
            raise NotConfigured("A stored credential was saved for another place, and is not used here")
        return content[len(mark) :].decode()

    @cached_property
    def _box(self) -> MultiFernet:
        return MultiFernet([Fernet(key) for key in self._read_keys()])


def _mark(place: tuple[object, ...]) -> bytes:
    # Each part with its length, so that no two places are spelled alike.
    return hashlib.sha256(b"".join(f"{len(str(part))}:{part}".encode() for part in place)).digest()
