"""Drawing pictures through a provider that speaks as OpenAI does."""

import asyncio
import binascii
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Any  # Tool arguments and what the provider says are open JSON.

import orjson

from domain.agents import Tool
from domain.gateways.parameters import BuiltinOptions, ImageQuality
from domain.published import DAYS, Published
from domain.tools.builtin.providers import Endpoint
from domain.tools.builtin.tooling import schema, tool
from domain.tools.calling import CallFailed, call
from domain.tools.together import together
from engine.guard import Guard
from errors import ToolFailed

__all__ = ["image_tool"]

_SECONDS, _MOST_BYTES, _IMAGE_BYTES = 180.0, 100_000_000, 20_000_000
_QUALITIES = {
    ImageQuality.LOW: "low",
    ImageQuality.MEDIUM: "medium",
    ImageQuality.HIGH: "high",
    ImageQuality.HIGHEST: "high",
}
_BEGINNINGS = {
    b"\x89PNG": ("image/png", "png"),
    b"\xff\xd8\xff": ("image/jpeg", "jpg"),
    b"RIFF": ("image/webp", "webp"),
}
_MOST_REFERENCES = 4


def image_tool(guard: Guard, provider: Endpoint, published: Published, options: BuiltinOptions) -> Tool:
    async def run(arguments: Mapping[str, Any]) -> Any:
        asked = {
            "model": options.image_generation_model_name or provider.model,
            "prompt": arguments["prompt"],
            "n": min(arguments.get("count", 1), options.image_generation_max_results),
            "quality": _QUALITIES[options.image_generation_quality],
            "moderation": "low" if options.image_generation_allow_mature_content else "auto",
            "size": arguments.get("size"),
        }
        path = "/images/generations"
        if urls := arguments.get("references"):
            path = "/images/edits"
            asked["images"] = [{"image_url": each} for each in await _references(guard, urls)]
        body = orjson.dumps({name: value for name, value in asked.items() if value is not None})
        answer = await provider.ask("generate_image", "POST", path, body, seconds=_SECONDS, most_bytes=_MOST_BYTES)
        images = await together([_image(guard, each) for each in _listed(answer)])
        links = await together([_kept(published, image) for image in images])
        return {"urls": links, "expiresInDays": DAYS}

    properties: dict[str, Mapping[str, Any]] = {
        "prompt": {"type": "string", "minLength": 1, "maxLength": 30_000, "description": "What is to be seen."},
        "size": {"type": "string", "pattern": "^\\d{2,4}x\\d{2,4}$", "description": "As 1024x1024."},
        "count": {
            "type": "integer",
            "minimum": 1,
            "maximum": options.image_generation_max_results,
            "description": "How many pictures.",
        },
    }
    if options.image_generation_allow_reference_usage:
        properties["references"] = {
            "type": "array",
            "items": {"type": "string"},
            "maxItems": _MOST_REFERENCES,
            "description": "Addresses of pictures to go by: of the web, or of pictures made before.",
        }
    return tool(
        "generate_image",
        "Draws pictures. Show them to the person you talk with by their urls, in Markdown.",
        schema(**properties, required=["prompt"]),
        run,
    )


async def _references(guard: Guard, urls: Sequence[str]) -> list[str]:
    """As `data:` URLs: what the provider may fetch by itself is not for a model to say."""
    contents = await together([_fetched(guard, url) for url in urls])
    return [f"data:{_kind(content)[0]};base64,{b64encode(content).decode()}" for content in contents]


def _listed(answer: Any) -> list[Mapping[str, Any]]:
    found = answer.get("data") if isinstance(answer, Mapping) else None
    if not isinstance(found, list) or not found or not all(isinstance(each, Mapping) for each in found):
        raise ToolFailed("generate_image", "failed: its provider answered with no picture")
    return found


async def _image(guard: Guard, told: Mapping[str, Any]) -> bytes:
    encoded, url = told.get("b64_json"), told.get("url")
    if isinstance(encoded, str):
        try:
            return await asyncio.to_thread(b64decode, encoded)
        except binascii.Error as exc:
            raise ToolFailed("generate_image", "failed: its provider answered with a broken picture") from exc
    if isinstance(url, str):
        return await _fetched(guard, url)
    raise ToolFailed("generate_image", "failed: its provider answered with no picture")


async def _fetched(guard: Guard, url: str) -> bytes:
    try:
        answer = await call(guard, "GET", url, most_bytes=_IMAGE_BYTES, redirects=3)
    except CallFailed as exc:
        raise ToolFailed("generate_image", f"failed: a picture {exc.reason}") from exc
    if not answer.is_fine:
        raise ToolFailed("generate_image", f"failed: a picture answered with status {answer.status}")
    return answer.content


async def _kept(published: Published, content: bytes) -> str:
    media_type, ending = _kind(content)
    return await published.save(content, media_type, f"image.{ending}")


def _kind(content: bytes) -> tuple[str, str]:
    """By its first bytes: nobody else's word makes a page of a picture."""
    for beginning, kind in _BEGINNINGS.items():
        if content.startswith(beginning):
            return kind
    raise ToolFailed("generate_image", "failed: a picture is neither PNG, JPEG nor WebP")
