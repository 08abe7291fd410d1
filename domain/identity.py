"""Who is asking, and what that lets them do."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from errors import Forbidden, Unauthenticated

__all__ = ["SCOPES", "UNLIMITED", "KeyKind", "Limits", "Principal", "PrincipalKind", "Scope"]


class Scope(StrEnum):
    """What a root field of the graph needs. `PUBLIC` is for what anyone may know, asked with a key or without."""

    PUBLIC = "PUBLIC"
    CONVERSATIONS_READ = "CONVERSATIONS_READ"
    CONVERSATIONS_WRITE = "CONVERSATIONS_WRITE"
    MODELS_READ = "MODELS_READ"
    MODELS_WRITE = "MODELS_WRITE"
    USAGE_READ = "USAGE_READ"
    WORKSPACE_READ = "WORKSPACE_READ"
    WORKSPACE_WRITE = "WORKSPACE_WRITE"
    BUDGETS_WRITE = "BUDGETS_WRITE"
    KEYS_MANAGE = "KEYS_MANAGE"
    KNOWLEDGE_READ = "KNOWLEDGE_READ"
    KNOWLEDGE_WRITE = "KNOWLEDGE_WRITE"
    GATEWAYS_READ = "GATEWAYS_READ"
    GATEWAYS_WRITE = "GATEWAYS_WRITE"
    MEMORIES_READ = "MEMORIES_READ"
    MEMORIES_WRITE = "MEMORIES_WRITE"
    SYNC = "SYNC"


class KeyKind(StrEnum):
    OWNER = "OWNER"
    SK = "SK"
    WSK = "WSK"
    PAK = "PAK"
    SSK = "SSK"
    AAK = "AAK"


class PrincipalKind(StrEnum):
    """A key's kind, or how else somebody came in."""

    OWNER = "OWNER"
    SK = "SK"
    WSK = "WSK"
    PAK = "PAK"
    SSK = "SSK"
    AAK = "AAK"
    LOCAL = "LOCAL"
    ANONYMOUS = "ANONYMOUS"


_TALK = frozenset({Scope.PUBLIC, Scope.CONVERSATIONS_READ, Scope.CONVERSATIONS_WRITE, Scope.MODELS_READ})
_SERVER = _TALK | {
    Scope.USAGE_READ,
    Scope.WORKSPACE_READ,
    Scope.KNOWLEDGE_READ,
    Scope.KNOWLEDGE_WRITE,
    Scope.MEMORIES_READ,
    Scope.MEMORIES_WRITE,
}
_NOTHING_YET = frozenset({Scope.PUBLIC})

# The keys that are handed to browsers and sync agents open nothing but their own endpoints.
SCOPES: Mapping[PrincipalKind, frozenset[Scope]] = {
    PrincipalKind.OWNER: frozenset(Scope),
    PrincipalKind.LOCAL: frozenset(Scope),
    # The account's own credential, where there is no other.
    PrincipalKind.SK: _SERVER | {Scope.GATEWAYS_READ, Scope.GATEWAYS_WRITE, Scope.WORKSPACE_WRITE, Scope.KEYS_MANAGE},
    PrincipalKind.WSK: _SERVER,
    PrincipalKind.PAK: _NOTHING_YET,
    PrincipalKind.SSK: frozenset({Scope.PUBLIC, Scope.SYNC}),
    PrincipalKind.AAK: _NOTHING_YET,
    PrincipalKind.ANONYMOUS: _NOTHING_YET,
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What a key may do at most; None is without a limit."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    calls_at_once: int | None = None


UNLIMITED: Final = Limits()


@dataclass(frozen=True, slots=True)
class Principal:
    """Made once per request by the one authenticator; rows are reached only through what is visible to it."""

    workspace_id: UUID
    kind: PrincipalKind
    scopes: frozenset[Scope]
    key_id: UUID | None = None
    source: str | None = None
    # Of the key, when it has any.
    limits: Limits | None = None

    def require(self, scope: Scope) -> None:
        if scope in self.scopes:
            return
        if self.kind is PrincipalKind.ANONYMOUS:
            raise Unauthenticated
        raise Forbidden(f"A key of kind {self.kind.value} may not do this: it needs {scope.value}")
