"""The virtual environment: pip brings uv, uv brings the locked packages."""

from __future__ import annotations  # An older Python must get as far as being told that it is too old.

import ast
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from app.install.steps import PROJECT, Stopped, apt_install, fingerprint, is_stamped, run, say

VENV = PROJECT / ".venv"
PYTHON, UV = VENV / "bin/python", VENV / "bin/uv"


def ensure(lock: str) -> None:
    """The packages of a lock and the `palaver` command, in .venv; free when nothing has changed."""
    inputs = [PROJECT / name for name in ("requirements-setup.txt", lock, "pyproject.toml")]
    stamp = VENV / f"installed-{lock}"
    if (VENV / "bin/palaver").exists() and is_stamped(stamp, fingerprint(inputs, extra=_place())):
        return
    if not _is_whole():
        _create()
    say("Installing the installer (uv)")
    pip = (PYTHON, "-m", "pip", "install", "--disable-pip-version-check", "--quiet")
    run(*pip, "--no-deps", "--require-hashes", "-r", "requirements-setup.txt")
    say(f"Installing the packages of {lock}; the first time takes a minute or two")
    install_locked(lock)
    # Built with the setuptools that was just checked against its hash, not with one fetched for the occasion; and as a
    # path, not as a list of today's folders.
    editable = ("--no-deps", "--no-build-isolation", "--config-setting", "editable_mode=compat", "--editable", ".")
    run(UV, "pip", "install", "--python", PYTHON, "--quiet", *editable)
    stamp.write_text(fingerprint(inputs, extra=_place()))


def install_locked(lock: str, *options: str | Path) -> None:
    verified = ("--no-deps", "--require-hashes", "--no-build")
    run(UV, "pip", "install", "--python", PYTHON, *verified, *options, "-r", lock, env=uv_settings())


def site_packages() -> Path:
    return next(VENV.glob("lib/python*/site-packages"))


def uv_settings() -> dict[str, str]:
    """What pip was told about this machine's index, in uv's words; what uv was told itself stays."""
    listing = subprocess.run(
        [PYTHON, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    told: dict[str, str] = {}
    # The most particular is listed first: environment, then files.
    for line in listing.splitlines():
        name, _, value = line.partition("=")
        told.setdefault(name.rpartition(".")[2], str(ast.literal_eval(value)))
    words = {
        "index-url": "UV_DEFAULT_INDEX",
        "extra-index-url": "UV_INDEX",
        "trusted-host": "UV_INSECURE_HOST",
        "proxy": "ALL_PROXY",
        "cert": "SSL_CERT_FILE",
        "client-cert": "SSL_CLIENT_CERT",
    }
    settings = {ours: " ".join(told[theirs].split()) for theirs, ours in words.items() if theirs in told}
    if "find-links" in told:
        settings["UV_FIND_LINKS"] = ",".join(told["find-links"].split())
    # Like pip, look everywhere for each version: the hashes say which file it must be.
    settings["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    if system_certificates():
        settings["UV_SYSTEM_CERTS"] = "1"
    return {**settings, **os.environ}


def system_certificates() -> str:
    """The authorities this machine trusts: a company's own is among them, and in no bundle that comes with a tool."""
    bundles = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
    return next(filter(os.path.exists, bundles), "")


def _place() -> str:
    """Scripts in an environment name its folder, packages its Python: when one changes, all is installed again."""
    return f"{PROJECT} {PYTHON.resolve()}"


def _is_whole() -> bool:
    """Whether the environment can be added to: not after an interrupted creation, nor under another Python."""
    try:
        lines = (VENV / "pyvenv.cfg").read_text().splitlines()
    except FileNotFoundError:
        return False
    settings = dict(line.split(" = ", 1) for line in lines if " = " in line)
    same = Path(settings.get("executable", "")).resolve() == PYTHON.resolve()
    return same and os.access(PYTHON, os.X_OK) and (VENV / "bin/pip").exists()


def _create() -> None:
    say(f"Creating .venv with Python {sys.version.split()[0]}")
    problem = _try_to_create()
    # Debian keeps the half of venv that brings pip in a package of its own.
    if problem and apt_install("python3-venv"):
        problem = _try_to_create()
    if problem and importlib.util.find_spec("pip"):
        run(sys.executable, "-m", "venv", "--clear", "--without-pip", VENV)
        run(sys.executable, "-m", "pip", "install", "--quiet", "--target", site_packages(), "pip")
        (VENV / "bin/pip").touch()
    elif problem:
        raise Stopped(f"This Python cannot create an environment. On Debian: apt-get install python3-venv\n{problem}")


def _try_to_create() -> str:
    """Empty when it worked, else what Python said."""
    command = [sys.executable, "-m", "venv", "--clear", str(VENV)]
    attempt = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return attempt.stdout if attempt.returncode else ""
