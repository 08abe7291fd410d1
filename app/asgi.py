"""The table of contents of the system: what is served where, and from what it is put together."""

from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from app import metrics
from app.runtime import Runtime, Surroundings
from app.settings import Settings
from app.watch import Watch
from errors import PlatformError
from execution import Executor
from execution.allowance import Allowance
from execution.limits import Limits
from execution.persisted import read_manifest
from resolvers.context import Context, Services
from rest_compat import Dialect, Endpoint, RestApp, compile_dialect
from rest_compat import Limits as BodyLimits
from rest_compat.dialects import DIALECTS
from rest_compat.openapi import openapi
from schema import schema
from transport import CORS, GraphQLApp, HTTPProfile, TransportOptions
from transport.pages import pages

__all__ = ["Palaver", "compiled", "create_app"]

Answer = Callable[[Request], Awaitable[Response]]

_WEB = Path(__file__).resolve().parent.parent / "web" / "dist"


@dataclass(frozen=True, slots=True)
class Palaver:
    """The application, and what it holds open."""

    runtime: Runtime
    graphql: GraphQLApp
    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)

    async def leave(self) -> None:
        """End what would otherwise hold the process for minutes: answers first, so that their readers hear it."""
        await self.runtime.leave()
        self.graphql.leave()


class Front:
    """Pages and figures through Starlette, which guards what is written for it; the two ways in guard themselves.

    Two middlewares less around each token: it passes through nothing but its way in and the watch.
    """

    def __init__(self, pages: Starlette, ways_in: ASGIApp) -> None:
        self._pages, self._ways_in = pages, ways_in
        self._paths = frozenset(route.path for route in pages.routes if isinstance(route, Route))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] == "lifespan" or path in self._paths or path.startswith("/assets/"):
            await self._pages(scope, receive, send)
        else:
            await self._ways_in(scope, receive, send)


def create_app(settings: Settings, surroundings: Surroundings) -> Palaver:
    runtime = Runtime(settings, surroundings)
    executor = _executor(settings)

    services = _services(runtime)

    async def open_context(connection: HTTPConnection, key: str | None) -> Context:
        return Context(await runtime.authenticate(connection, key), services)

    async def still_valid(context: Context) -> bool:
        return await runtime.keys.still_opens(context.principal)

    graphql = GraphQLApp(executor, open_context, _transport(settings), still_valid=still_valid)
    endpoints = compiled()
    rest = RestApp(
        endpoints,
        executor=executor,
        open_context=open_context,
        limits=_bodies(settings),
        still_valid=still_valid,
    )

    def recheck() -> None:
        graphql.recheck()
        rest.recheck()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with runtime:
            runtime.keys.when_revoked = recheck
            yield

    def api_of(path: str) -> str:
        if path.startswith("/graphql"):
            return "graphql"
        dialect = rest.owns(path)
        return dialect.name if dialect else "server"

    app = Starlette(
        lifespan=lifespan,
        routes=[
            *pages(_WEB, {dialect.name: dialect.title for dialect in endpoints}),
            *(_document(dialect, found) for dialect, found in endpoints.items()),
            Route("/healthz", _alive),
            Route("/readyz", _readiness(runtime)),
            Route("/metrics", _figures(runtime)),
        ],
    )
    return Palaver(runtime, graphql, Watch(Front(app, Router(graphql.routes, default=rest)), api_of))


def _services(runtime: Runtime) -> Services:
    return Services(
        turns=runtime.turns,
        service=runtime.service,
        retrieval=runtime.retrieval,
        ingestion=runtime.ingestion,
        providers=runtime.providers,
        gateways=runtime.gateways,
        skills=runtime.skills,
        completions=runtime.completions,
        accounts=runtime.accounts,
        issuing=runtime.issuing,
        budgets=runtime.budgets,
        published=runtime.published,
    )


@cache
def compiled() -> Mapping[Dialect, tuple[Endpoint, ...]]:
    """Every REST endpoint; raises with every mistake when one of them does not fit the graph."""
    return {dialect: compile_dialect(dialect, schema._schema) for dialect in DIALECTS}


async def _alive(request: Request) -> Response:
    return JSONResponse({"status": "alive"})


def _readiness(runtime: Runtime) -> Answer:
    async def ready(request: Request) -> Response:
        try:
            await runtime.check()
        except PlatformError as exc:
            return JSONResponse({"status": "not ready", "reason": str(exc)}, 503, {"retry-after": "1"})
        return JSONResponse({"status": "ready"})

    return ready


def _figures(runtime: Runtime) -> Answer:
    async def figures(request: Request) -> Response:
        runtime.observe()
        return Response(metrics.exposition(), media_type=metrics.MEDIA_TYPE)

    return figures


def _document(dialect: Dialect, endpoints: tuple[Endpoint, ...]) -> Route:
    content = openapi(dialect, endpoints)

    async def document(request: Request) -> Response:
        return JSONResponse(content, headers={"access-control-allow-origin": "*"})

    return Route(f"/openapi/{dialect.name}.json", document)


def _executor(settings: Settings) -> Executor:
    known = read_manifest(settings.trusted_documents) if settings.trusted_documents else {}
    return Executor(
        schema,
        limits=_limits(settings),
        trusted=known,
        only_trusted=settings.trusted_documents_only,
        tell_cost=settings.graphql_tell_cost,
        spend=_allowance(settings),
    )


def _allowance(settings: Settings) -> Allowance | None:
    if not settings.graphql_allowance:
        return None
    return Allowance(_payer, most=settings.graphql_allowance, per_second=settings.graphql_allowance_per_second)


def _payer(context: Context) -> Hashable:
    return context.principal.key_id or context.principal.kind


def _limits(settings: Settings) -> Limits:
    return Limits(
        page_size=settings.graphql_page_size,
        depth=settings.graphql_depth,
        cost=settings.graphql_cost,
        tokens=settings.graphql_tokens,
        fields=settings.graphql_fields,
        aliases=settings.graphql_aliases,
        directives=settings.graphql_directives,
        root_fields=settings.graphql_root_fields,
        introspection=settings.graphql_introspection,
        suggestions=settings.graphql_introspection,
        query_seconds=settings.graphql_query_timeout_seconds,
        event_seconds=settings.graphql_event_timeout_seconds,
        # A plain answer takes as long as its turn does.
        mutation_seconds=settings.turn_timeout_seconds + 30,
    )


def _transport(settings: Settings) -> TransportOptions:
    return TransportOptions(
        http_profile=HTTPProfile(settings.graphql_http_profile),
        cors=CORS(settings.cors_origins),
        body_bytes=settings.body_limit_bytes,
        batch_size=settings.graphql_batch_size,
        upload_total_bytes=settings.upload_limit_bytes,
        upload_file_bytes=settings.upload_limit_bytes,
        message_bytes=settings.body_limit_bytes,
    )


def _bodies(settings: Settings) -> BodyLimits:
    return BodyLimits(json_bytes=settings.rest_body_limit_bytes, upload_bytes=settings.upload_limit_bytes)
