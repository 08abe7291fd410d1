import argparse
import fcntl
import os
import subprocess
import sys

from app.install import environment, machine, pages
from app.install.steps import PROJECT, Stopped, complain


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python3 -m app.install", description="Prepare this clone to run.")
    arguments.add_argument("--dev", action="store_true", help="with everything that the tests need")
    dev = arguments.parse_args().dev
    machine.need_recent_python()
    # Two terminals may say `make run` at the same moment.
    fcntl.flock(os.open(PROJECT, os.O_RDONLY), fcntl.LOCK_EX)
    try:
        environment.ensure("requirements-dev.txt" if dev else "requirements.txt")
        machine.ensure_openmp()
        if dev:
            machine.ensure_browser()
            machine.ensure_sandbox()
    except (Stopped, subprocess.CalledProcessError) as problem:
        return complain(str(problem))
    try:
        pages.ensure()
        if dev:
            pages.ensure_peers()
    except (Stopped, subprocess.CalledProcessError) as problem:
        # Everything but the pages works without them, and `make run` tries again.
        complain(f"Going on without what npm would have brought, browser pages or peers for the tests. {problem}")
    return 0


sys.exit(main())
