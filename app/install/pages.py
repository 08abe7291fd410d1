"""What npm brings: web/dist, and the programs of others that the tests hold ours against."""

from pathlib import Path

from app.install import machine
from app.install.steps import PROJECT, fingerprint, is_stamped, run, say

WEB = PROJECT / "web"
PEERS = PROJECT / "tests/transport/peers"


def ensure() -> None:
    """The browser pages, built when their sources have changed."""
    stamp = WEB / "node_modules/.built"
    ours = (path for path in WEB.rglob("*") if path.is_file() and not {"node_modules", "dist"} & set(path.parts))
    state = fingerprint(sorted(ours))
    if is_stamped(stamp, state) and (WEB / "dist").is_dir():
        return
    _packages("Installing what the browser pages are built from", WEB)
    say("Building the browser pages")
    run("npm", "run", "build", "--silent", "--", "--logLevel=warn", cwd=WEB, env=machine.with_node())
    stamp.write_text(state)


def ensure_peers() -> None:
    _packages("Installing GraphQL clients and servers for the tests", PEERS)


def _packages(reason: str, folder: Path) -> None:
    stamp, state = folder / "node_modules/.installed", fingerprint([folder / "package-lock.json"])
    if is_stamped(stamp, state):
        return
    env = machine.with_node()
    say(reason)
    run("npm", "ci", "--no-audit", "--no-fund", "--loglevel=error", cwd=folder, env=env)
    stamp.write_text(state)
