"""A place to run what a model wrote: no network, nothing of ours to read, nothing to write that stays.

It is made by bubblewrap of the kernel's own namespaces. Only the programs of this machine are seen in it, read-only;
all that can be written lies in memory, has a size, and is gone with the sandbox. Commands run one after the other, and
what one leaves running is killed before the next.
"""

import asyncio
import contextlib
import os
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

__all__ = [
    "DEFAULT_LIMITS",
    "HOME",
    "MOST_COMMAND_BYTES",
    "NOBODY",
    "TOOLS",
    "Died",
    "Limits",
    "Ran",
    "Sandbox",
    "missing",
]

HOME = "/home/workspace"
# What is shown here are commands in there.
TOOLS = "/run/tools"
# Whom programs in it run as when we are root, whom no limit of processes would bind.
NOBODY = 65534
_ROOTS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_START_SECONDS = 10.0
_LOOK_SECONDS = 0.25
_KILLED = 128 + 9
# Each byte of a command costs the shell a call; and no argument of a program may be longer than this.
MOST_COMMAND_BYTES = 100_000

_RUNNER = f"""
ulimit -c 0 -d "$1" -f "$2" -u "$3" -n 256 || exit 1
echo 1000 >/proc/self/oom_score_adj
if [ "$5" -gt 0 ]; then head -c "$5" | tar -x --no-same-owner -C {HOME} || exit 1; fi
echo ready
while IFS= read -r -d '' mark && IFS= read -r -d '' command; do
  timeout --signal=KILL "$4" env PATH="{TOOLS}:$PATH" "$BASH" -c "$command" </dev/null 2>&1
  code=$?
  kill -KILL -1 2>/dev/null
  printf '%s %d\\n' "$mark" "$code"
done
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one sandbox. Memory is what its programs have together; each may ask for as much as `data_bytes`."""

    seconds: int = 30
    memory_bytes: int = 1_000_000_000
    data_bytes: int = 512 * 1024 * 1024
    home_bytes: int = 128_000_000
    processes: int = 64


DEFAULT_LIMITS = Limits()


class Died(Exception):
    """The sandbox is gone, and what was in it; `reason` says why, as far as we know."""

    def __init__(self, reason: str = "was ended") -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Ran:
    output: bytes
    code: int
    is_cut: bool = False
    timed_out: bool = False


class Sandbox:
    """Open from `start` to `close`. `shown` are folders of ours that can be read in it, by where they appear."""

    def __init__(self, process: asyncio.subprocess.Process, limits: Limits) -> None:
        self._process, self._limits = process, limits
        self._reason = "was ended"
        self._is_killed = False

    @classmethod
    async def start(
        cls, limits: Limits = DEFAULT_LIMITS, *, shown: Sequence[tuple[Path, str]] = (), home: bytes = b""
    ) -> "Sandbox":
        """`home` is a tar archive of what lies in its home when it starts."""
        process = await asyncio.create_subprocess_exec(
            *_command(limits, shown, len(home)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        made = cls(process, limits)
        try:
            async with asyncio.timeout(_START_SECONDS):
                await made._send(home)
                line = await made._stdout.readline()
        except (TimeoutError, OSError):
            line = b""
        except BaseException:
            await made.close()
            raise
        if line != b"ready\n":
            await made.close()
            raise Died(f"did not start: {line.decode(errors='replace').strip() or 'no reason was given'}")
        return made

    @property
    def pid(self) -> int:
        """Of the process out here that holds it."""
        return self._process.pid

    @property
    def is_open(self) -> bool:
        return not self._is_killed and self._process.returncode is None

    async def run(self, command: str, *, most_bytes: int) -> Ran:
        """What the command wrote, up to so many bytes."""
        kept = bytearray()
        is_cut = False

        def keep(piece: bytes) -> None:
            nonlocal is_cut
            room = most_bytes - len(kept)
            kept.extend(piece[:room])
            is_cut = is_cut or len(piece) > room

        began = time.monotonic()
        code = await self.feed(command, keep)
        timed_out = code == _KILLED and time.monotonic() - began >= self._limits.seconds
        return Ran(bytes(kept), code, is_cut, timed_out)

    async def feed(self, command: str, take: Callable[[bytes], object]) -> int:
        """Gives out what the command writes while it does; its exit code is the answer."""
        mark = secrets.token_hex(16).encode()
        watching = asyncio.create_task(self._watch(), name="sandbox")
        try:
            # The shell in there stops it when its time is over; if it cannot any more, so do we.
            async with asyncio.timeout(self._limits.seconds + 5):
                await self._send(mark + b"\0" + command.encode() + b"\0")
                return await self._take_until(mark, take)
        except TimeoutError as exc:
            await self.close()
            raise Died("took too long") from exc
        except OSError as exc:
            raise Died(self._reason) from exc
        except asyncio.CancelledError:
            # Somebody left in the middle: nobody knows what it would do next.
            self._kill()
            raise
        finally:
            watching.cancel()

    async def close(self) -> None:
        """Safe to call twice."""
        self._kill()
        # Whatever still stands in the pipe would keep it open.
        self._process._transport.close()  # type: ignore[attr-defined]  # there is no public way
        await self._process.wait()

    async def _take_until(self, mark: bytes, take: Callable[[bytes], object]) -> int:
        end = re.compile(re.escape(mark) + rb" (\d+)\n")
        held, longest = b"", len(mark) + 5
        while True:
            piece = await self._stdout.read(65_536)
            if not piece:
                raise Died(self._reason)
            held += piece
            if (found := end.search(held)) is not None:
                take(held[: found.start()])
                return int(found[1])
            # What is left may be the beginning of the end.
            take(held[:-longest])
            held = held[-longest:]

    async def _send(self, content: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(content)
        await self._process.stdin.drain()

    @property
    def _stdout(self) -> asyncio.StreamReader:
        assert self._process.stdout is not None
        return self._process.stdout

    def _kill(self) -> None:
        """All of it: with the first process of its namespace the kernel ends every other."""
        self._is_killed = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, 9)

    async def _watch(self) -> None:
        """The kernel limits what one program takes; what they take together is for us to see."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if await asyncio.to_thread(_memory_of, self._process.pid) > self._limits.memory_bytes:
                self._reason = "used too much memory"
                self._kill()
                return


def _memory_of(pid: int) -> int:
    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in psutil.Process(pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
    return total


def _command(limits: Limits, shown: Sequence[tuple[Path, str]], home_bytes: int) -> list[str]:
    as_nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if os.geteuid() == 0 else []
    return [
        *as_nobody,
        "bwrap",
        *("--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session"),
        *("--uid", "1000", "--gid", "1000", "--hostname", "sandbox", "--cap-drop", "ALL"),
        *("--clearenv", "--setenv", "HOME", HOME, "--setenv", "LANG", "C.UTF-8", "--setenv", "TERM", "dumb"),
        *("--setenv", "PATH", "/usr/local/bin:/usr/bin:/bin"),
        *_programs(),
        *("--proc", "/proc", "--dev", "/dev", "--size", "16000000", "--tmpfs", "/dev/shm", "--remount-ro", "/dev"),
        *("--size", "64000000", "--tmpfs", "/tmp"),
        *("--size", str(limits.home_bytes), "--tmpfs", HOME, "--chdir", HOME),
        *[part for here, there in shown for part in ("--ro-bind", str(here), there)],
        *("--remount-ro", "/"),
        *("nice", "-n", "10", "bash", "-c", _RUNNER, "runner"),
        # In kilobytes, as the shell counts.
        *(str(limits.data_bytes // 1024), str(limits.home_bytes // 1024), str(limits.processes)),
        *(str(limits.seconds), str(home_bytes)),
    ]


def _programs() -> list[str]:
    """/usr, and the folders that are in it on newer machines and beside it on older ones."""
    found = ["--ro-bind", "/usr", "/usr"]
    for name in _ROOTS:
        root = Path("/", name)
        if root.is_symlink():
            found += ["--symlink", os.readlink(root).lstrip("/"), str(root)]
        elif root.is_dir():
            found += ["--ro-bind", str(root), str(root)]
    for path in ("/etc/alternatives", "/etc/ld.so.cache"):
        found += ["--ro-bind-try", path, path]
    return found


@cache
def missing() -> str | None:
    """Why there is no sandbox on this machine, without the end of its sentence; tried once, and really."""
    for program in ("bwrap", "setpriv", "bash", "timeout", "tar"):
        if shutil.which(program) is None:
            package = "bubblewrap" if program == "bwrap" else program
            return f"commands run in a sandbox, which needs {package}, and that is not installed"
    try:
        tried = subprocess.run(
            _command(DEFAULT_LIMITS, (), 0),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_START_SECONDS,
            text=True,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        return f"commands run in a sandbox, and none can be made: {exc}"
    if tried.stdout == "ready\n":
        return None
    reason = tried.stderr.strip().splitlines()[-1:] or ["it gave no reason"]
    return f"commands run in a sandbox, and this machine permits none: {reason[0]}"
