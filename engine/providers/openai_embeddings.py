"""Embeddings over the OpenAI-compatible wire: OpenAI, Voyage, and every server that imitates them."""

import asyncio
import random
from base64 import b64decode
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp
import numpy as np
import orjson

from engine.embeddings import Purpose, Vectors
from engine.failures import retry_after
from engine.patience import Patience
from engine.providers.openai_answer import refusal
from errors import ContextTooLong, NotConfigured, ProviderFailed, ProviderUnavailable

__all__ = ["OpenAIEmbedder", "Portions"]

_LONGEST_REFUSAL_BYTES = 64 * 1024
_OPENAI, _VOYAGE = "api.openai.com", "api.voyageai.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class Portions:
    """How much is sent at once. Vendors take between 32 and 2,048 texts, and as little as 120,000 tokens, in a call."""

    texts: int = 128
    characters: int = 200_000
    calls_at_once: int = 4


class OpenAIEmbedder:
    """One model at one address. The key goes to that address only: no redirect is followed."""

    def __init__(
        self,
        provider: str,
        base_url: str,
        key: str,
        model: str,
        *,
        dimension: int | None = None,
        portions: Portions | None = None,
        patience: Patience | None = None,
        connect_seconds: float = 10,
        answer_seconds: float = 60,
        uniform: Callable[[float, float], float] = random.uniform,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """With a `dimension` the vendor is asked for vectors of that length; without, for one vector to learn it."""
        address = urlsplit(base_url)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise NotConfigured(f"The address {base_url!r} of embedding provider {provider!r} is not a web address")
        self.provider, self.model = provider, model
        # Servers give any name to any model: equal names at different hosts promise nothing.
        self.name = f"{model}@{address.hostname}" + (f":{dimension}" if dimension else "")
        self._host = address.hostname
        self._address = base_url.rstrip("/") + "/embeddings"
        self._key = key
        self._headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {})
        self._asked_dimension = self._dimension = dimension
        self._portions = portions or Portions()
        self._patience = patience or Patience()
        self._timeout = aiohttp.ClientTimeout(total=answer_seconds, connect=connect_seconds)
        self._uniform, self._sleep = uniform, sleep
        self._turn = asyncio.Semaphore(self._portions.calls_at_once)
        self._learning = asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None

    async def dimension(self) -> int:
        async with self._learning:
            if self._dimension is None:
                self._dimension = (await self._portion(["dimension"], Purpose.QUERY)).shape[1]
            return self._dimension

    async def embed(self, texts: Sequence[str], purpose: Purpose = Purpose.DOCUMENT) -> Vectors:
        # Vendors refuse a whole call for one empty text.
        rows = [row for row, text in enumerate(texts) if text.strip()]
        dimension = await self.dimension()
        vectors = np.zeros((len(texts), dimension), np.float32)
        failure: BaseException | None = None
        try:
            async with asyncio.TaskGroup() as group:
                for portion in _portioned(rows, texts, self._portions):
                    group.create_task(self._fill(vectors, portion, texts, purpose))
        except* ProviderFailed as failures:
            failure = failures.exceptions[0]  # the first, which ended the others
        if failure is not None:
            raise failure
        return vectors

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _fill(self, vectors: Vectors, rows: list[int], texts: Sequence[str], purpose: Purpose) -> None:
        async with self._turn:
            found = await self._portion([texts[row] for row in rows], purpose)
        if found.shape[1] != vectors.shape[1]:
            raise ProviderFailed(
                self.provider, f"sent vectors of {found.shape[1]} numbers where {vectors.shape[1]} were expected"
            )
        vectors[rows] = found

    async def _portion(self, texts: Sequence[str], purpose: Purpose) -> Vectors:
        """Asked for in halves when it is too much at once, since nobody tells beforehand how much that is."""
        try:
            return await self._patiently(texts, purpose)
        except ContextTooLong:
            if len(texts) == 1:
                raise
        middle = len(texts) // 2
        halves = [await self._portion(half, purpose) for half in (texts[:middle], texts[middle:])]
        return np.concatenate(halves)

    async def _patiently(self, texts: Sequence[str], purpose: Purpose) -> Vectors:
        body, tried = self._body(texts, purpose), 0
        while True:
            tried += 1
            try:
                return _vectors(self.provider, await self._answer(body), len(texts))
            except ProviderFailed as failure:
                pause = self._patience.pause_after(failure, tried, self._uniform)
                if pause is None:
                    raise
            await self._sleep(pause)

    def _body(self, texts: Sequence[str], purpose: Purpose) -> bytes:
        body: dict[str, object] = {"model": self.model, "input": list(texts)}
        if self._host == _VOYAGE:
            body["input_type"] = purpose.value
        if self._host in (_OPENAI, _VOYAGE):
            # A third of the bytes and a tenth of the parsing; others may never have heard of it.
            body["encoding_format"] = "base64"
        if self._asked_dimension is not None:
            body["output_dimension" if self._host == _VOYAGE else "dimensions"] = self._asked_dimension
        return orjson.dumps(body)

    async def _answer(self, body: bytes) -> bytes:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0)
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        try:
            async with self._session.post(
                self._address, data=body, headers=self._headers, timeout=self._timeout, allow_redirects=False
            ) as response:
                if response.status != 200:
                    raise await self._refusal(response)
                return await response.read()
        except TimeoutError as exc:
            raise ProviderUnavailable(self.provider, "did not answer in time") from exc
        except aiohttp.ClientConnectorError as exc:
            raise ProviderUnavailable(self.provider, f"could not be reached at {exc.host}:{exc.port}") from exc
        except (aiohttp.ClientError, OSError) as exc:
            raise ProviderUnavailable(self.provider, "lost the connection before the answer was complete") from exc

    async def _refusal(self, response: aiohttp.ClientResponse) -> ProviderFailed:
        status = response.status
        if 300 <= status < 400:
            return ProviderFailed(self.provider, f"redirects elsewhere ({status}), where its key must not go")
        body = await response.content.read(_LONGEST_REFUSAL_BYTES)
        if status == 413:
            return ContextTooLong(self.provider, "takes fewer texts at once")
        try:
            said = orjson.loads(body)
        except orjson.JSONDecodeError:
            said = None
        # OpenAI has an `error`, Voyage a `detail`, others either a text or an object of their own.
        error = (said.get("error") or said.get("detail") or said) if isinstance(said, dict) else said
        error = error or f"answered with status {status}"
        if _asks_for_less(status, str(error)):
            return ContextTooLong(self.provider, "takes fewer texts at once")
        pause = retry_after(response.headers)
        return refusal(self.provider, error, status=status, retry_after_seconds=pause, secret=self._key)


def _asks_for_less(status: int, said: str) -> bool:
    return status in (400, 422) and any(
        words in said.lower()
        for words in ("batch size", "too many inputs", "max allowed tokens", "maximum request size")
    )


def _portioned(rows: Sequence[int], texts: Sequence[str], portions: Portions) -> Iterator[list[int]]:
    portion: list[int] = []
    characters = 0
    for row in rows:
        characters += len(texts[row])
        if portion and (len(portion) == portions.texts or characters > portions.characters):
            yield portion
            portion, characters = [], len(texts[row])
        portion.append(row)
    if portion:
        yield portion


def _vectors(provider: str, answer: bytes, count: int) -> Vectors:
    try:
        rows = orjson.loads(answer)["data"]
        in_order = sorted(rows, key=lambda row: row["index"]) if all("index" in row for row in rows) else rows
        vectors = np.array([_numbers(row["embedding"]) for row in in_order], np.float32)
    except (LookupError, TypeError, ValueError) as exc:
        raise ProviderFailed(provider, "sent something that is not a list of embeddings") from exc
    if vectors.ndim != 2 or len(vectors) != count or not vectors.shape[1]:
        raise ProviderFailed(provider, f"sent {len(vectors)} embeddings for {count} texts")
    if not np.isfinite(vectors).all():
        raise ProviderFailed(provider, "sent an embedding with a number that is none")
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(np.divide(vectors, lengths, out=vectors, where=lengths > 0))


def _numbers(embedding: str | list[float]) -> Sequence[float] | Vectors:
    if isinstance(embedding, str):
        return np.frombuffer(b64decode(embedding, validate=True), "<f4")
    return embedding
