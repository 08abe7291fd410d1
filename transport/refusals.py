"""A request that ends before anything ran: the status it gets, and a body in GraphQL's own shape."""

from collections.abc import Mapping
from math import ceil
from typing import Any  # Formatted errors are JSON.

from graphql import GraphQLError
from starlette.responses import Response

from errors import LimitReached, PlatformError, Unavailable
from execution import Refused, Stage
from execution.encoding import encode
from execution.errors import present
from transport.negotiation import GRAPHQL, JSON
from transport.options import HTTPProfile

__all__ = ["Rejected", "answer", "as_errors", "rejected", "status_of"]

_STATUS_OF_CODE = {
    "invalid": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "not_found": 404,
    "conflict": 409,
    "limit_reached": 429,
    "unavailable": 503,
    "not_configured": 503,
}


class Rejected(Exception):
    """The request cannot be answered as it came; `message` tells its author what to change."""

    def __init__(self, status: int, message: str, *, headers: Mapping[str, str] | None = None) -> None:
        self.status, self.message, self.headers = status, message, dict(headers or {})
        super().__init__(message)


def status_of(stage: Stage, media_type: str, profile: HTTPProfile) -> int:
    """Older clients of `application/json` expect 200 with every well-formed request, whatever became of it."""
    if profile is HTTPProfile.DRAFT_2026:
        return 400 if stage is Stage.PARSE else 422
    if media_type == GRAPHQL or stage in (Stage.REQUEST, Stage.SELECT):
        return 400
    return 200


def as_errors(problem: Exception) -> list[dict[str, Any]]:
    """What a client is told, on every way in; anything unforeseen only as a reference to the log."""
    if isinstance(problem, Rejected):
        return [{"message": problem.message, "extensions": {"code": "bad_request"}}]
    if isinstance(problem, Refused):
        return present(problem.errors)
    if isinstance(problem, GraphQLError):
        return present([problem])
    return present([GraphQLError(str(problem), original_error=problem)])


def rejected(problem: Exception, media_type: str | None, profile: HTTPProfile) -> Response:
    media_type = media_type or JSON
    headers: dict[str, str] = {}
    if isinstance(problem, Rejected):
        status, headers = problem.status, problem.headers
    elif isinstance(problem, Refused):
        status = status_of(problem.stage, media_type, profile)
    else:
        status = _STATUS_OF_CODE.get(problem.code, 500) if isinstance(problem, PlatformError) else 500
        if status == 401:
            headers["www-authenticate"] = "Bearer"
        if isinstance(problem, LimitReached | Unavailable) and problem.retry_after_seconds is not None:
            headers["retry-after"] = str(max(1, ceil(problem.retry_after_seconds)))
    return answer(encode({"errors": as_errors(problem)}), media_type, status, headers)


def answer(body: bytes, media_type: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(body, status, {"vary": "accept", **(headers or {})}, f"{media_type}; charset=utf-8")
