"""Anthropic's messages; imported by `vendors.py` when somebody asks."""

from anthropic import AsyncAnthropic
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.providers.anthropic import AnthropicProvider

from engine.guard import Guard
from engine.providers.pydantic_ai_wire import PydanticAIWire, http_client

__all__ = ["connect"]

BASE_URL = "https://api.anthropic.com"


def connect(
    name: str, key: str, *, base_url: str | None, connect_seconds: float, guard: Guard | None = None
) -> PydanticAIWire:
    http, base_url = http_client(connect_seconds, guard), base_url or BASE_URL
    # Asking again is the engine's business, and so is how long to wait.
    client = AsyncAnthropic(api_key=key, base_url=base_url, http_client=http, timeout=http.timeout, max_retries=0)
    provider = AnthropicProvider(anthropic_client=client)
    headers = {"x-api-key": key, "anthropic-version": "2023-06-01"}
    return PydanticAIWire(
        name,
        key,
        http=http,
        model=lambda model: AnthropicModel(model, provider=provider),
        listing=http.build_request("GET", f"{base_url}/v1/models?limit=1000", headers=headers),
        guard=guard,
        reads_image_addresses=True,
    )
