"""What a client is told about an error: ours in full, anything unforeseen only as a reference to the log."""

import logging
from collections.abc import Sequence
from secrets import token_hex
from typing import Any  # Formatted errors are JSON.

from graphql import GraphQLError

from errors import PlatformError

__all__ = ["MASK", "TimedOut", "cause_of", "present"]

MASK = "Internal error"

_LONG = 1_000

logger = logging.getLogger(__name__)


class TimedOut(GraphQLError):
    def __init__(self, seconds: float) -> None:
        super().__init__(f"This took longer than {seconds:g} seconds.", extensions={"code": "timeout"})


def cause_of(error: GraphQLError) -> Exception:
    """What was raised at first, below the layers that GraphQL wraps around it."""
    cause: Exception = error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    return cause


def _shortened(message: str) -> str:
    """GraphQL's own messages quote what was sent, however long that is."""
    return message if len(message) <= _LONG else f"{message[:_LONG]} …"


def present(errors: Sequence[GraphQLError]) -> list[dict[str, Any]]:
    """Formatted for a client. What is masked is logged once, whole, under the reference the client gets."""
    references: dict[int, str] = {}
    return [_present(error, references) for error in errors]


def _present(error: GraphQLError, references: dict[int, str]) -> dict[str, Any]:
    formatted: dict[str, Any] = dict(error.formatted)
    cause = cause_of(error)
    if isinstance(cause, PlatformError):
        formatted["message"] = str(cause)
        formatted["extensions"] = {"code": cause.code, **cause.facts}
        logger.debug("%s at %s: %s", cause.code, error.path, cause)
    elif _is_about_the_request(error, cause):
        formatted["message"] = _shortened(error.message)
        logger.debug("Refused: %s", formatted["message"])
    else:
        # One failure of a loader fails every field that waited for it: one entry in the log, one reference.
        reference = references.get(id(cause))
        if reference is None:
            reference = references[id(cause)] = token_hex(8)
            logger.error("Internal error %s at %s", reference, error.path, exc_info=cause)
        formatted["message"] = MASK
        formatted["extensions"] = {"code": "internal", "reference": reference}
    return formatted


def _is_about_the_request(error: GraphQLError, cause: Exception) -> bool:
    if not error.path:
        # Nothing ran yet. What points into the document is about it, whatever a scalar raised when it read a value.
        return bool(error.nodes) or isinstance(cause, GraphQLError)
    return isinstance(cause, GraphQLError) and "code" in (error.extensions or {})
