"""Tools as commands of a shell: programs in its sandbox, each of which asks us over a socket and prints the answer."""

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any  # Tool arguments are open JSON.

import orjson

from domain.agents import Tool, ToolResult
from domain.tools.sandbox import NOBODY, TOOLS
from engine import chat
from errors import PlatformError

__all__ = ["Commands", "described", "parsed"]

_SOCKET = "/run/tools.socket"
_MOST_BYTES = 1_000_000
# In Perl, which every Debian has, with or without Python.
_PROGRAM = f"""#!/usr/bin/perl
use IO::Socket::UNIX;
my ($name) = $0 =~ m{{([^/]+)$}};
my $socket = IO::Socket::UNIX->new(Peer => "{_SOCKET}/socket") or die "The tools are gone.\\n";
print $socket join("\\0", $name, @ARGV);
shutdown($socket, 1);
my $code = <$socket>;
defined $code or die "The tool gave no answer.\\n";
print while <$socket>;
exit $code;
"""


class Commands:
    """Open from `open` to `close`. Pictures and sounds that a tool returns cannot be printed: they are gathered."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self._folder: Path | None = None
        self._server: asyncio.Server | None = None
        self._answering: set[asyncio.Task[None]] = set()
        self._gathered: list[chat.Message] = []

    async def open(self) -> list[tuple[Path, str]]:
        """What the sandbox has to be shown, and where."""
        self._folder = folder = Path(tempfile.mkdtemp(prefix="palaver-"))
        programs, socket = folder / "programs", folder / "socket"
        programs.mkdir()
        socket.mkdir()
        for name in self._tools:
            (programs / name).write_text(_PROGRAM)
            (programs / name).chmod(0o755)
        self._server = await asyncio.start_unix_server(self._connected, socket / "socket", limit=_MOST_BYTES)
        if os.geteuid() == 0:
            for path in (folder, programs, socket, socket / "socket"):
                os.chown(path, NOBODY, NOBODY)
        return [(programs, TOOLS), (socket, _SOCKET)]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._answering:
            task.cancel()
        await asyncio.gather(*self._answering, return_exceptions=True)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def gathered(self) -> tuple[chat.Message, ...]:
        """What has come together since the last time."""
        messages, self._gathered = tuple(self._gathered), []
        return messages

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._answer(reader, writer))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Whoever asked may be gone by now; then nobody wants to know.
        with contextlib.suppress(OSError, asyncio.LimitOverrunError):
            try:
                asked = await reader.read(_MOST_BYTES)
                while (more := await reader.read(_MOST_BYTES)) and len(asked) < _MOST_BYTES:
                    asked += more
                name, *words = asked.decode(errors="replace").split("\0")
                code, text = await self._run(name, words)
                writer.write(f"{code}\n{text}\n".encode())
                await writer.drain()
            finally:
                writer.close()

    async def _run(self, name: str, words: Sequence[str]) -> tuple[int, str]:
        tool = self._tools.get(name)
        if tool is None:
            return 127, f"There is no tool {name}."
        if "--help" in words:
            return 0, described(tool)
        try:
            result = await tool.run(parsed(tool, words))
        except ValueError as exc:
            return 2, f"{exc}\n\n{described(tool)}"
        except PlatformError as exc:
            return 1, str(exc)
        if isinstance(result, ToolResult):
            self._gathered += result.messages
            result = result.content
        return 0, result if isinstance(result, str) else orjson.dumps(result).decode()


def described(tool: Tool) -> str:
    """As `--help` says it."""
    required = tool.parameters.get("required") or ()
    lines = [tool.description, "", f"Usage: {tool.name} [options]", "", "Options:"]
    for name, schema in _properties(tool).items():
        kind = schema.get("type") if isinstance(schema, Mapping) else None
        told = [str(schema.get("description", "")) if isinstance(schema, Mapping) else ""]
        told += ["(required)"] if name in required else []
        lines.append(f"  --{name} <{kind or 'json'}>  {' '.join(part for part in told if part)}".rstrip())
    return "\n".join([*lines, "  --help"])


def parsed(tool: Tool, words: Sequence[str]) -> dict[str, Any]:
    """The arguments that a command line means. Raises `ValueError` with what is wrong with it."""
    properties = _properties(tool)
    found: dict[str, Any] = {}
    left = list(words)
    while left:
        word = left.pop(0)
        if not word.startswith("--"):
            raise ValueError(f"{word!r} belongs to no option.")
        name, given, value = word[2:].partition("=")
        if name not in properties:
            raise ValueError(f"There is no option --{name}.")
        schema = properties[name] if isinstance(properties[name], Mapping) else {}
        kind = schema.get("type")
        if kind == "boolean" and not given:
            value = left.pop(0) if left and left[0] in ("true", "false") else "true"
        elif not given:
            if not left:
                raise ValueError(f"--{name} needs a value.")
            value = left.pop(0)
        read = _read(name, kind, value)
        if kind == "array":
            found.setdefault(name, []).extend(read)
        else:
            found[name] = read
    return found


def _read(name: str, kind: Any, value: str) -> Any:
    if kind == "string":
        return value
    try:
        read = orjson.loads(value)
    except orjson.JSONDecodeError:
        if kind in ("array", None) or isinstance(kind, list):
            read = value
        else:
            raise ValueError(f"--{name} must be of the type {kind}.") from None
    # An option that is repeated names one item each time.
    return read if kind != "array" or isinstance(read, list) else [read]


def _properties(tool: Tool) -> Mapping[str, Any]:
    found = tool.parameters.get("properties")
    return found if isinstance(found, Mapping) else {}
