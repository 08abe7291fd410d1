"""One request on its way through: what it came with, and the bytes that go back."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from execution.encoding import encode
from rest_compat.audience import Audience
from rest_compat.compiler import Endpoint
from rest_compat.dialect import Dialect, Failure
from rest_compat.errors import WrongMethod

__all__ = ["Exchange", "raw_headers"]

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]+")

RawHeaders = list[tuple[bytes, bytes]]


def raw_headers(headers: Mapping[str, str]) -> RawHeaders:
    return [(name.lower().encode("latin-1"), _printable(value)) for name, value in headers.items()]


def _printable(value: str) -> bytes:
    """A header holds no line end and nothing else that is not printed, whatever a resolver put into it."""
    return _UNPRINTABLE.sub(" ", value).encode("latin-1", "replace")


@dataclass(slots=True)
class Exchange:
    scope: Scope
    receive: Receive
    send: Send
    dialect: Dialect
    path: str
    audience: Audience
    parameters: Mapping[str, str] = field(default_factory=dict)
    endpoint: Endpoint | None = None
    started: bool = False
    connection: HTTPConnection = field(init=False)

    def __post_init__(self) -> None:
        self.connection = HTTPConnection(self.scope)

    @property
    def operation(self) -> str | None:
        return self.endpoint.name if self.endpoint else None

    @property
    def headless(self) -> bool:
        """The answer to a HEAD has headers only."""
        return bool(self.scope["method"] == "HEAD")

    async def start(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self.started = True
        await self.send({"type": "http.response.start", "status": status, "headers": list(headers)})

    async def write(self, chunk: bytes, *, more: bool = True) -> None:
        await self.send({"type": "http.response.body", "body": chunk, "more_body": more})

    async def reply(self, status: int, body: bytes, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        length = (b"content-length", str(len(body)).encode())
        # A 204 has no length, not even zero.
        await self.start(status, headers if status in (204, 304) else (*headers, length))
        await self.write(b"" if self.headless else body, more=False)

    async def refuse(self, failure: Failure) -> None:
        refusal = self.dialect.refuse(failure)
        headers = dict(self.dialect.headers) | dict(refusal.headers)
        headers.setdefault("content-type", self.dialect.json_media_type)
        if isinstance(failure.error, WrongMethod):
            headers["allow"] = ", ".join(failure.error.allowed)
        retry = failure.facts.get("retryAfterSeconds")
        if isinstance(retry, int | float):
            headers.setdefault("retry-after", str(max(1, round(retry))))
        await self.reply(refusal.status, encode(refusal.body), raw_headers(headers))
