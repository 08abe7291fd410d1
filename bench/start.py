"""How long a start takes, from nothing and on an existing data directory, and what an idle server holds in memory.

python -m bench.start
"""

import tempfile
from pathlib import Path

import psutil
import uvloop

from bench.serving import serving


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="palaver-bench-") as folder:
        for name in ("first start, empty data directory", "second start", "third start"):
            async with serving(None, data_dir=Path(folder)) as server:
                print(f"{name:36} {server.seconds_to_ready:6.2f} s")
                family = [server.process, *server.process.children(recursive=True)]
                sizes = {process.pid: process.memory_info().rss / 1e6 for process in family}
                names = {process.pid: _name(process) for process in family}
    print(f"{'web process, idle':36} {sizes[family[0].pid]:6.0f} MB")
    for pid in sizes:
        if pid != family[0].pid and names[pid]:
            print(f"{names[pid]:36} {sizes[pid]:6.0f} MB")


def _name(process: psutil.Process) -> str:
    words = process.cmdline()
    return "embedded model" if any("local_child" in word for word in words) else ""


if __name__ == "__main__":
    uvloop.run(main())
