"""Everything that a program could try to get out of its sandbox, or to take what is not its own. Really run."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from domain.tools import sandbox
from domain.tools.sandbox import DEFAULT_LIMITS, Died, Limits, Sandbox

pytestmark = pytest.mark.skipif(sandbox.missing() is not None, reason=str(sandbox.missing()))


@pytest.fixture
async def box() -> AsyncIterator[Sandbox]:
    opened = await Sandbox.start()
    try:
        yield opened
    finally:
        await opened.close()


async def said(box: Sandbox, command: str, most_bytes: int = 10_000) -> str:
    return (await box.run(command, most_bytes=most_bytes)).output.decode()


async def test_runs_commands_one_after_the_other(box: Sandbox) -> None:
    first = await box.run("echo one > file; echo $((6 * 7)); echo wrong >&2; exit 3", most_bytes=100)

    assert (first.output, first.code) == (b"42\nwrong\n", 3)
    assert await said(box, "cat file; pwd") == "one\n/home/workspace\n"


async def test_sees_nothing_of_ours(box: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2")
    own = Path(__file__).parent.parent.parent.parent

    seen = await said(
        box, f"cat {tmp_path}/secret; ls {own}; ls /root /home /var /etc/passwd /etc/shadow /proc/1/root/root; env"
    )

    assert "hunter2" not in seen
    assert "pyproject.toml" not in seen
    assert "DATABASE_URL" not in seen
    assert await said(box, "ls /; ls /home") == await said(box, "ls /; echo workspace")


async def test_has_no_network(box: Sandbox) -> None:
    """Not even this machine's own, where a database may listen."""
    listener = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        tried = await box.run(f"exec 3<>/dev/tcp/127.0.0.1/{port}", most_bytes=1_000)
        abroad = await box.run("exec 3<>/dev/tcp/1.1.1.1/53", most_bytes=1_000)

    assert tried.code != 0
    assert abroad.code != 0
    assert await said(box, "grep -c : /proc/net/dev") == "1\n"


@pytest.mark.parametrize(
    "path", ["/x", "/usr/x", "/usr/bin/x", "/dev/x", "/proc/sys/kernel/x", "/run/tools/x", "/home/x", "/etc/x"]
)
async def test_writes_nowhere_else(box: Sandbox, path: str) -> None:
    assert (await box.run(f"echo x > {path}", most_bytes=1_000)).code != 0


async def test_has_no_rights(box: Sandbox) -> None:
    status = await said(box, "grep -E 'CapEff|CapBnd|NoNewPrivs|Seccomp:' /proc/self/status | tr -d '\\t'")

    assert "CapEff:0000000000000000\nCapBnd:0000000000000000\nNoNewPrivs:1\n" in status
    assert (await box.run("unshare -U true", most_bytes=1_000)).code != 0
    assert (await box.run("mount -t tmpfs none /tmp", most_bytes=1_000)).code != 0


async def test_sees_no_other_processes(box: Sandbox) -> None:
    pids = await said(box, "ls /proc | grep -c '^[0-9]'")

    assert int(pids) < 10
    assert (await box.run(f"kill -9 {os.getpid()}", most_bytes=1_000)).code != 0


async def test_a_fork_bomb_harms_nobody(box: Sandbox) -> None:
    before = len(psutil.pids())

    await box.run(":(){ :|:& };:", most_bytes=1_000)

    assert len(psutil.pids()) - before < 100
    assert await said(box, "echo still here") == "still here\n"


async def test_leaves_nothing_running(box: Sandbox) -> None:
    await box.run("(setsid sleep 1000 &) ; nohup sleep 1000 & disown", most_bytes=1_000)

    assert await said(box, "pgrep sleep | wc -l") == "0\n"


async def test_stops_what_takes_too_long() -> None:
    box = await Sandbox.start(replace(DEFAULT_LIMITS, seconds=1))
    try:
        ran = await box.run("echo begun; trap '' TERM INT; sleep 100", most_bytes=100)

        assert (ran.output.partition(b"\n")[0], ran.timed_out) == (b"begun", True)
        assert await said(box, "echo next") == "next\n"
    finally:
        await box.close()


async def test_takes_no_endless_output() -> None:
    box = await Sandbox.start(replace(DEFAULT_LIMITS, seconds=1))
    try:
        ran = await box.run("yes", most_bytes=1_000)

        assert (len(ran.output), ran.is_cut) == (1_000, True)
    finally:
        await box.close()


async def test_one_program_has_so_much_memory(box: Sandbox) -> None:
    ran = await box.run("python3 -c 'bytearray(600 << 20)' || perl -e '$x = \"x\" x (600 << 20)'", most_bytes=10_000)

    assert ran.code != 0


async def test_all_together_have_so_much_memory() -> None:
    box = await Sandbox.start(Limits(memory_bytes=100_000_000))
    try:
        with pytest.raises(Died, match="too much memory"):
            await box.run(
                """for i in 1 2 3; do perl -e '$x = "x" x (60 << 20); sleep 20' & done; wait""", most_bytes=10
            )
    finally:
        await box.close()


async def test_the_disk_is_small(box: Sandbox) -> None:
    for folder in ("/tmp", "/dev/shm", "."):
        ran = await box.run(f"head -c 200000000 /dev/zero > {folder}/big", most_bytes=1_000)
        assert ran.code != 0

    assert int(await said(box, "du -sb /home/workspace | cut -f1")) < 130_000_000


async def test_commands_cannot_speak_for_the_shell(box: Sandbox) -> None:
    """What looks like the end of a command is not, as long as nobody knows the mark."""
    assert await said(box, "printf '%032x 0\\n' 1; echo more") == f"{1:032x} 0\nmore\n"


async def test_closing_ends_everything() -> None:
    box = await Sandbox.start()
    begun = asyncio.Event()
    running = asyncio.create_task(box.feed("seq 1000; sleep 1000", lambda piece: begun.set() if piece else None))
    await asyncio.wait_for(begun.wait(), 5)
    inside = psutil.Process(box.pid).children(recursive=True)

    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await box.close()
    await box.close()

    _, alive = await asyncio.to_thread(psutil.wait_procs, inside, 5)
    assert (len(inside) >= 3, alive, box.is_open) == (True, [], False)


async def test_a_dead_sandbox_says_so(box: Sandbox) -> None:
    await box.close()

    with pytest.raises(Died):
        await box.run("echo", most_bytes=10)


@pytest.mark.parametrize("program", ["bwrap", "setpriv"])
def test_says_what_is_missing(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    there = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == program else there(name))

    reason = sandbox.missing.__wrapped__()

    assert reason is not None
    assert "not installed" in reason


def test_says_what_is_not_permitted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_command", lambda *_: ["sh", "-c", "echo 'No permissions to create a namespace' >&2"])

    assert sandbox.missing.__wrapped__() == (
        "commands run in a sandbox, and this machine permits none: No permissions to create a namespace"
    )
