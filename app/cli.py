"""The command `palaver`."""

import asyncio
import sys
from collections.abc import Coroutine
from typing import Annotated, Any, TypeVar  # What pydantic says about errors.

import cyclopts
import orjson
import uvloop
from cyclopts import Parameter
from pydantic import ValidationError

from app import logs
from app.runtime import VERSION
from app.settings import Settings

app = cyclopts.App(name="palaver", version=VERSION, help="One self-hosted AI application platform behind one graph.")
T = TypeVar("T")

keys = cyclopts.App(name="keys", help="API keys.")
app.command(keys)


def main() -> None:
    sys.exit(app())


@app.command
def serve(*, host: str | None = None, port: int | None = None, workers: int = 1) -> int:
    """Serve everything on this machine.

    Parameters
    ----------
    host
        Where to listen; PALAVER_HOST when left out.
    port
        Where to listen; PALAVER_PORT when left out.
    workers
        How many web processes.
    """
    from app import serve as serving

    if workers < 1:
        raise SystemExit("--workers must be at least 1")
    logs.set_up()
    given = {"host": host, "port": port}
    settings = _settings(**{name: value for name, value in given.items() if value is not None})
    return _run(serving.serve(settings, workers))


@app.command(name="serve-one", show=False)
def serve_one() -> int:
    from app import serve as serving

    logs.set_up()
    return _run(serving.serve_worker(_settings()))


@app.command
def worker() -> int:
    """Do the work in the background, without serving."""
    from app import work

    logs.set_up()
    return _run(work.work(_settings()))


@app.command
def migrate() -> int:
    """Bring the database's schema up to date."""
    from app import serve as serving
    from models.database import migrate as apply

    async def run() -> int:
        async with serving.database_for(_settings()) as credentials:
            await apply(credentials, progress=lambda event, _, name: print(f"{event} {name}"))
        return 0

    return _run(run())


@app.command
def schema() -> None:
    """Print the GraphQL schema."""
    from schema import schema as graph

    print(graph.as_str())


@app.command
def routes() -> None:
    """Print a line for each REST endpoint: method, path, API, operation."""
    from app.asgi import compiled
    from rest_compat.openapi import routes as lines

    for endpoints in compiled().values():
        print("\n".join(lines(endpoints)))


@app.command
def openapi(api: str) -> None:
    """Print the OpenAPI document of one API.

    Parameters
    ----------
    api
        aegis, informedai, aivax or informer.
    """
    from app.asgi import compiled
    from rest_compat.openapi import openapi as document

    found = {dialect.name: document(dialect, endpoints) for dialect, endpoints in compiled().items()}
    if api not in found:
        raise SystemExit(f"There is no API {api!r}. There are: {', '.join(found)}")
    sys.stdout.write(orjson.dumps(found[api], option=orjson.OPT_INDENT_2).decode() + "\n")


@keys.command
def create(
    kind: str,
    *,
    label: str | None = None,
    domain: Annotated[list[str] | None, Parameter(negative=())] = None,
    source: str | None = None,
    expires_days: int | None = None,
) -> int:
    """Make a key and print it, alone; it is never shown again.

    Parameters
    ----------
    kind
        owner, sk, wsk, pak, ssk or aak.
    label
        A name to know it by.
    domain
        Whose pages may use it; may be given several times. For pak and aak.
    source
        The sync source it belongs to. For ssk.
    expires_days
        After how many days it ends.
    """
    from app.key_command import create_key

    print(_run(create_key(_settings(), kind, label, domain or [], source, expires_days)))
    return 0


def _settings(**given: Any) -> Settings:
    try:
        return Settings(**given)
    except ValidationError as exc:
        lines = [_problem(error) for error in exc.errors(include_url=False, include_input=False)]
        raise SystemExit("\n".join(lines)) from None


def _problem(error: Any) -> str:
    name = "_".join(str(part) for part in error["loc"]).upper()
    message = error["msg"].removeprefix("Value error, ")
    if not name:
        return str(message)
    return f"{name if name == 'DATABASE_URL' else f'PALAVER_{name}'}: {message}"


def _run(work: Coroutine[Any, Any, T]) -> T:
    from app.postgres import PostgresFailed
    from errors import PlatformError

    try:
        return uvloop.run(work)
    except (PlatformError, PostgresFailed) as exc:
        raise SystemExit(str(exc)) from None
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
