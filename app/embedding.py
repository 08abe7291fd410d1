"""Which embedders there are: the operator's, and the one that is always here."""

import importlib.util
from urllib.parse import urlsplit

from app.settings import Settings
from engine import Embedder, Patience
from engine.providers.openai_embeddings import OpenAIEmbedder
from engine.wordllama import WordLlama

__all__ = ["chosen_embedders"]

_VENDORS = {"api.openai.com": "openai", "api.voyageai.com": "voyage", "api.mistral.ai": "mistral"}


def chosen_embedders(settings: Settings) -> list[Embedder]:
    """The first is what new collections get. The built-in one stays, for collections that began with it."""
    built_in: list[Embedder] = [WordLlama()] if importlib.util.find_spec("wordllama") else []
    if settings.embedding_base_url is None or settings.embedding_model is None:
        return built_in
    key = settings.embedding_api_key
    host = urlsplit(settings.embedding_base_url).hostname or ""
    remote = OpenAIEmbedder(
        _VENDORS.get(host, "custom"),
        settings.embedding_base_url,
        key.get_secret_value() if key else "",
        settings.embedding_model,
        dimension=settings.embedding_dimension,
        patience=Patience(tries=settings.provider_tries),
        connect_seconds=settings.connect_timeout_seconds,
    )
    return [remote, *built_in]
