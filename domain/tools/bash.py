"""The tool `shell`: commands in a sandbox, whose files last as long as the answer, or until the person comes back."""

import asyncio
import contextlib
import hashlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any  # Tool arguments are open JSON.
from weakref import WeakValueDictionary

from domain.agents import Tool, ToolResult
from domain.calling import Caller
from domain.gateways.parameters import BashOptions, ToolExclusion
from domain.tools import sandbox
from domain.tools.arguments import check
from domain.tools.commands import Commands
from domain.tools.sandbox import DEFAULT_LIMITS, Died, Limits, Ran, Sandbox
from errors import NotConfigured, ToolFailed

__all__ = ["SHELL", "Shells"]

SHELL = "shell"
_RESERVED = frozenset({SHELL, "read_skill"})

_MOST_CHARACTERS = 4_096
_AT_ONCE = 8
_ARCHIVE = "tar -c -f - . 2>/dev/null"

_PARAMETERS: Mapping[str, Any] = {
    "type": "object",
    "properties": {"command": {"type": "string", "minLength": 1, "description": "What bash is to run."}},
    "required": ["command"],
}


class Shells:
    """The shells of this process. Workspaces that are kept lie in the folder, one archive for each person."""

    def __init__(self, folder: Path | None = None, limits: Limits = DEFAULT_LIMITS) -> None:
        self._folder, self._limits = folder, limits
        self._places = asyncio.Semaphore(_AT_ONCE)
        # Of people whose workspace is in use: one command at a time changes it.
        self._locks: WeakValueDictionary[Path, asyncio.Lock] = WeakValueDictionary()

    def equipped(
        self, caller: Caller, options: BashOptions | None, tools: Sequence[Tool], closing: AsyncExitStack
    ) -> list[Tool]:
        """The shell, and those of the tools that are no commands of it."""
        if (reason := sandbox.missing()) is not None:
            raise NotConfigured(f"This gateway has a shell, and there can be none: {reason}")
        options = options or BashOptions()
        inside = [tool for tool in tools if _is_command(tool, options)]
        place = self._place(caller) if options.allow_data_persistence else None
        shell = _Shell(self, self._limits, place, inside)
        closing.push_async_callback(shell.close)
        return [shell.tool(), *(tool for tool in tools if tool not in inside)]

    async def take_place(self) -> None:
        if self._places.locked():
            raise ToolFailed(SHELL, "has no room for another sandbox now")
        await self._places.acquire()

    def give_place_back(self) -> None:
        self._places.release()

    def lock_of(self, place: Path) -> asyncio.Lock:
        return self._locks.setdefault(place, asyncio.Lock())

    def _place(self, caller: Caller) -> Path | None:
        """Nowhere for somebody whom nobody named: what they keep would be everybody's."""
        if self._folder is None or not caller.external_user:
            return None
        # What people are called is for their makers to say; no file has such a name.
        name = hashlib.sha256(caller.external_user.encode()).hexdigest()
        return self._folder / str(caller.principal.workspace_id) / f"{name}.tar"


class _Shell:
    """Of one answer. Its sandbox is made with the first command."""

    def __init__(self, shells: Shells, limits: Limits, place: Path | None, commands: Sequence[Tool]) -> None:
        self._shells, self._limits, self._place = shells, limits, place
        self._inside = commands
        self._commands = Commands(commands)
        self._shown: list[tuple[Path, str]] = []
        self._sandbox: Sandbox | None = None
        self._lock = asyncio.Lock() if place is None else shells.lock_of(place)
        self._has_place = False
        # Which state of the kept workspace the sandbox has: somebody else may have changed it since.
        self._seen: object = None

    def tool(self) -> Tool:
        told = [
            "Runs a command in bash, in a Linux sandbox without a network. The folder it begins in is your workspace,"
            f" and the only one where files stay. A command has {self._limits.seconds} seconds, and of what it prints"
            f" you read {_MOST_CHARACTERS:,} characters."
        ]
        if self._inside:
            told.append("These are commands too; call one with --help for its options:")
            told += [f"- {tool.name}: {tool.description}" for tool in self._inside]
        return Tool(SHELL, "\n".join(told), _PARAMETERS, self._run)

    async def close(self) -> None:
        if self._sandbox is not None:
            await self._sandbox.close()
        await self._commands.close()
        if self._has_place:
            self._has_place = False
            self._shells.give_place_back()

    async def _run(self, arguments: Mapping[str, Any]) -> ToolResult:
        await check(SHELL, _PARAMETERS, arguments)
        command: str = arguments["command"]
        if "\0" in command or len(command.encode(errors="replace")) > sandbox.MOST_COMMAND_BYTES:
            raise ToolFailed(SHELL, f"takes at most {sandbox.MOST_COMMAND_BYTES:,} bytes, none of which is zero")
        async with self._lock:
            try:
                running = await self._open()
                ran = await running.run(command, most_bytes=4 * _MOST_CHARACTERS)
                kept = await self._keep(running)
            except Died as exc:
                gone = "" if self._place else " The workspace is empty again"
                raise ToolFailed(SHELL, f"ended with its sandbox, which {exc.reason}.{gone}".rstrip(".")) from exc
        return ToolResult("\n".join([*_told(ran, self._limits), *kept]), self._commands.gathered())

    async def _open(self) -> Sandbox:
        state = await asyncio.to_thread(_state_of, self._place)
        if self._sandbox is not None and self._sandbox.is_open and state == self._seen:
            return self._sandbox
        if self._sandbox is not None:
            await self._sandbox.close()
        if not self._has_place:
            await self._shells.take_place()
            self._has_place = True
        if self._inside and not self._shown:
            self._shown = await self._commands.open()
        home = await asyncio.to_thread(_read, self._place)
        self._sandbox = await Sandbox.start(self._limits, shown=self._shown, home=home)
        self._seen = state
        return self._sandbox

    async def _keep(self, running: Sandbox) -> list[str]:
        """The workspace as it is after a command. It is never unpacked out here: an archive leads nowhere."""
        if self._place is None:
            return []
        most = self._limits.home_bytes + 16_000_000
        await asyncio.to_thread(self._place.parent.mkdir, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._place.parent)
        taken = 0
        try:
            with os.fdopen(handle, "wb") as file:

                def take(piece: bytes) -> None:
                    nonlocal taken
                    taken += len(piece)
                    if taken <= most:
                        file.write(piece)

                code = await running.feed(_ARCHIVE, take)
            if code != 0 or taken > most:
                return ["[The workspace could not be kept as it is now.]"]
            os.replace(name, self._place)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)
        self._seen = await asyncio.to_thread(_state_of, self._place)
        return []


def _told(ran: Ran, limits: Limits) -> list[str]:
    text = ran.output.decode(errors="replace").rstrip("\n")
    told = [text[:_MOST_CHARACTERS]] if text else []
    if ran.is_cut or len(text) > _MOST_CHARACTERS:
        told.append(f"[What follows is left out after {_MOST_CHARACTERS:,} characters.]")
    if ran.timed_out:
        told.append(f"[Stopped after {limits.seconds} seconds.]")
    elif ran.code != 0:
        told.append(f"[Exit code {ran.code}]")
    return told or ["[No output]"]


def _is_command(tool: Tool, options: BashOptions) -> bool:
    if tool.name in _RESERVED:
        return False
    is_listed = tool.name in options.tool_list
    return is_listed if options.tool_exclusion_mode is ToolExclusion.WHITE_LIST else not is_listed


def _state_of(place: Path | None) -> object:
    try:
        found = None if place is None else place.stat()
    except FileNotFoundError:
        return None
    return found and (found.st_ino, found.st_mtime_ns, found.st_size)


def _read(place: Path | None) -> bytes:
    try:
        return b"" if place is None else place.read_bytes()
    except FileNotFoundError:
        return b""
