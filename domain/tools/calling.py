"""Calls to addresses that users gave: through the guard, bounded in time and size, and never followed by surprise."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any  # What is told about a caller is open JSON.

import aiohttp

from domain.calling import Caller
from engine.guard import Guard
from errors import Invalid

__all__ = ["Answer", "CallFailed", "call", "context_of", "moment", "without_ours"]

# They say how a message is framed, or for whom it is: that is for us to say.
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer"})


_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_MALFORMED = "cannot be called: its address or one of its headers is malformed"


class CallFailed(Exception):
    """The reason completes a sentence about whoever was called. It names no address: that may have secrets in it."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    media_type: str
    charset: str
    content: bytes
    headers: Mapping[str, str]

    @property
    def is_fine(self) -> bool:
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        return self.content.decode(self.charset, "replace")


async def call(
    guard: Guard,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    secret_headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    most_bytes: int = 1_000_000,
    seconds: float = 30,
    redirects: int = 0,
) -> Answer:
    """`headers` are ours and win over the `secret_headers` that somebody set."""
    if not all(map(_HEADER_NAME.fullmatch, secret_headers or {})):
        raise CallFailed(_MALFORMED)
    sent = without_ours(secret_headers or {}) | {name.lower(): value for name, value in (headers or {}).items()}
    try:
        async with guard.request(
            method, url, headers=sent, body=body, redirects=redirects, timeout_seconds=seconds
        ) as response:
            return Answer(
                response.status,
                response.content_type,
                _charset(response),
                await _read(response, most_bytes),
                response.headers,
            )
    except Invalid as exc:
        raise CallFailed(f"cannot be called: its address {exc.problem}") from exc
    except TimeoutError as exc:
        raise CallFailed(f"did not answer within {seconds:g} seconds") from exc
    except (aiohttp.ClientError, OSError) as exc:
        raise CallFailed("could not be reached") from exc
    except ValueError as exc:  # A header or an address that cannot be written.
        raise CallFailed(_MALFORMED) from exc


async def _read(response: aiohttp.ClientResponse, most_bytes: int) -> bytes:
    content = bytearray()
    async for piece in response.content.iter_chunked(65_536):
        content += piece
        if len(content) > most_bytes:
            raise CallFailed(f"answered with more than {most_bytes:,} bytes")
    return bytes(content)


def _charset(response: aiohttp.ClientResponse) -> str:
    charset = response.charset or "utf-8"
    try:
        "".encode(charset)
    except (LookupError, ValueError):
        return "utf-8"
    return charset


def without_ours(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items() if name.lower() not in _OURS}


def moment() -> str:
    """Now, as the contract writes it: in UTC, without saying so."""
    return datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")


def context_of(caller: Caller) -> dict[str, Any]:
    """For whom a function is called."""
    return {
        "externalUserId": caller.external_user,
        "metadata": dict(caller.metadata),
        "callSource": caller.source.value,
        "conversationToken": caller.conversation_token,
        "moment": moment(),
    }
