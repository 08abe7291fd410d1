"""Every setting, read once from the environment: `PALAVER_` before each name, and the customary `DATABASE_URL`."""

import ipaddress
from base64 import urlsafe_b64decode
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

__all__ = ["Environment", "ModelWire", "Settings"]


class Environment(StrEnum):
    DEVELOPMENT = "development"
    PRODUCTION = "production"


class ModelWire(StrEnum):
    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GOOGLE = "google"


_EVERYWHERE = ("0.0.0.0", "::")


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="PALAVER_", frozen=True, extra="ignore", populate_by_name=True)

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    env: Environment = Environment.DEVELOPMENT
    data_dir: Path = Path("data")
    database_url: SecretStr | None = Field(default=None, validation_alias=AliasChoices("DATABASE_URL", "database_url"))
    database_connections: int = Field(default=20, ge=3)

    model_base_url: str | None = None
    model_api_key: SecretStr | None = None
    model: str | None = None
    model_wire: ModelWire = ModelWire.OPENAI
    ai_enabled: bool = True
    instructions: str | None = None
    temperature: float = Field(default=0.7, ge=0, le=2)
    # What an answer may cost at most; models that think before they speak want more.
    max_output_tokens: int = Field(default=1000, ge=1)
    context_window_tokens: int | None = Field(default=None, ge=256)

    # Without an address texts are embedded in this process.
    embedding_base_url: str | None = None
    embedding_api_key: SecretStr | None = None
    embedding_model: str | None = None
    # How many numbers to ask of a model that offers several lengths. HNSW takes 2,000 of them.
    embedding_dimension: int | None = Field(default=None, ge=1, le=2_000)

    # What seals stored credentials; the first seals, all open. Without any, one is made in the data directory.
    secret_keys: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    # Whether addresses that users give may lead into this machine's own networks.
    allow_private_urls: bool = False

    # Where people reach this server, for links that are given to them.
    public_url: str | None = None
    # Who searches the web for models, as SearXNG does; and who draws for them, as OpenAI does.
    search_base_url: str | None = None
    search_api_key: SecretStr | None = None
    image_base_url: str | None = None
    image_api_key: SecretStr | None = None
    image_model: str | None = None

    connect_timeout_seconds: float = Field(default=10, gt=0)
    first_token_timeout_seconds: float = Field(default=120, gt=0)
    between_tokens_timeout_seconds: float = Field(default=60, gt=0)
    turn_timeout_seconds: float = Field(default=900, gt=0)
    provider_tries: int = Field(default=3, ge=1)
    # Of the operator's own provider, by each process; the others wait for a moment.
    model_calls_at_once: int | None = Field(default=None, ge=1)
    # A process that is silent for this long is taken for dead and its turns are ended.
    lease_seconds: float = Field(default=12, gt=1)
    turn_events_hours: float = Field(default=48, ge=24)

    # Who does the background work: every web process, or only `palaver worker`.
    jobs: Literal["web", "worker"] = "web"
    jobs_at_once: int = Field(default=2, ge=2)
    # A worker that is silent for this long is taken for dead and its jobs are done again.
    jobs_takeover_seconds: float = Field(default=10, gt=1)
    # What a synced record says is kept for so long after it last changed; what is found of it stays.
    sync_cache_days: float = Field(default=90, gt=0)
    # What a message was answered from is shown for so long.
    retrieval_log_days: float = Field(default=365, gt=0)
    # Folders of the server whose files may be indexed by their path.
    index_roots: Annotated[tuple[Path, ...], NoDecode] = ()

    # Of new collections; each may say otherwise.
    chunk_characters: int = Field(default=2_000, ge=100, le=20_000)
    chunk_overlap_characters: int = Field(default=400, ge=0)

    body_limit_bytes: int = Field(default=1_000_000, gt=0)
    # The old APIs take whole documents, and records by the thousand, as JSON.
    rest_body_limit_bytes: int = Field(default=16_000_000, gt=0)
    # Uploads go to disk as they come; an import of documents may be large.
    upload_limit_bytes: int = Field(default=500_000_000, gt=0)
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()
    graphql_http_profile: Literal["stable", "2026-draft"] = "stable"
    graphql_introspection: bool = True
    graphql_tell_cost: bool = True
    graphql_batch_size: int = Field(default=0, ge=0)
    graphql_page_size: int = Field(default=100, ge=1)
    graphql_depth: int = Field(default=15, ge=1)
    graphql_cost: int = Field(default=25_000, ge=1)
    graphql_tokens: int = Field(default=5_000, ge=1)
    graphql_fields: int = Field(default=2_500, ge=1)
    graphql_aliases: int = Field(default=50, ge=0)
    graphql_directives: int = Field(default=50, ge=0)
    graphql_root_fields: int = Field(default=25, ge=1)
    graphql_query_timeout_seconds: float = Field(default=30, gt=0)
    graphql_event_timeout_seconds: float = Field(default=15, gt=0)
    # What each key may spend on cost: this much at once, and so much more every second. 0 is without end.
    graphql_allowance: int = Field(default=0, ge=0)
    graphql_allowance_per_second: int = Field(default=1_000, ge=1)
    trusted_documents: Path | None = None
    trusted_documents_only: bool = False

    @field_validator("cors_origins", "index_roots", "secret_keys", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator(
        *("model_base_url", "model", "model_api_key", "model_calls_at_once", "database_url"),
        *("embedding_base_url", "embedding_model", "embedding_api_key", "embedding_dimension"),
        *("public_url", "search_base_url", "search_api_key", "image_base_url", "image_api_key", "image_model"),
        mode="before",
    )
    @classmethod
    def _empty_is_absent(cls, value: object) -> object:
        # Compose files and shells pass what is not set as an empty text.
        return None if value == "" else value

    @field_validator("secret_keys")
    @classmethod
    def _are_keys(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for key in keys:
            try:
                length = len(urlsafe_b64decode(key.get_secret_value()))
            except ValueError:
                length = 0
            if length != 32:
                raise ValueError(
                    "each key is 32 random bytes in URL-safe base64, as `openssl rand -base64 32 | tr +/ -_`"
                )
        return keys

    @model_validator(mode="after")
    def _open_only_at_home(self) -> Self:
        if self.env is Environment.DEVELOPMENT and not self.is_loopback:
            raise ValueError(
                f"PALAVER_HOST={self.host} can be reached from other machines, and in development requests need no key."
                " Set PALAVER_ENV=production, or listen on 127.0.0.1"
            )
        return self

    @model_validator(mode="after")
    def _embeds_somewhere(self) -> Self:
        address = urlsplit(self.embedding_base_url or "http://here")
        if address.scheme not in ("http", "https") or not address.hostname:
            raise ValueError(f"PALAVER_EMBEDDING_BASE_URL={self.embedding_base_url} is not a web address")
        if self.embedding_base_url is not None and self.embedding_model is None:
            raise ValueError("PALAVER_EMBEDDING_BASE_URL needs PALAVER_EMBEDDING_MODEL beside it")
        return self

    @field_validator("public_url", "search_base_url", "image_base_url")
    @classmethod
    def _is_web_address(cls, url: str | None) -> str | None:
        address = urlsplit(url or "http://here")
        if address.scheme not in ("http", "https") or not address.hostname:
            raise ValueError(f"{url} is not a web address")
        return url

    @property
    def is_loopback(self) -> bool:
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def reached_at(self) -> str:
        return self.public_url or f"http://{'localhost' if self.host in _EVERYWHERE else self.host}:{self.port}"

    @property
    def trusts_this_machine(self) -> bool:
        """Who comes from this machine without a key acts for the local workspace."""
        return self.env is Environment.DEVELOPMENT

    @property
    def uses_embedded_model(self) -> bool:
        return self.model_base_url is None and self.model_wire is ModelWire.OPENAI

    @property
    def model_host(self) -> str:
        return urlsplit(self.model_base_url or "").hostname or ""
