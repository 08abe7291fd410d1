"""Everything that can go wrong.

PlatformError
├── Invalid             the request makes no sense
│   └── ContextFull     more was said than the gateway lets through
├── Unauthenticated     we do not know who you are
├── Forbidden           we know, and no
├── NotFound            absent, or not yours: the same answer
├── Conflict            true a moment ago, not now
├── LimitReached        budget, quota or rate
│   └── BudgetExceeded  no waiting helps, but a new period or more money
├── Unavailable         we cannot do this now, and it is not your fault
│   └── NotConfigured   the operator has to set something first
├── SourceFailed        a server that a gateway is set to ask let us down
├── ToolFailed          a tool could not do what the model asked of it; the model may do better
└── ProviderFailed      a model vendor let us down; trying again may help
    ├── ProviderRefusedKey
    ├── ProviderRateLimited
    ├── ProviderRejected     the vendor says that the request makes no sense
    ├── ContextTooLong
    └── ProviderUnavailable

An error takes facts and writes its own sentence. It knows no HTTP: which status a code becomes is the business of
the way in that was asked.
"""

from collections.abc import Mapping


class PlatformError(Exception):
    code = "internal"

    @property
    def facts(self) -> Mapping[str, object]:
        """What a program may want to read beside the sentence; never a secret."""
        return {}


class Invalid(PlatformError):
    """`field` names the input as the caller spelled it, `problem` completes the sentence after it."""

    code = "invalid"

    def __init__(self, field: str, problem: str) -> None:
        self.field, self.problem = field, problem
        super().__init__(f"{field} {problem}." if field else f"{problem}.")

    @property
    def facts(self) -> Mapping[str, object]:
        return {"fields": [{"path": self.field, "message": self.problem}]}


class ContextFull(Invalid):
    """Told before any model is asked. The code is that of a model which says so itself."""

    code = "context_too_long"

    def __init__(self, tokens: int, most_tokens: int) -> None:
        super().__init__("messages", f"have about {tokens:,} tokens, and this gateway takes {most_tokens:,}")


class Unauthenticated(PlatformError):
    code = "unauthenticated"

    def __init__(self, reason: str = "This request needs a valid key") -> None:
        super().__init__(f"{reason}.")


class Forbidden(PlatformError):
    code = "forbidden"

    def __init__(self, reason: str = "This key may not do that") -> None:
        super().__init__(f"{reason}.")


class NotFound(PlatformError):
    code = "not_found"

    def __init__(self, kind: str, id: object) -> None:
        self.kind, self.id = kind, id
        super().__init__(f"There is no {kind} {str(id)!r}.")

    @property
    def facts(self) -> Mapping[str, object]:
        return {"kind": self.kind, "id": str(self.id)}


class Conflict(PlatformError):
    code = "conflict"

    def __init__(self, situation: str) -> None:
        super().__init__(f"{situation}.")


class LimitReached(PlatformError):
    code = "limit_reached"

    def __init__(self, limit: str, *, retry_after_seconds: float | None = None) -> None:
        self.limit, self.retry_after_seconds = limit, retry_after_seconds
        super().__init__(f"{limit} is used up.")

    @property
    def facts(self) -> Mapping[str, object]:
        return {"limit": self.limit, "retryAfterSeconds": self.retry_after_seconds}


class BudgetExceeded(LimitReached):
    """`limit` says whose budget it is, and of which time."""

    code = "budget_exceeded"


class Unavailable(PlatformError):
    code = "unavailable"

    def __init__(self, what: str, *, retry_after_seconds: float | None = None) -> None:
        self.what, self.retry_after_seconds = what, retry_after_seconds
        super().__init__(what if what.endswith(".") else f"{what}.")

    @property
    def facts(self) -> Mapping[str, object]:
        return {"retryAfterSeconds": self.retry_after_seconds}


class NotConfigured(Unavailable):
    code = "not_configured"


class SourceFailed(PlatformError):
    """`source` says what was asked and where it is set, `reason` completes the sentence; never with a secret."""

    code = "source_failed"

    def __init__(self, source: str, reason: str) -> None:
        self.source, self.reason = source, reason
        super().__init__(f"{source} {reason}.")

    @property
    def facts(self) -> Mapping[str, object]:
        return {"source": self.source}


class ToolFailed(PlatformError):
    """Told to the model that called the tool: `problem` completes the sentence."""

    code = "tool_failed"

    def __init__(self, tool: str, problem: str) -> None:
        self.tool, self.problem = tool, problem
        super().__init__(f"The tool {tool} {problem}.")

    @property
    def facts(self) -> Mapping[str, object]:
        return {"tool": self.tool}


class ProviderFailed(PlatformError):
    """`provider` is the name it is configured under, `reason` the vendor's own words, cleaned of secrets."""

    code = "provider_failed"

    def __init__(self, provider: str, reason: str, *, retry_after_seconds: float | None = None) -> None:
        self.provider, self.reason, self.retry_after_seconds = provider, reason, retry_after_seconds
        super().__init__(f"{provider}: {reason}")

    @property
    def facts(self) -> Mapping[str, object]:
        return {"provider": self.provider, "retryAfterSeconds": self.retry_after_seconds}


class ProviderRefusedKey(ProviderFailed):
    code = "provider_refused_key"


class ProviderRateLimited(ProviderFailed):
    code = "provider_rate_limited"


class ProviderRejected(ProviderFailed):
    code = "provider_rejected"


class ContextTooLong(ProviderFailed):
    code = "context_too_long"


class ProviderUnavailable(ProviderFailed):
    code = "provider_unavailable"
