"""From the bytes of an HTTP request to the GraphQL requests in it."""

from asyncio import timeout
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import orjson
from starlette.datastructures import Headers
from starlette.types import Receive

from execution import Request
from execution.departure import Departed
from transport.negotiation import JSON, media_type
from transport.options import HTTPProfile, TransportOptions
from transport.refusals import Rejected

__all__ = ["check_type", "chunks", "ill_formed", "parse", "read", "read_query_string", "read_request", "read_requests"]


@asynccontextmanager
async def arriving(seconds: float) -> AsyncIterator[None]:
    try:
        async with timeout(seconds):
            yield
    except TimeoutError as exc:
        raise Rejected(408, f"The body did not arrive within {seconds:g} seconds.") from exc


async def chunks(receive: Receive, headers: Headers, limit: int) -> AsyncIterator[bytes]:
    """The body as it arrives, refused as soon as it is known to be too long."""
    declared = headers.get("content-length", "")
    if declared.isdecimal() and (len(declared) > 18 or int(declared) > limit):
        raise too_large(limit)
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Departed
        more = message.get("more_body", False)
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise too_large(limit)
        yield chunk


def too_large(limit: int) -> Rejected:
    # The connection stays open: closed with the rest of the body on its way, it would be reset, and this never read.
    return Rejected(413, f"The body is larger than {limit:,} bytes.")


async def read(receive: Receive, headers: Headers, options: TransportOptions) -> bytes:
    async with arriving(options.body_seconds):
        return b"".join([chunk async for chunk in chunks(receive, headers, options.body_bytes)])


def check_type(headers: Headers) -> str:
    """The media type of a body we can read. Forms are refused: any page may send those without asking first."""
    name, parameters = media_type(headers.get("content-type", ""))
    if name not in (JSON, "multipart/form-data"):
        raise Rejected(415, "Send the request as application/json.", headers={"accept": JSON})
    if parameters.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        raise Rejected(415, "Send the request in UTF-8.", headers={"accept": f"{JSON}; charset=utf-8"})
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise Rejected(415, "Send the body without Content-Encoding.", headers={"accept-encoding": "identity"})
    return name


def parse(text: bytes | str, what: str = "body") -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        raise Rejected(400, f"The {what} is not JSON: {exc}.") from exc


def ill_formed(message: str, options: TransportOptions) -> Rejected:
    return Rejected(422 if options.http_profile is HTTPProfile.DRAFT_2026 else 400, message)


def read_request(value: object, options: TransportOptions) -> Request:
    """The parameters of one GraphQL request, each of the type it must have."""
    if not isinstance(value, dict):
        raise ill_formed("A GraphQL request is a JSON object with a `query`.", options)
    document, document_id = _text(value, "query", options), _text(value, "documentId", options)
    extensions = _object(value, "extensions", options)
    if document is None and document_id is None and not extensions.get("persistedQuery"):
        raise ill_formed("A GraphQL request needs a `query`.", options)
    # An empty name is what forms and query strings have for none.
    name = _text(value, "operationName", options) or None
    return Request(document, name, _object(value, "variables", options), extensions, document_id)


def _text(value: dict[str, object], key: str, options: TransportOptions) -> str | None:
    member = value.get(key)
    if member is not None and not isinstance(member, str):
        raise ill_formed(f"`{key}` must be a string.", options)
    return member


def _object(value: dict[str, object], key: str, options: TransportOptions) -> Mapping[str, object]:
    member = value.get(key)
    if member is None:
        return {}
    if not isinstance(member, dict):
        raise ill_formed(f"`{key}` must be an object.", options)
    return member


def read_requests(value: object, options: TransportOptions) -> Request | list[Request]:
    if not isinstance(value, list):
        return read_request(value, options)
    if not options.batch_size:
        raise ill_formed("Batches are not accepted here; send one request.", options)
    if not 0 < len(value) <= options.batch_size:
        raise ill_formed(f"A batch holds 1 to {options.batch_size} requests.", options)
    return [read_request(item, options) for item in value]


def read_query_string(parameters: Mapping[str, str], options: TransportOptions) -> Request:
    value: dict[str, object] = {
        key: parameters[key] for key in ("query", "operationName", "documentId") if key in parameters
    }
    for key in ("variables", "extensions"):
        if parameters.get(key):
            value[key] = parse(parameters[key], f"parameter `{key}`")
    return read_request(value, options)
