"""The real server and a scripted upstream as processes of their own, for the programs here to measure."""

import asyncio
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any  # A script is open.
from urllib.request import urlopen

import psutil

from tests.upstream import upstream_process

__all__ = ["Server", "serving", "upstream_process"]

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Server:
    url: str
    process: psutil.Process
    seconds_to_ready: float

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def cpu_seconds(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def megabytes(self) -> float:
        return float(self.process.memory_info().rss / 1e6)


@asynccontextmanager
async def serving(model_url: str | None, *, data_dir: Path | None = None, **settings: Any) -> AsyncIterator[Server]:
    """Without `model_url` the embedded model answers; without `data_dir` everything begins from nothing."""
    with tempfile.TemporaryDirectory(prefix="palaver-bench-") as folder:
        environment = os.environ | {
            "PALAVER_DATA_DIR": str(data_dir or folder),
            "PALAVER_PORT": "0",
            **({"PALAVER_MODEL_BASE_URL": model_url, "PALAVER_MODEL": "bench"} if model_url else {}),
            **{f"PALAVER_{name.upper()}": str(value) for name, value in settings.items()},
        }
        began = time.perf_counter()
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "app.cli", "serve", cwd=ROOT, env=environment,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        assert child.stdout is not None
        try:
            url = await _address(child.stdout)
            await asyncio.to_thread(lambda: urlopen(f"{url}/readyz").read())
            yield Server(url, psutil.Process(child.pid), time.perf_counter() - began)
        finally:
            child.send_signal(signal.SIGINT)
            await child.wait()


async def _address(stdout: asyncio.StreamReader) -> str:
    while line := (await stdout.readline()).decode():
        if match := re.search(r"GraphQL\s+(http://\S+)/graphql$", line.strip()):
            return match[1]
    raise SystemExit("The server did not start.")
