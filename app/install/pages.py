"""web/dist, built by the npm of this machine or by one from a wheel."""

from app.install import machine
from app.install.steps import PROJECT, fingerprint, is_stamped, run, say

WEB = PROJECT / "web"


def ensure() -> None:
    stamp = WEB / "node_modules/.built"
    ours = (path for path in WEB.rglob("*") if path.is_file() and not {"node_modules", "dist"} & set(path.parts))
    state = fingerprint(sorted(ours))
    if is_stamped(stamp, state) and (WEB / "dist").is_dir():
        return
    env = machine.with_node()
    installed, locked = WEB / "node_modules/.installed", fingerprint([WEB / "package-lock.json"])
    if not is_stamped(installed, locked):
        say("Installing what the browser pages are built from")
        run("npm", "ci", "--no-audit", "--no-fund", "--loglevel=error", cwd=WEB, env=env)
        installed.write_text(locked)
    say("Building the browser pages")
    run("npm", "run", "build", "--silent", "--", "--logLevel=warn", cwd=WEB, env=env)
    stamp.write_text(state)
