"""From what the executor says, or raises, to what a dialect can put into words."""

import logging
from collections.abc import Mapping
from secrets import token_hex
from typing import Any  # GraphQL results are open JSON.

from graphql import GraphQLError

from errors import Invalid, PlatformError
from execution import Refused, Result
from execution.errors import cause_of
from rest_compat.bindings import as_called
from rest_compat.dialect import Failure
from rest_compat.errors import STATUSES, status_of
from rest_compat.exchange import Exchange

__all__ = ["EventFailed", "failure_of", "settled"]

logger = logging.getLogger(__name__)


class Failed(Exception):
    """The operation gave no answer, and the executor has said why."""

    def __init__(self, result: Result) -> None:
        self.result = result
        super().__init__("the operation failed")


class EventFailed(Exception):
    """An event of a stream that says, in the graph's words, why there will be no more of them."""

    def __init__(self, said: Mapping[str, Any]) -> None:
        self.code, self.message = str(said.get("code") or "internal").lower(), str(said.get("message") or "")
        self.facts = {key: value for key, value in said.items() if key not in ("code", "message")}
        super().__init__(self.message)


def settled(result: Result) -> dict[str, Any]:
    """The data of a result. REST knows no half answers: an error anywhere is the answer."""
    if result.causes or result.errors or result.data is None:
        raise Failed(result)
    return result.data


def failure_of(error: Exception, exchange: Exchange) -> Failure:
    """What went wrong. What nobody foresaw is logged, and masked by a reference to the log."""
    match cause_of(error) if isinstance(error, GraphQLError) else error:
        case Failed(result=result):
            return _of_result(result, exchange)
        case EventFailed(code=code, message=message, facts=facts):
            return _failure(exchange, code, message, facts)
        case PlatformError() as known:
            return _of_known(known, exchange)
        case Refused() as refused:
            return _failure(exchange, "invalid", str(refused))
        case _:
            reference = token_hex(8)
            logger.error("Internal error %s in %s at %s", reference, exchange.operation, exchange.path, exc_info=error)
            return _internal(reference, exchange)


def _of_result(result: Result, exchange: Exchange) -> Failure:
    for cause in map(cause_of, result.causes):
        if isinstance(cause, PlatformError):
            return _of_known(cause, exchange)
    # The executor has masked and logged what is left.
    formatted = result.errors[0] if result.errors else {}
    extensions = formatted.get("extensions") or {}
    code = "invalid" if result.refused else extensions.get("code", "internal")
    if code == "internal" or code not in STATUSES:
        return _internal(str(extensions.get("reference", "none")), exchange)
    return _failure(exchange, code, formatted["message"], extensions)


def _of_known(error: PlatformError, exchange: Exchange) -> Failure:
    if isinstance(error, Invalid) and exchange.endpoint is not None:
        error = as_called(error, exchange.endpoint.bindings)
    return Failure(error.code, str(error), status_of(error.code), exchange.path, error.facts, exchange.operation, error)


def _internal(reference: str, exchange: Exchange) -> Failure:
    message = f"Something went wrong on our side; the log has it as {reference}."
    return _failure(exchange, "internal", message, {"reference": reference})


def _failure(exchange: Exchange, code: str, message: str, facts: Mapping[str, object] | None = None) -> Failure:
    return Failure(code, message, status_of(code), exchange.path, facts or {}, exchange.operation)
