"""Which model answers: what the operator named, or the embedded one; and what is wrong with it."""

from dataclasses import dataclass
from decimal import Decimal

from app.settings import ModelWire, Settings
from domain.catalog import Offer
from engine import ChatProvider
from engine.local import LocalModel
from engine.providers.openai import OpenAIProvider
from engine.providers.vendors import VendorProvider

__all__ = ["EMBEDDED", "chosen_model", "connect"]

EMBEDDED = "embedded"
_EMBEDDED_CONTEXT_TOKENS = 8192


@dataclass(frozen=True, slots=True)
class _Vendor:
    provider: str
    name: str


_VENDORS = {
    "api.openai.com": _Vendor("openai", "OpenAI"),
    "api.anthropic.com": _Vendor("anthropic", "Anthropic"),
    "generativelanguage.googleapis.com": _Vendor("google", "Google"),
    "api.groq.com": _Vendor("groq", "Groq"),
    "api.mistral.ai": _Vendor("mistral", "Mistral"),
    "api.cohere.com": _Vendor("cohere", "Cohere"),
    "api.cohere.ai": _Vendor("cohere", "Cohere"),
    "api.deepseek.com": _Vendor("deepseek", "DeepSeek"),
    "openrouter.ai": _Vendor("openrouter", "OpenRouter"),
    "api.together.xyz": _Vendor("together", "Together"),
}
_WIRES = {
    ModelWire.ANTHROPIC: _Vendor("anthropic", "Anthropic"),
    ModelWire.GOOGLE: _Vendor("google", "Google"),
    # A server of the operator's own: no vendor is known, and it may well need no key.
    ModelWire.OPENAI: _Vendor("custom", "unknown"),
}


def chosen_model(settings: Settings) -> Offer:
    if settings.uses_embedded_model:
        return Offer(
            EMBEDDED,
            ModelWire.OPENAI,
            "",
            LocalModel.name,
            "Hugging Face",
            settings.context_window_tokens or _EMBEDDED_CONTEXT_TOKENS,
            # Not unknown: it costs nothing.
            input_price=Decimal(0),
            output_price=Decimal(0),
            problems=_disabled(settings),
        )
    vendor = _VENDORS.get(settings.model_host, _WIRES[settings.model_wire])
    return Offer(
        vendor.provider,
        settings.model_wire,
        settings.model_base_url or "",
        settings.model or "",
        vendor.name,
        settings.context_window_tokens,
        problems=(*_disabled(settings), *_problems(settings, vendor)),
    )


def connect(settings: Settings, offer: Offer) -> ChatProvider:
    """A connection to what the operator named; the embedded model is connected to by whoever owns it."""
    key = settings.model_api_key.get_secret_value() if settings.model_api_key else ""
    seconds = settings.connect_timeout_seconds
    if settings.model_wire is ModelWire.OPENAI:
        return OpenAIProvider(offer.provider, offer.base_url, key, connect_seconds=seconds)
    wire = settings.model_wire.value
    return VendorProvider(offer.provider, wire, key, base_url=settings.model_base_url, connect_seconds=seconds)


def _disabled(settings: Settings) -> tuple[str, ...]:
    return () if settings.ai_enabled else ("AI service is disabled",)


def _problems(settings: Settings, vendor: _Vendor) -> list[str]:
    problems = []
    if not settings.model:
        problems.append("No model is named. Set PALAVER_MODEL environment variable.")
    needs_key = vendor.provider != "custom"
    if needs_key and settings.model_api_key is None:
        problems.append(
            f"Missing API key for {vendor.provider} provider. Set PALAVER_MODEL_API_KEY environment variable."
        )
    return problems
