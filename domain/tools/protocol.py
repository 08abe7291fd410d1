"""Protocol functions: tools that are somebody's web addresses, called as the model calls them."""

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any  # Arguments are open JSON.
from urllib.parse import urlsplit
from uuid import UUID

import orjson

import models
from domain import chunks
from domain.agents import Tool
from domain.calling import Caller
from domain.gateways.callbacks import is_collection_query, read_collection_query
from domain.gateways.checks import check_function
from domain.gateways.parameters import ProtocolFunction
from domain.retrieval import Asked, Hit, Retrieval, Search
from domain.tools.arguments import NOTHING, check
from domain.tools.cache import Cache
from domain.tools.calling import CallFailed, call, context_of
from domain.tools.nonce import Nonces
from engine.guard import Guard
from errors import Invalid, SourceFailed, ToolFailed

__all__ = ["ProtocolFunctions", "function_of", "told"]

_logger = logging.getLogger(__name__)

_LISTING_SECONDS, _CALL_SECONDS = 15.0, 60.0
_CACHE_SECONDS, _CACHE_BYTES = 600.0, 16_000_000
_LISTING_BYTES, _RESULT_BYTES = 1_000_000, 1_000_000
_MOST_FUNCTIONS = 256
_REFERENCE_CHARACTERS = 2_000

_QUERY = {
    "type": "object",
    "properties": {"query": {"type": "string", "description": "What to look for, complete in itself."}},
    "required": ["query"],
}


class ProtocolFunctions:
    def __init__(self, guard: Guard, nonces: Nonces, retrieval: Retrieval) -> None:
        self._guard, self._nonces, self._retrieval = guard, nonces, retrieval
        self._listings: Cache[bytes] = Cache(len, most_bytes=_CACHE_BYTES)

    def tool(self, caller: Caller, function: ProtocolFunction) -> Tool:
        if is_collection_query(function.callback_url):
            return self._search(caller, function)
        schema = function.content_format or NOTHING
        return Tool(function.name, function.description, schema, partial(self._call, caller, function, schema))

    async def listed(self, caller: Caller, url: str) -> list[Tool]:
        """What a source offers. One that fails fails the answer: a model must not do with half of its tools."""
        workspace_id = caller.principal.workspace_id
        listing = await self._listings.get((workspace_id, url), _CACHE_SECONDS, partial(self._fetch, caller, url))
        return [self.tool(caller, function) for function in _functions(listing, _named(url))]

    async def _call(
        self, caller: Caller, function: ProtocolFunction, schema: Mapping[str, Any], arguments: Mapping[str, Any]
    ) -> str:
        await check(function.name, schema, arguments)
        body = {
            "type": "tool_call",
            "function": {"name": function.name, "content": arguments},
            "context": context_of(caller),
        }
        nonce = await self._nonces.headers(caller.principal.workspace_id)
        try:
            answer = await call(
                self._guard,
                "POST",
                function.callback_url,
                headers={"content-type": "application/json", **nonce},
                secret_headers=function.headers,
                body=orjson.dumps(body),
                most_bytes=_RESULT_BYTES,
                seconds=_CALL_SECONDS,
            )
        except CallFailed as exc:
            _logger.warning("protocol function %s %s", function.name, exc)
            raise ToolFailed(function.name, "is out of order") from exc
        if not answer.is_fine:
            # What a stranger's server says about its failure is nothing for a model, nor for whom it talks with.
            _logger.warning("protocol function %s answered with status %d", function.name, answer.status)
            raise ToolFailed(function.name, "is out of order")
        return answer.text

    async def _fetch(self, caller: Caller, url: str) -> bytes:
        nonce = await self._nonces.headers(caller.principal.workspace_id)
        try:
            answer = await call(
                self._guard, "GET", url, headers=nonce, most_bytes=_LISTING_BYTES, seconds=_LISTING_SECONDS, redirects=3
            )
        except CallFailed as exc:
            raise SourceFailed(_named(url), exc.reason) from exc
        if not answer.is_fine:
            raise SourceFailed(_named(url), f"answered with status {answer.status}")
        # Read once before it is kept: what makes no sense is asked for again.
        _functions(answer.content, _named(url))
        return answer.content

    # ---------------------------------------------------------------- aivax://query-collection

    def _search(self, caller: Caller, function: ProtocolFunction) -> Tool:
        wanted = read_collection_query(function.callback_url)

        async def run(arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
            await check(function.name, _QUERY, arguments)
            asked = Search(
                (arguments["query"],),
                collection_ids=(wanted.collection_id,),
                top=wanted.top,
                min_score=wanted.min_score,
                include_references=wanted.include_references,
            )
            found = await self._retrieval.search(caller.principal, asked)
            await self._retrieval.record(caller.principal, found, Asked(function.name))
            return await told(found.hits)

        return Tool(function.name, function.description, function.content_format or _QUERY, run)


async def told(hits: Sequence[Hit]) -> list[dict[str, Any]]:
    """What was found, as a model reads it."""
    documents = {document.content_id: document for hit in hits for document in hit.references}
    texts = dict(zip(documents, await chunks.texts(list(documents)), strict=True)) if documents else {}
    return [
        {"name": hit.chunk.document.name, "text": hit.chunk.text, "score": hit.score}
        | ({"references": [_reference(document, texts) for document in hit.references]} if hit.references else {})
        for hit in hits
    ]


def _reference(document: models.KnowledgeDocument, texts: Mapping[UUID, str | None]) -> dict[str, str]:
    return {"name": document.name, "text": (texts[document.content_id] or "")[:_REFERENCE_CHARACTERS]}


def _named(url: str) -> str:
    """Without what may be secret: the query of an address often is."""
    parts = urlsplit(url)
    return f"The source of protocol functions {parts.scheme}://{parts.hostname}{parts.path}"


def _functions(listing: bytes, source: str) -> list[ProtocolFunction]:
    try:
        functions = [function_of(each) for each in orjson.loads(listing)["functions"][:_MOST_FUNCTIONS]]
        for number, function in enumerate(functions):
            check_function(function, f"functions[{number}]")
    except Invalid as exc:
        raise SourceFailed(source, f"offers what cannot be used: {exc.field} {exc.problem}") from exc
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        raise SourceFailed(
            source, 'did not answer with {"functions": [{"name", "description", "callbackUrl"}]}'
        ) from exc
    return functions


def function_of(listed: Mapping[str, Any]) -> ProtocolFunction:
    """As its JSON says it. Raises what reading wrong JSON raises."""
    texts = listed["name"], listed["description"], listed["callbackUrl"]
    headers, schema = listed.get("headers") or {}, listed.get("contentFormat")
    if not all(isinstance(text, str) for text in (*texts, *headers.values())) or not isinstance(schema, dict | None):
        raise TypeError
    return ProtocolFunction(*texts, content_format=schema, headers=headers)
