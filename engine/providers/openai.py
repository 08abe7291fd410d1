"""The OpenAI-compatible wire: OpenAI itself, most vendors beside it, every local server."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import aiohttp
import orjson

from engine.chat import ChatRequest
from engine.chunks import Builder
from engine.failures import retry_after
from engine.guard import Guard
from engine.packets import Heard
from engine.providers.openai_answer import Answer, refusal
from engine.wire import request_json
from errors import Invalid, NotConfigured, ProviderFailed, ProviderUnavailable

__all__ = ["OpenAIProvider"]

# How long a finished stream may take to close before its connection is given up instead of being used again.
GOODBYE_SECONDS = 1.0
# How long an answer that is complete may still take to say what it used.
LAST_WORDS_SECONDS = 5.0
LONGEST_BODY_BYTES = 32 * 2**20
# About eighty tokens, which take a millisecond from here to their reader.
_MOUTHFUL_BYTES = 16 * 1024


class OpenAIProvider:
    """One address and its key. The key goes to that address only: no redirect is followed."""

    def __init__(
        self,
        name: str,
        base_url: str,
        key: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        session: aiohttp.ClientSession | None = None,
        connect_seconds: float = 10,
        ready: Callable[[], Awaitable[object]] | None = None,
        guard: Guard | None = None,
    ) -> None:
        """`ready` is awaited before each request; a server that is still starting has something to wait for.

        `guard` looks at every connection when the address is not the operator's own word.
        """
        address = urlsplit(base_url)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise NotConfigured(f"The address {base_url!r} of model provider {name!r} is not a web address")
        key = key.strip()  # as pasted, often with the end of its line
        if not key.isprintable():
            raise NotConfigured(f"The key of model provider {name!r} has characters that no header can carry")
        self.name = name
        self._base_url = base_url.rstrip("/")
        self._key = key
        # A compressed stream comes in lumps, and a compressed answer is not worth its CPU.
        self._headers = {"content-type": "application/json", "accept-encoding": "identity", **(headers or {})}
        if key:
            self._headers["authorization"] = f"Bearer {key}"
        # OpenAI's newer models insist on the new name, which most others have never heard of.
        self._max_tokens_name = "max_completion_tokens" if address.hostname == "api.openai.com" else "max_tokens"
        self._timeout = aiohttp.ClientTimeout(total=None, connect=connect_seconds)
        self._ready = ready
        self._guard = guard
        self._session = session
        self._owns_session = session is None
        self._parting: set[aiohttp.ClientResponse] = set()

    async def listen(self, request: ChatRequest, *, stream: bool) -> AsyncGenerator[list[Heard], None]:
        answer = Answer(self.name, self._key)
        async with self._response("POST", "/chat/completions", self._body(request, stream=stream)) as response:
            is_streamed = _is_streamed(response, wanted=stream)
            # Who gets the one for the other is given what was asked for.
            builder = Builder(request.model, stream=stream) if is_streamed is not stream else None
            if not is_streamed:
                heard = answer.whole(await self._read(response))
                yield heard if builder is None else builder.rebuilt(heard)
                return
            try:
                async for chunk in response.content.iter_any():
                    for mouthful in _mouthfuls(chunk):
                        if heard := answer.feed(mouthful):
                            yield heard if builder is None else builder.rebuilt(heard)
                        if mouthful is not chunk:
                            # Others have their turn while an answer floods in.
                            await asyncio.sleep(0)
                    if answer.awaits_last_words or answer.is_over:
                        break
                while not answer.is_over and (chunk := await _last_words(response)):
                    if heard := answer.feed(chunk):
                        yield heard if builder is None else builder.rebuilt(heard)
            except aiohttp.ClientPayloadError:
                if not answer.is_complete:  # else only the goodbye was lost
                    raise
            heard = answer.end()
            yield heard if builder is None else builder.rebuilt(heard)

    async def models(self) -> list[str]:
        async with self._response("GET", "/models") as response:
            body = await self._read(response)
        try:
            return [row["id"] for row in orjson.loads(body)["data"]]
        except (LookupError, TypeError, ValueError) as exc:
            raise ProviderFailed(self.name, "sent something that is not a list of models") from exc

    async def close(self) -> None:
        for response in tuple(self._parting):
            self._part_from(response)
        if self._session is not None and self._owns_session:
            await self._session.close()

    @asynccontextmanager
    async def _response(
        self, method: str, path: str, body: bytes | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A successful response, closed with its connection unless it was read to the end."""
        try:
            if self._ready is not None:
                await self._ready()
            response = await self._client().request(
                method,
                self._base_url + path,
                data=body,
                headers=self._headers,
                timeout=self._timeout,
                allow_redirects=False,
            )
            try:
                if not 200 <= response.status < 300:
                    raise await self._refusal(response)
                yield response
            except BaseException:
                response.close()
                raise
            if not response.closed:
                # All that matters is read. The end of the body is on its way; then the connection is used again.
                self._parting.add(response)
                asyncio.get_running_loop().call_later(GOODBYE_SECONDS, self._part_from, response)
        except Invalid as exc:
            raise ProviderFailed(self.name, f"its address {exc.problem}") from exc
        except TimeoutError as exc:
            raise ProviderUnavailable(self.name, "could not be reached in time") from exc
        except aiohttp.ClientConnectorError as exc:
            raise ProviderUnavailable(self.name, f"could not be reached at {exc.host}:{exc.port}") from exc
        except (aiohttp.ClientError, OSError) as exc:
            raise ProviderUnavailable(self.name, "lost the connection before the answer was complete") from exc

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > LONGEST_BODY_BYTES:
                raise ProviderFailed(self.name, f"sent more than {LONGEST_BODY_BYTES} bytes")
        return bytes(body)

    def _part_from(self, response: aiohttp.ClientResponse) -> None:
        self._parting.discard(response)
        response.close()

    def _client(self) -> aiohttp.ClientSession:
        # Made at the first use because it belongs to the running loop.
        if self._session is None:
            connector = self._guard.connector() if self._guard else aiohttp.TCPConnector(limit=0)
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self._session

    async def _refusal(self, response: aiohttp.ClientResponse) -> ProviderFailed:
        if 300 <= response.status < 400:
            return ProviderFailed(self.name, f"redirects elsewhere ({response.status}), where its key must not go")
        body = await self._read(response)
        try:
            said = orjson.loads(body)
        except orjson.JSONDecodeError:
            # A proxy's HTML page says less than its status.
            is_text = response.content_type == "text/plain"
            said = body.decode(errors="replace") if is_text else ""
        if isinstance(said, list) and said:
            said = said[0]
        error = said.get("error", said) if isinstance(said, dict) else said
        return refusal(
            self.name,
            error or f"answered with status {response.status}",
            status=response.status,
            retry_after_seconds=retry_after(response.headers),
            secret=self._key,
        )

    def _body(self, request: ChatRequest, *, stream: bool) -> bytes:
        body = request_json(request, max_tokens_name=self._max_tokens_name)
        options = body.pop("stream_options", None) or {}
        if stream:
            body["stream_options"] = {**options, "include_usage": True}
        try:
            return orjson.dumps({**body, "stream": stream})
        except orjson.JSONEncodeError as exc:
            # What was read may be nested deeper than what can be written.
            raise Invalid("request", "is nested too deeply") from exc


async def _last_words(response: aiohttp.ClientResponse) -> bytes:
    """Nothing when none come: some servers forget to say them, and to hang up."""
    try:
        async with asyncio.timeout(LAST_WORDS_SECONDS):
            return await response.content.readany()
    except TimeoutError:
        return b""


def _mouthfuls(chunk: bytes) -> Sequence[bytes]:
    if len(chunk) <= _MOUTHFUL_BYTES:
        return (chunk,)
    return [chunk[start : start + _MOUTHFUL_BYTES] for start in range(0, len(chunk), _MOUTHFUL_BYTES)]


def _is_streamed(response: aiohttp.ClientResponse, *, wanted: bool) -> bool:
    """Some servers stream whatever was asked, some never do, and some call a stream plain text."""
    if response.content_type == "text/event-stream":
        return True
    return wanted and response.content_type not in ("application/json", "text/html")
