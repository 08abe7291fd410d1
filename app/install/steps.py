"""What every step of an installation does: say what it does, run it, and remember that it is done."""

from __future__ import annotations  # An older Python must get as far as being told that it is too old.

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


class Stopped(Exception):
    """Something that only the person at the keyboard can put right."""


def say(text: str) -> None:
    print(f"• {text}", flush=True)


def complain(text: str) -> int:
    """Returns the status that a command ends with after a complaint."""
    print(f"✗ {text}", file=sys.stderr, flush=True)
    return 1


def run(*command: str | Path, cwd: Path = PROJECT, env: Mapping[str, str] | None = None) -> None:
    subprocess.run(list(command), cwd=cwd, env=env, check=True)


def works(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def apt_install(package: str) -> bool:
    """A system package, where the system is Debian's and we may."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    say(f"Installing the system package {package}")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", package]):
        attempt = subprocess.run(["apt-get", "-qq", *command], env=env, capture_output=True, text=True, check=False)
        if attempt.returncode != 0:
            complain(attempt.stderr)
            return False
    return True


def fingerprint(files: Iterable[Path], *, extra: str = "") -> str:
    digest = hashlib.sha256(extra.encode())
    for file in files:
        digest.update(str(file.relative_to(PROJECT)).encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def is_stamped(stamp: Path, state: str) -> bool:
    return stamp.exists() and stamp.read_text() == state
