"""Google's Gemini API; imported by `vendors.py` when somebody asks."""

from pydantic_ai.models.google import GoogleModel
from pydantic_ai.providers.google import GoogleProvider

from engine.guard import Guard
from engine.providers.pydantic_ai_wire import PydanticAIWire, http_client

__all__ = ["connect"]

BASE_URL = "https://generativelanguage.googleapis.com"


def connect(
    name: str, key: str, *, base_url: str | None, connect_seconds: float, guard: Guard | None = None
) -> PydanticAIWire:
    http, base_url = http_client(connect_seconds, guard), base_url or BASE_URL
    provider = GoogleProvider(api_key=key, base_url=base_url, http_client=http)
    return PydanticAIWire(
        name,
        key,
        http=http,
        model=lambda model: GoogleModel(model, provider=provider),
        listing=http.build_request("GET", f"{base_url}/v1beta/models?pageSize=1000", headers={"x-goog-api-key": key}),
        guard=guard,
    )
