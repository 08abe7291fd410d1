"""Who searches the web and draws pictures, where the operator has named somebody."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any  # What they answer is open JSON.

import orjson

from domain.tools.calling import CallFailed, call
from engine.guard import Guard
from errors import ToolFailed

__all__ = ["Endpoint", "Endpoints"]

# The operator's own addresses may be anywhere.
_ANYWHERE = Guard(allow_private=True)


@dataclass(frozen=True, slots=True)
class Endpoint:
    base_url: str
    key: str | None = field(default=None, repr=False)
    model: str | None = None

    async def ask(
        self, tool: str, method: str, path: str, body: bytes | None = None, *, seconds: float = 30, most_bytes: int
    ) -> Any:
        """The JSON it answers with, or a failure that the model may be told of."""
        headers = {"accept": "application/json"} | ({"authorization": f"Bearer {self.key}"} if self.key else {})
        if body is not None:
            headers["content-type"] = "application/json"
        url = f"{self.base_url.rstrip('/')}{path}"
        try:
            answer = await call(
                _ANYWHERE, method, url, headers=headers, body=body, seconds=seconds, most_bytes=most_bytes
            )
        except CallFailed as exc:
            raise ToolFailed(tool, f"is out of order: its provider {exc.reason}") from exc
        if not answer.is_fine:
            said = _reason(answer.content)
            raise ToolFailed(tool, f"failed: its provider answered with status {answer.status}{said}")
        try:
            return orjson.loads(answer.content)
        except orjson.JSONDecodeError as exc:
            raise ToolFailed(tool, "failed: its provider did not answer with JSON") from exc


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Each absent when nobody was named."""

    search: Endpoint | None = None
    images: Endpoint | None = None


def _reason(content: bytes) -> str:
    """Why a prompt was refused is for the model to know; it comes in OpenAI's envelope."""
    try:
        error = orjson.loads(content).get("error")
    except (orjson.JSONDecodeError, AttributeError):
        return ""
    message = error.get("message") if isinstance(error, Mapping) else None
    return f": {message[:500].rstrip('.')}" if isinstance(message, str) and message else ""
