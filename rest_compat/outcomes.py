"""From what the executor says to what a dialect can put into words."""

import logging
from collections.abc import Mapping
from secrets import token_hex
from typing import Any  # GraphQL results are open JSON.

from graphql import GraphQLError

from errors import PlatformError
from execution import Refused, Result
from rest_compat.dialect import Failure
from rest_compat.errors import STATUSES, status_of

__all__ = ["EventFailed", "Failed", "failure_of", "settled"]

logger = logging.getLogger(__name__)


class Failed(Exception):
    """The operation did not give an answer."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        super().__init__(failure.message)


class EventFailed(Exception):
    """An event of a stream that says, in the graph's words, why there will be no more of them."""

    def __init__(self, said: Mapping[str, Any]) -> None:
        self.code, self.message = str(said.get("code") or "internal").lower(), str(said.get("message") or "")
        self.facts = {key: value for key, value in said.items() if key not in ("code", "message")}
        super().__init__(self.message)


def settled(result: Result, path: str, operation: str) -> dict[str, Any]:
    """The data of a result. REST knows no half answers: an error anywhere is the answer."""
    if result.causes or result.errors or result.data is None:
        raise Failed(_of_result(result, path, operation))
    return result.data


def failure_of(error: BaseException, path: str, operation: str | None) -> Failure:
    """A failure that was raised rather than returned; what nobody foresaw is logged and masked."""
    match error:
        case Failed():
            return error.failure
        case EventFailed(code=code, message=message, facts=facts):
            return Failure(code, message, status_of(code), path, facts, operation)
        case PlatformError():
            return Failure.of(error, path=path, operation=operation)
        case Refused():
            return Failure("invalid", str(error), status_of("invalid"), path, operation=operation)
        case GraphQLError() if error.original_error is not None:
            return failure_of(error.original_error, path, operation)
        case _:
            reference = token_hex(8)
            logger.error("Internal error %s in %s at %s", reference, operation, path, exc_info=error)
            return _internal(reference, path, operation)


def _of_result(result: Result, path: str, operation: str) -> Failure:
    for cause in result.causes:
        original = _original(cause)
        if isinstance(original, PlatformError):
            return Failure.of(original, path=path, operation=operation)
    # The executor has masked and logged what is left.
    formatted = result.errors[0] if result.errors else {}
    extensions = formatted.get("extensions") or {}
    code = extensions.get("code", "internal")
    if result.refused is not None:
        return Failure("invalid", formatted["message"], status_of("invalid"), path, operation=operation)
    if code != "internal" and code in STATUSES:
        return Failure(code, formatted["message"], status_of(code), path, extensions, operation)
    return _internal(str(extensions.get("reference", "none")), path, operation)


def _original(error: Exception) -> Exception:
    while isinstance(error, GraphQLError) and error.original_error is not None:
        error = error.original_error
    return error


def _internal(reference: str, path: str, operation: str | None) -> Failure:
    message = f"Something went wrong on our side; the log has it as {reference}."
    return Failure("internal", message, 500, path, {"reference": reference}, operation)
