"""The answers that are made in one piece: JSON, a file, nothing. What is streamed is in `streams.py`."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any  # GraphQL variables, results and contexts are open by nature.

from execution import Executor, Operation, OperationKind
from execution.departure import while_present
from execution.encoding import encode
from rest_compat.compiler import Endpoint
from rest_compat.dialect import Dialect
from rest_compat.exchange import Exchange, RawHeaders, raw_headers
from rest_compat.outcomes import settled
from rest_compat.paging import page_of
from rest_compat.selections import Reading
from rest_compat.shapes import Shaper

__all__ = ["Answer", "Prepared", "answer_empty", "answer_json", "responded", "run"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """An endpoint with everything that can be made before the first request."""

    endpoint: Endpoint
    dialect: Dialect
    executor: Executor
    operation: Operation
    shaper: Shaper | None
    headers: RawHeaders

    @property
    def mutates(self) -> bool:
        return self.operation.kind is OperationKind.MUTATION


Answer = Callable[[Prepared, Exchange, Mapping[str, Any], Any], Awaitable[None]]


async def run(prepared: Prepared, exchange: Exchange, variables: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """The operation's data. A client that leaves a mutation stops it; a query is over before that is noticed."""
    if prepared.mutates:
        async with while_present(exchange.receive):
            result = await prepared.executor.run(prepared.operation, variables, context)
    else:
        result = await prepared.executor.run(prepared.operation, variables, context)
    return settled(result)


async def answer_json(prepared: Prepared, exchange: Exchange, variables: Mapping[str, Any], context: Any) -> None:
    data = await run(prepared, exchange, variables, context)
    answer = data if prepared.shaper is None else prepared.shaper(data)
    if (paging := prepared.endpoint.paging) and (envelope := prepared.dialect.page):
        answer = envelope(page_of(paging, answer, variables, exchange.path, exchange.scope["query_string"]))
    status, headers = responded(prepared, data)
    await exchange.reply(status, encode(answer), headers)


async def answer_empty(prepared: Prepared, exchange: Exchange, variables: Mapping[str, Any], context: Any) -> None:
    status, headers = responded(prepared, await run(prepared, exchange, variables, context))
    await exchange.reply(status, b"", headers)


def responded(prepared: Prepared, data: Mapping[str, Any]) -> tuple[int, Iterable[tuple[bytes, bytes]]]:
    """The status and headers, with what `@respond` takes out of the data."""
    readings = prepared.endpoint.selected.readings
    if not readings:
        return prepared.endpoint.status, prepared.headers
    status, headers = prepared.endpoint.status, dict[str, str]()
    for reading in readings:
        value = _read(reading, data)
        if reading.status is not None and value is True:
            status = reading.status
        elif reading.header is not None and value is not None:
            headers[reading.header] = str(value)
    return status, [*prepared.headers, *raw_headers(headers)]


def _read(reading: Reading, data: Mapping[str, Any]) -> Any:
    value: Any = data
    for key in reading.path:
        value = None if value is None else value.get(key)
    return value
