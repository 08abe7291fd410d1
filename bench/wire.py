"""A bare upstream and a bare client: as little between a socket and its bytes as Python allows.

What is measured beside them shares their two cores, so they must cost next to nothing.
"""

import asyncio
import contextlib
import re
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast
from urllib.parse import urlsplit

import uvloop

__all__ = ["Caller", "bare_upstream"]

_TOKENS = re.compile(rb'"max_tokens":\s*(\d+)')
_GAP = re.compile(rb'"seed":\s*(\d+)')
_LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)

_PLAIN = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"bench","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"Sixteen tokens of an answer that says nothing at all, in one piece."},'
    b'"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":16,"total_tokens":25}}'
)
_CHUNK = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"bench",'
    b'"system_fingerprint":"fp_1","choices":[{"index":0,"delta":%s,"logprobs":null,"finish_reason":%s}],"usage":null}\n\n'
)
_TOKEN = _CHUNK % (b'{"content":" token"}', b"null")
_LAST = (
    _CHUNK
    % (b"{}", b'"stop"')
    + b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"bench","choices":[],'
    b'"usage":{"prompt_tokens":9,"completion_tokens":16,"total_tokens":25}}\n\ndata: [DONE]\n\n'
)
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\n%s\r\n"
_EVENTS = _HEAD % (b"text/event-stream", b"transfer-encoding: chunked\r\n")
_WHOLE = _HEAD % (b"application/json", b"content-length: %d\r\n" % len(_PLAIN)) + _PLAIN


def _piece(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(content), content)


class _Upstream(asyncio.Protocol):
    """`max_tokens` tokens, `seed` milliseconds apart."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's are none by inheritance.
        self._transport, self._read = cast(asyncio.Transport, transport), b""

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, found, body = self._read.partition(b"\r\n\r\n")
        if not found or ((length := _LENGTH.search(head)) and len(body) < int(length[1])):
            return
        self._read = b""
        if b'"stream":true' not in body:
            self._transport.write(_WHOLE)
            return
        tokens, gap = _TOKENS.search(body), _GAP.search(body)
        self._transport.write(_EVENTS + _piece(_CHUNK % (b'{"role":"assistant","content":""}', b"null")))
        self._speak(int(tokens[1]) if tokens else 16, int(gap[1]) / 1000 if gap else 0)

    def _speak(self, left: int, gap: float) -> None:
        if self._transport.is_closing():
            return
        if gap == 0:
            self._transport.writelines([_piece(_TOKEN)] * left)
            left = 0
        if left == 0:
            self._transport.write(_piece(_LAST) + b"0\r\n\r\n")
            return
        self._transport.write(_piece(_TOKEN))
        asyncio.get_running_loop().call_later(gap, self._speak, left - 1, gap)


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Upstream, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@asynccontextmanager
async def bare_upstream() -> AsyncIterator[str]:
    child = await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.wire", stdout=asyncio.subprocess.PIPE)
    assert child.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(await child.stdout.readline())}/v1"
    finally:
        child.terminate()
        await child.wait()


class Caller(asyncio.Protocol):
    """One kept connection that asks one thing after the other."""

    def __init__(self) -> None:
        self._head = self._body = b""
        self._answered: asyncio.Future[bytes] | None = None
        self.arrivals: list[float] = []
        self.notes_arrivals = False

    @classmethod
    async def connected(cls, url: str) -> "Caller":
        address = urlsplit(url)
        _, caller = await asyncio.get_running_loop().create_connection(cls, address.hostname or "", address.port or 80)
        return caller

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(exc or ConnectionResetError("closed in the middle"))

    async def post(self, path: str, body: bytes, headers: str = "") -> bytes:
        """The answer as it came, head and all."""
        self._body = b""
        self._answered = asyncio.get_running_loop().create_future()
        head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n{headers}"
        self._transport.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        return await self._answered

    def data_received(self, data: bytes) -> None:
        self._body += data
        if self.notes_arrivals:
            self.arrivals.append(time.perf_counter())
        head, found, body = self._body.partition(b"\r\n\r\n")
        if not found:
            return
        length = _LENGTH.search(head)
        is_whole = len(body) >= int(length[1]) if length else body.endswith(b"0\r\n\r\n")
        if is_whole and self._answered is not None and not self._answered.done():
            self._answered.set_result(self._body)

    def pause(self) -> None:
        """Reads nothing more, as a slow reader does."""
        self._transport.pause_reading()

    def close(self) -> None:
        self._transport.close()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(_serve())
