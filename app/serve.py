"""`palaver serve`: everything around the web processes, from the database to the last line on the screen."""

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any  # asyncpg's connection parameters are an open dictionary.
from urllib.parse import parse_qs, unquote, urlsplit

import orjson
import uvicorn
from starlette.types import ASGIApp

from app.model import EMBEDDED
from app.postgres import EmbeddedPostgres
from app.runtime import Surroundings
from app.settings import Settings
from engine.local import LocalModel, provider_for
from models.database import migrate

if TYPE_CHECKING:
    from app.asgi import Palaver

__all__ = ["database_for", "say", "serve", "serve_worker", "uvicorn_config"]

_logger = logging.getLogger("palaver")

# Together with everything that is closed after the server, five seconds from Ctrl-C to the prompt.
_DRAIN_SECONDS = 2
_BACKLOG = 2048


def say(line: str) -> None:
    """To the person who started us; logs go elsewhere."""
    print(line, flush=True)


async def serve(settings: Settings, workers: int) -> int:
    began = time.perf_counter()
    # First of all: nobody waits for a database only to learn that the port is taken.
    listener = _listen(settings)
    async with AsyncExitStack() as stack:
        stack.callback(listener.close)
        credentials = await stack.enter_async_context(database_for(settings, owner=True))
        say("Database: bringing the schema up to date …")
        await migrate(credentials, progress=_migrating)
        local = await _embedded_model(settings, stack)
        if workers == 1:
            surroundings = Surroundings(credentials, local.provider(EMBEDDED) if local else None)
            return await _serve_here(settings, surroundings, listener, began)
        return await _serve_many(settings, credentials, local, listener, workers, began)


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as exc:
        listener.close()
        raise SystemExit(
            f"Cannot listen on {settings.host}:{settings.port}: {exc.strerror}."
            " Another server may run there; PALAVER_PORT names another port."
        ) from None
    listener.listen(_BACKLOG)
    listener.set_inheritable(True)
    return listener


@asynccontextmanager
async def database_for(settings: Settings, *, owner: bool = False) -> AsyncIterator[dict[str, Any]]:
    """asyncpg's parameters for the operator's database, or for the embedded one, which runs meanwhile."""
    if settings.database_url is not None:
        yield _credentials(settings.database_url.get_secret_value()) | {"maxsize": settings.database_connections}
        return
    postgres = EmbeddedPostgres(settings.data_dir.expanduser().resolve() / "postgres")
    quietly = (lambda line: None) if not owner else lambda line: say(f"Database: {line}")
    address = await (postgres.start(quietly) if owner else postgres.join(quietly))
    try:
        yield {
            "host": address.host,
            "port": address.port,
            "user": address.user,
            "password": None,
            "database": address.user,
            "maxsize": settings.database_connections,
        }
    finally:
        await postgres.stop()


def _credentials(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    if parts.scheme not in ("postgres", "postgresql"):
        raise SystemExit("DATABASE_URL must begin with postgresql://")
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    found: dict[str, Any] = {
        "host": query.pop("host", None) or parts.hostname or "localhost",
        "port": int(query.pop("port", 0)) or parts.port or 5432,
        "user": unquote(parts.username or "") or query.pop("user", "postgres"),
        "password": unquote(parts.password) if parts.password else query.pop("password", None),
        "database": unquote(parts.path.lstrip("/")) or "postgres",
    }
    if (ssl := query.pop("sslmode", None)) is not None:
        found["ssl"] = ssl
    return found


async def _embedded_model(settings: Settings, stack: AsyncExitStack) -> LocalModel | None:
    if not settings.uses_embedded_model or not settings.ai_enabled:
        return None
    local = LocalModel(max_tokens=settings.max_output_tokens)
    say("Model: starting the embedded one in the background …")
    await local.start()
    stack.push_async_callback(local.stop)
    return local


def _migrating(event: str, _app: str, name: str) -> None:
    if event == "apply_start":
        say(f"Database: applying {name} …")


# ---------------------------------------------------------------- one process


class _Server(uvicorn.Server):
    """Uvicorn's, except in how it ends.

    Long answers are ended first: they would hold it for minutes. And it does not raise the signal once more when it is
    through, because what stands around it must still be closed in order.
    """

    def __init__(self, config: uvicorn.Config, app: "Palaver") -> None:
        super().__init__(config)
        self._app = app
        self._leaving: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # What stands until the end need not be looked through again and again: it would hold up all who wait.
        gc.collect()
        gc.freeze()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for sig in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(sig, self.handle_exit, sig, None)
        yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        if self._leaving is None:
            self._leaving = asyncio.ensure_future(self._app.leave())


async def _serve_here(
    settings: Settings, surroundings: Surroundings, listener: socket.socket, began: float | None
) -> int:
    from app.asgi import create_app  # Compiles every endpoint; no other command waits for that.

    app = create_app(settings, surroundings)
    server = _Server(uvicorn_config(app, settings), app)
    started = asyncio.create_task(_announce(server, settings, listener, began)) if began is not None else None
    await server.serve(sockets=[listener])
    if started is not None:
        started.cancel()
    return 0 if server.started else 1


def uvicorn_config(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="none",
        http="httptools",
        ws="websockets-sansio",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        # What a proxy says about a client is believed by nobody here: it would make strangers local.
        proxy_headers=False,
        ws_per_message_deflate=False,
        # A little more than is accepted, so that who sends too much is told why.
        ws_max_size=2 * settings.body_limit_bytes,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
        backlog=_BACKLOG,
    )


async def _announce(server: uvicorn.Server, settings: Settings, listener: socket.socket, began: float) -> None:
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    _welcome(settings, listener.getsockname()[1], time.perf_counter() - began)


def _welcome(settings: Settings, port: int, seconds: float) -> None:
    host = "127.0.0.1" if settings.is_loopback or settings.host in ("0.0.0.0", "::") else settings.host
    here = f"http://{host}:{port}"
    key = "" if settings.trusts_this_machine else " -H 'Authorization: Bearer YOUR_KEY'"
    say(
        f"""
Palaver is ready after {seconds:.1f} s.

  GraphiQL        {here}/graphiql
  GraphQL         {here}/graphql
  REST            {here}/openapi/aegis.json
  Health          {here}/readyz

Try:  curl -N {here}/ai/chat/stream{key} -H 'Content-Type: application/json' -d '{{"message": "Say hello"}}'

Ctrl-C ends it.
"""
    )


# ---------------------------------------------------------------- many processes


@dataclass(frozen=True, slots=True)
class _Crew:
    """How each web process is started."""

    command: list[str]
    environment: dict[str, str]
    listener: int

    async def start(self) -> asyncio.subprocess.Process:
        # In a session of its own: Ctrl-C reaches only us, and we tell them.
        return await asyncio.create_subprocess_exec(
            *self.command, env=self.environment, pass_fds=[self.listener], start_new_session=True
        )


async def _serve_many(
    settings: Settings,
    credentials: dict[str, Any],
    local: LocalModel | None,
    listener: socket.socket,
    workers: int,
    began: float,
) -> int:
    with tempfile.TemporaryDirectory(prefix="palaver-metrics-") as metrics_folder:
        environment = os.environ | {
            "PALAVER_WORKER": _as_json(credentials, local, listener.fileno(), os.getpid()),
            "PROMETHEUS_MULTIPROC_DIR": metrics_folder,
        }
        crew = _Crew([sys.executable, "-m", "app.cli", "serve-one"], environment, listener.fileno())
        leaving = asyncio.Event()
        loop = asyncio.get_running_loop()
        for sig in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(sig, leaving.set)
        keepers = [asyncio.create_task(_keep_alive(crew, leaving)) for _ in range(workers)]
        ready = asyncio.create_task(_announce_crew(settings, listener, began))
        await asyncio.gather(*keepers)
        ready.cancel()
    return 0


async def _announce_crew(settings: Settings, listener: socket.socket, began: float) -> None:
    """A connection is answered as soon as the first of them is there to accept it."""
    host, port = listener.getsockname()[:2]
    reader, writer = await asyncio.open_connection("127.0.0.1" if host == "0.0.0.0" else host, port)
    writer.write(b"GET /healthz HTTP/1.0\r\n\r\n")
    await reader.read()
    writer.close()
    _welcome(settings, port, time.perf_counter() - began)


async def _keep_alive(crew: _Crew, leaving: asyncio.Event) -> None:
    """One place in the crew: whoever dies in it is replaced."""
    gone = asyncio.ensure_future(leaving.wait())
    while not leaving.is_set():
        process = await crew.start()
        ended = asyncio.ensure_future(process.wait())
        await asyncio.wait([ended, gone], return_when=asyncio.FIRST_COMPLETED)
        if leaving.is_set() and process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(ended, 4)
            except TimeoutError:
                process.kill()
                await process.wait()
        elif not leaving.is_set():
            _logger.error("web process %s ended with %s and is replaced", process.pid, process.returncode)
            await asyncio.sleep(0.5)


def _as_json(credentials: dict[str, Any], local: LocalModel | None, listener: int, parent: int) -> str:
    model = {"url": local.url, "key": local.key} if local else None
    return orjson.dumps({"database": credentials, "model": model, "listener": listener, "parent": parent}).decode()


async def serve_worker(settings: Settings) -> int:
    """One of several web processes: database, model and listening socket are the parent's."""
    told = orjson.loads(os.environ.pop("PALAVER_WORKER"))
    _end_with(told["parent"])
    model = provider_for(EMBEDDED, told["model"]["url"], told["model"]["key"]) if told["model"] else None
    listener = socket.socket(fileno=told["listener"])
    return await _serve_here(settings, Surroundings(told["database"], model), listener, None)


def _end_with(parent: int) -> None:
    """Even a parent that was killed leaves nobody behind."""

    async def watch() -> None:
        while os.getppid() == parent:  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)

    _end_with.task = asyncio.get_running_loop().create_task(watch())  # type: ignore[attr-defined]  # kept from the collector
