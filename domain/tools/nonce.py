"""How whoever we call knows that it is us: a fresh bcrypt hash of the account's salt, which only they and we have."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID

import bcrypt

__all__ = ["HEADER", "Nonces", "Salts"]

Salts = Callable[[UUID], Awaitable[str | None]]

HEADER = "X-Request-Nonce"

# The least that bcrypt allows: a salt is long and random, nobody guesses it, and this is paid with each call.
_COST = 4
# Standard bcrypt reads no more than this.
_MOST_BYTES = 72


class Nonces:
    def __init__(self, salts: Salts) -> None:
        self._salts = salts

    async def headers(self, workspace_id: UUID) -> Mapping[str, str]:
        nonce = await self.fresh(workspace_id)
        return {} if nonce is None else {HEADER: nonce}

    async def fresh(self, workspace_id: UUID) -> str | None:
        """None when the account has no salt: then there is nothing to prove ourselves by."""
        salt = await self._salts(workspace_id)
        # A millisecond, and bcrypt lets go of the interpreter meanwhile.
        return None if not salt else await asyncio.to_thread(_hash, salt)


def _hash(salt: str) -> str:
    return bcrypt.hashpw(salt.encode()[:_MOST_BYTES], bcrypt.gensalt(_COST)).decode()
