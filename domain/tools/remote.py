"""Texts at somebody's address that belong to what a model is told.

A source that fails is forgiven for an hour when it was heard before: instructions change rarely, and an answer from
those of a while ago is worth more than none. Without such a copy the answer fails and names the source.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import orjson

from domain.calling import Caller
from domain.gateways.parameters import RemoteSource
from domain.tools.cache import Cache
from domain.tools.calling import CallFailed, call
from domain.tools.nonce import Nonces
from domain.tools.together import together
from engine.guard import Guard
from errors import SourceFailed

__all__ = ["RemoteText", "RemoteTexts", "key_of"]

_MOST_BYTES = 10_000_000
_CACHE_BYTES = 64_000_000
_SECONDS = 20.0
_FORGIVEN_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class RemoteText:
    name: str
    description: str | None
    text: str


class RemoteTexts:
    def __init__(self, guard: Guard, nonces: Nonces) -> None:
        self._guard, self._nonces = guard, nonces
        self._texts: Cache[str] = Cache(lambda text: len(text.encode()), most_bytes=_CACHE_BYTES)

    async def of(self, caller: Caller, sources: Sequence[RemoteSource]) -> list[RemoteText]:
        """All at once, in the order they are set."""
        workspace_id = caller.principal.workspace_id
        texts = await together(self._text(workspace_id, source) for source in sources)
        return [RemoteText(source.name, source.description, text) for source, text in zip(sources, texts, strict=True)]

    async def _text(self, workspace_id: UUID, source: RemoteSource) -> str:
        fetch = partial(self._fetch, workspace_id, source)
        return await self._texts.get(
            key_of(workspace_id, source), source.cache_duration, fetch, forgiven_seconds=_FORGIVEN_SECONDS
        )

    async def _fetch(self, workspace_id: UUID, source: RemoteSource) -> str:
        named = f"The instruction source {source.name!r}"
        try:
            answer = await call(
                self._guard,
                "GET",
                source.url,
                headers=await self._nonces.headers(workspace_id),
                secret_headers=source.headers,
                most_bytes=_MOST_BYTES,
                seconds=_SECONDS,
                redirects=3,
            )
        except CallFailed as exc:
            raise SourceFailed(named, exc.reason) from exc
        if not answer.is_fine:
            raise SourceFailed(named, f"answered with status {answer.status}")
        return answer.text


def key_of(workspace_id: UUID, source: RemoteSource) -> tuple[UUID, bytes]:
    """Of one workspace, one address and one set of headers, which often say who is asking."""
    asked = orjson.dumps([source.url, sorted(source.headers.items())])
    return workspace_id, hashlib.sha256(asked).digest()
