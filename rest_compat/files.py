"""Answers that are a file: its bytes as they are, whole, in part, or as fast as the client takes them."""

import re
from collections.abc import AsyncIterator, Mapping
from typing import Any  # GraphQL variables and contexts are open by nature.
from urllib.parse import quote

from errors import NotFound
from execution.departure import while_present
from files import Blob
from rest_compat.answers import Prepared, run
from rest_compat.exchange import Exchange, raw_headers

__all__ = ["answer_file"]

_RANGE = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})")


async def answer_file(prepared: Prepared, exchange: Exchange, variables: Mapping[str, Any], context: Any) -> None:
    data = await run(prepared, exchange, variables, context)
    blob = data if prepared.shaper is None else prepared.shaper(data)
    if blob is None:
        raise NotFound("file", exchange.path)
    assert isinstance(blob, Blob)  # What the scalar `File` serializes to.
    headers = _headers(prepared, blob)
    if isinstance(blob.content, bytes):
        await _whole(prepared, exchange, blob.content, headers)
    else:
        await _stream(prepared, exchange, blob.content, headers)


def _headers(prepared: Prepared, blob: Blob) -> dict[str, str]:
    # A customer's file is never a page of ours: browsers show it in a sandbox, and as what it says it is.
    headers = {"content-security-policy": "sandbox", "x-content-type-options": "nosniff"}
    headers |= {name.lower(): value for name, value in prepared.dialect.headers.items()}
    headers["content-type"] = blob.media_type
    if blob.filename is not None:
        headers["content-disposition"] = disposition(blob.filename)
    return headers | {name.lower(): value for name, value in blob.headers.items()}


def disposition(filename: str) -> str:
    plain = re.sub(r'[^\x20-\x7e]|["\\]', "_", filename)
    extended = f"; filename*=UTF-8''{quote(filename)}" if plain != filename else ""
    return f'attachment; filename="{plain}"{extended}'


async def _whole(prepared: Prepared, exchange: Exchange, content: bytes, headers: dict[str, str]) -> None:
    asked = exchange.connection.headers
    etag = headers.get("etag")
    if etag is not None and etag in [tag.strip() for tag in asked.get("if-none-match", "").split(",")]:
        return await exchange.reply(304, b"", raw_headers(headers))
    headers["accept-ranges"] = "bytes"
    part = _range(asked.get("range", ""), len(content))
    if part is None or prepared.endpoint.status != 200 or asked.get("if-range", etag) != etag:
        return await exchange.reply(prepared.endpoint.status, content, raw_headers(headers))
    start, end = part
    if start >= end:
        headers["content-range"] = f"bytes */{len(content)}"
        return await exchange.reply(416, b"", raw_headers(headers))
    headers["content-range"] = f"bytes {start}-{end - 1}/{len(content)}"
    return await exchange.reply(206, content[start:end], raw_headers(headers))


def _range(header: str, size: int) -> tuple[int, int] | None:
    """The one range that is asked for, empty when it is outside the file; anything else is answered whole."""
    match = _RANGE.fullmatch(header.strip())
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        return max(0, size - int(match[2])), size
    start = int(match[1])
    if match[2] and int(match[2]) < start:
        return None
    return start, min(size, int(match[2]) + 1) if match[2] else size


async def _stream(
    prepared: Prepared, exchange: Exchange, content: AsyncIterator[bytes], headers: dict[str, str]
) -> None:
    await exchange.start(prepared.endpoint.status, raw_headers(headers))
    async with while_present(exchange.receive):
        if not exchange.headless:
            async for chunk in content:
                await exchange.write(chunk)
    await exchange.write(b"", more=False)
