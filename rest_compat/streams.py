"""Answers that go on: server-sent events, and lines of JSON."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Mapping
from contextlib import aclosing
from functools import partial
from typing import Any  # GraphQL variables and contexts are open by nature.

from errors import Unauthenticated
from execution import OperationKind
from execution.departure import while_present
from execution.encoding import encode
from rest_compat.answers import Prepared
from rest_compat.dialect import EventStream, Frame
from rest_compat.exchange import Exchange
from rest_compat.frames import Framer, framed
from rest_compat.outcomes import failure_of, settled
from rest_compat.presence import Presence, present

__all__ = ["answer_events", "answer_lines"]

_BLOCK_BYTES = 64 * 1024


async def answer_events(
    prepared: Prepared, exchange: Exchange, variables: Mapping[str, Any], context: Any, framer: Framer
) -> None:
    style = prepared.dialect.events
    async with present(exchange, style, context, partial(_begun, prepared, exchange)) as presence:
        closing = style.closing
        try:
            if style.opening:
                await exchange.start(prepared.endpoint.status, prepared.headers)
                await exchange.write(_joined(style.opening, style))
            await _welcome(presence, _pump(prepared, exchange, variables, context, framer, presence))
        except Exception as error:
            # The end of the line: what failed is logged or told, and the client is never left without an end.
            failure = failure_of(error, exchange)
            if not exchange.started:
                presence.end()
                await exchange.refuse(failure)
                return
            closing = (*style.error(failure), *style.closing_after_error)
        presence.end()
        await _begun(prepared, exchange)
        await exchange.write(_joined(closing, style), more=False)


async def _welcome(presence: Presence, pumping: Coroutine[Any, Any, None]) -> None:
    try:
        await pumping
    except asyncio.CancelledError:
        if presence.was_turned_away():
            raise Unauthenticated("The key is not valid any more") from None
        raise


async def _pump(
    prepared: Prepared,
    exchange: Exchange,
    variables: Mapping[str, Any],
    context: Any,
    framer: Framer,
    presence: Presence,
) -> None:
    """Each event is written before the next is asked for: a slow reader holds up its source, not our memory."""
    async with aclosing(prepared.executor.stream(prepared.operation, variables, context)) as results:
        async for result in results:
            if result.causes or result.data is None:
                settled(result)
            if chunk := framer(result):
                if not exchange.started:
                    await exchange.start(prepared.endpoint.status, prepared.headers)
                presence.writing = True
                await exchange.write(chunk)
                presence.writing = False
                presence.wrote()


async def _begun(prepared: Prepared, exchange: Exchange) -> None:
    if not exchange.started:
        await exchange.start(prepared.endpoint.status, prepared.headers)


def _joined(frames: tuple[Frame, ...], style: EventStream) -> bytes:
    return b"".join(framed(frame, style) for frame in frames)


async def answer_lines(prepared: Prepared, exchange: Exchange, variables: Mapping[str, Any], context: Any) -> None:
    """A failure after the first line cuts the connection: half an export must not look like a whole one."""
    streams = prepared.operation.kind is OperationKind.SUBSCRIPTION
    lines = (
        _events(prepared, exchange, variables, context) if streams else _items(prepared, exchange, variables, context)
    )
    async with while_present(exchange.receive), aclosing(lines):
        block = bytearray()
        async for line in lines:
            block += encode(line) + b"\n"
            if len(block) >= _BLOCK_BYTES or streams:
                await _begun(prepared, exchange)
                await exchange.write(bytes(block))
                block.clear()
    await _begun(prepared, exchange)
    await exchange.write(bytes(block), more=False)


async def _items(
    prepared: Prepared, exchange: Exchange, variables: Mapping[str, Any], context: Any
) -> AsyncGenerator[Any, None]:
    result = await prepared.executor.run(prepared.operation, variables, context)
    data = settled(result)
    for item in data if prepared.shaper is None else prepared.shaper(data):
        yield item


async def _events(
    prepared: Prepared, exchange: Exchange, variables: Mapping[str, Any], context: Any
) -> AsyncGenerator[Any, None]:
    async with aclosing(prepared.executor.stream(prepared.operation, variables, context)) as results:
        async for result in results:
            data = settled(result)
            yield data if prepared.shaper is None else prepared.shaper(data)
