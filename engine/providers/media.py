"""What lies behind addresses in a conversation, for vendors who want the content itself.

pydantic-ai would fetch it too, but these addresses are from users: they pass the one guard.
"""

import asyncio
from base64 import b64encode
from dataclasses import replace

import aiohttp

from engine.chat import Audio, FilePart, Image, Message, Part, Video
from engine.guard import Guard
from errors import Invalid

__all__ = ["with_contents"]

_MOST_ADDRESSES = 20
_LONGEST_BYTES = 20 * 2**20
_SECONDS = 20
_REDIRECTS = 3


async def with_contents(messages: tuple[Message, ...], guard: Guard, *, images: bool) -> tuple[Message, ...]:
    """`data:` URLs instead of web addresses; those of images only when the vendor does not read them by itself."""
    addresses = {url for message in messages for part in message.parts if (url := _address(part, images=images))}
    if not addresses:
        return messages
    if len(addresses) > _MOST_ADDRESSES:
        raise Invalid("messages", f"hold more than {_MOST_ADDRESSES} addresses")
    fetched = dict(zip(addresses, await asyncio.gather(*(_fetch(url, guard) for url in addresses)), strict=True))
    return tuple(
        replace(message, parts=tuple(_with_content(part, fetched, images=images) for part in message.parts))
        for message in messages
    )


def _address(part: Part, *, images: bool) -> str | None:
    match part:
        case Image(url) if images:
            pass
        case Video(url) | Audio(url) | FilePart(url):
            pass
        case _:
            return None
    return url if url.startswith(("http://", "https://")) else None


def _with_content(part: Part, fetched: dict[str, str], *, images: bool) -> Part:
    content = fetched.get(_address(part, images=images) or "")
    match part:
        case Image() | Video() if content:
            return replace(part, url=content)
        case Audio() | FilePart() if content:
            return replace(part, data=content)
    return part


async def _fetch(url: str, guard: Guard) -> str:
    content = bytearray()
    try:
        async with guard.request("GET", url, redirects=_REDIRECTS, timeout_seconds=_SECONDS) as response:
            if response.status != 200:
                raise Invalid("messages", f"hold the address {url}, which answered with status {response.status}")
            async for chunk in response.content.iter_any():
                content += chunk
                if len(content) > _LONGEST_BYTES:
                    raise Invalid("messages", f"hold the address {url}, which has more than {_LONGEST_BYTES} bytes")
            return f"data:{response.content_type};base64,{b64encode(content).decode()}"
    except (aiohttp.ClientError, OSError) as exc:
        raise Invalid("messages", f"hold the address {url}, which could not be read") from exc
