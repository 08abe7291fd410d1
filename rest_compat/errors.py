"""The REST way in's own refusals, and the one table from an error's code to a status."""

from collections.abc import Mapping, Sequence
from typing import Final

from errors import Invalid, PlatformError

__all__ = ["STATUSES", "BadRequest", "NoSuchRoute", "TooLarge", "WrongMediaType", "WrongMethod", "status_of"]

STATUSES: Final[Mapping[str, int]] = {
    "invalid": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "not_found": 404,
    "no_such_route": 404,
    "wrong_method": 405,
    "conflict": 409,
    "too_large": 413,
    "wrong_media_type": 415,
    "limit_reached": 429,
    "budget_exceeded": 402,
    "internal": 500,
    "timeout": 504,
    "source_failed": 502,
    "tool_failed": 502,
    "provider_failed": 502,
    "provider_refused_key": 502,
    "provider_rate_limited": 502,
    "provider_rejected": 400,
    "provider_unavailable": 502,
    "context_too_long": 400,
    "unavailable": 503,
    "not_configured": 503,
}


def status_of(code: str) -> int:
    return STATUSES.get(code, 500)


class BadRequest(PlatformError):
    """Everything that is wrong with a request's input, each thing under the caller's own name for it."""

    code = "invalid"

    def __init__(self, problems: Sequence[Invalid]) -> None:
        self.problems = tuple(problems)
        super().__init__(" ".join(str(problem) for problem in problems))

    @property
    def facts(self) -> Mapping[str, object]:
        return {"fields": [{"path": problem.field, "message": problem.problem} for problem in self.problems]}


class NoSuchRoute(PlatformError):
    code = "no_such_route"

    def __init__(self, method: str, path: str) -> None:
        super().__init__(f"There is nothing at {method} {path}.")


class WrongMethod(PlatformError):
    code = "wrong_method"

    def __init__(self, method: str, path: str, allowed: Sequence[str]) -> None:
        self.allowed = tuple(allowed)
        super().__init__(f"{path} takes {', '.join(allowed)}, not {method}.")

    @property
    def facts(self) -> Mapping[str, object]:
        return {"allowed": list(self.allowed)}


class TooLarge(PlatformError):
    code = "too_large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"The request is larger than {limit_bytes} bytes.")


class WrongMediaType(PlatformError):
    code = "wrong_media_type"

    def __init__(self, given: str, wanted: str) -> None:
        super().__init__(f"The request's Content-Type must be {wanted}, not {given or 'absent'}.")
