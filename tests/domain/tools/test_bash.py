import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any  # Tool arguments are open JSON.

import pytest

from domain.agents import Tool, ToolResult
from domain.calling import Caller
from domain.gateways.parameters import BashOptions, ToolExclusion
from domain.tools import bash, sandbox
from domain.tools.bash import Shells
from domain.tools.sandbox import DEFAULT_LIMITS
from engine.chat import Image, Message
from errors import NotConfigured, ToolFailed

pytestmark = pytest.mark.skipif(sandbox.missing() is not None, reason=str(sandbox.missing()))

KEEPS = BashOptions(allow_data_persistence=True)
SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "description": "Where"},
        "days": {"type": "integer"},
        "exact": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["city"],
}


class Forecast:
    def __init__(self) -> None:
        self.asked: list[Mapping[str, Any]] = []

    async def run(self, arguments: Mapping[str, Any]) -> Any:
        self.asked.append(arguments)
        if arguments.get("city") == "Atlantis":
            raise ToolFailed("forecast", "knows no Atlantis")
        return ToolResult({"sky": "Regen ☔"}, (Message.user(Image("data:,")),))

    def tool(self, name: str = "forecast") -> Tool:
        return Tool(name, "The weather to come.", SCHEMA, self.run)


@pytest.fixture
async def closing() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


def shell_of(tools: list[Tool]) -> Tool:
    (shell,) = [tool for tool in tools if tool.name == "shell"]
    return shell


async def run(tool: Tool, command: str) -> str:
    result = await tool.run({"command": command})
    assert isinstance(result.content, str)
    return result.content


async def once(shells: Shells, caller: Caller, command: str, options: BashOptions | None = None) -> str:
    """In an answer of its own."""
    async with AsyncExitStack() as closing:
        return await run(shell_of(shells.equipped(caller, options, [], closing)), command)


async def test_says_what_came_of_a_command(caller: Caller, closing: AsyncExitStack) -> None:
    shell = shell_of(Shells().equipped(caller, None, [], closing))

    assert await run(shell, "echo hello") == "hello"
    assert await run(shell, "true") == "[No output]"
    assert await run(shell, "echo no; exit 4") == "no\n[Exit code 4]"
    long = await run(shell, "yes x | head -c 20000")
    assert (long[:4], len(long) < 4_200, long.splitlines()[-1]) == (
        "x\nx\n",
        True,
        "[What follows is left out after 4,096 characters.]",
    )


async def test_stops_a_command(caller: Caller, closing: AsyncExitStack) -> None:
    shells = Shells(limits=replace(DEFAULT_LIMITS, seconds=1))

    assert "[Stopped after 1 seconds.]" in await run(shell_of(shells.equipped(caller, None, [], closing)), "sleep 9")


@pytest.mark.parametrize(
    "arguments", [{}, {"command": ""}, {"command": 5}, {"command": "a\0b"}, {"command": "x" * 100_001}]
)
async def test_runs_no_nonsense(caller: Caller, closing: AsyncExitStack, arguments: Any) -> None:
    with pytest.raises(ToolFailed):
        await shell_of(Shells().equipped(caller, None, [], closing)).run(arguments)


async def test_files_last_as_long_as_the_answer(caller: Caller, closing: AsyncExitStack, tmp_path: Path) -> None:
    shells = Shells(tmp_path)
    shell = shell_of(shells.equipped(caller, None, [], closing))

    await run(shell, "echo kept > note")
    assert await run(shell, "cat note") == "kept"
    assert "No such file" in await once(shells, caller, "cat note")
    assert list(tmp_path.iterdir()) == []


async def test_files_wait_for_whom_they_belong_to(caller: Caller, tmp_path: Path) -> None:
    shells = Shells(tmp_path)
    await once(shells, caller, "mkdir deep; echo kept > deep/note; ln -s /etc/passwd link", KEEPS)

    assert await once(shells, caller, "cat deep/note", KEEPS) == "kept"
    assert "No such file" in await once(Shells(tmp_path), replace(caller, external_user="else"), "cat deep/note", KEEPS)
    assert "No such file" in await once(shells, replace(caller, external_user=None), "cat deep/note", KEEPS)
    # Out here it is one file, and nothing in it leads anywhere.
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".tar"}
    assert "customer" not in str(list(tmp_path.rglob("*")))


async def test_two_answers_for_one_person_lose_nothing(caller: Caller, tmp_path: Path) -> None:
    shells = Shells(tmp_path)
    async with AsyncExitStack() as closing:
        one, other = (shell_of(shells.equipped(caller, KEEPS, [], closing)) for _ in range(2))
        await asyncio.gather(run(one, "echo 1 > one"), run(other, "echo 2 > other"))

        assert await run(one, "cat one other") == "1\n2"


async def test_a_workspace_has_a_size(caller: Caller, tmp_path: Path) -> None:
    shells = Shells(tmp_path, replace(DEFAULT_LIMITS, home_bytes=1_000_000))

    assert "No space left" in await once(shells, caller, "head -c 900000 /dev/zero > a; cat a a > b", KEEPS)
    assert await once(shells, caller, "stat -c %s a", KEEPS) == "900000"


async def test_a_dead_sandbox_is_made_again(caller: Caller, closing: AsyncExitStack) -> None:
    shell = shell_of(
        Shells(limits=replace(DEFAULT_LIMITS, memory_bytes=50_000_000)).equipped(caller, None, [], closing)
    )

    with pytest.raises(ToolFailed, match="too much memory"):
        await run(shell, """perl -e '$x = "x" x (90 << 20); sleep 20'""")
    assert await run(shell, "echo again") == "again"


async def test_there_are_only_so_many(caller: Caller, closing: AsyncExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bash, "_AT_ONCE", 1)
    shells = Shells()
    async with AsyncExitStack() as first:
        await run(shell_of(shells.equipped(caller, None, [], first)), "true")
        with pytest.raises(ToolFailed, match="no room"):
            await run(shell_of(shells.equipped(caller, None, [], closing)), "true")

    assert await once(shells, caller, "echo room") == "room"


async def test_refuses_what_this_machine_cannot(
    caller: Caller, closing: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "missing", lambda: "bubblewrap is not installed")

    with pytest.raises(NotConfigured, match="bubblewrap is not installed"):
        Shells().equipped(caller, None, [], closing)


# ---------------------------------------------------------------- tools as commands


@pytest.mark.parametrize(
    ("mode", "listed", "left"),
    [
        (ToolExclusion.WHITE_LIST, ("forecast", "read_skill"), ["shell", "clock", "read_skill"]),
        (ToolExclusion.BLACK_LIST, ("forecast",), ["shell", "forecast", "read_skill"]),
        (ToolExclusion.WHITE_LIST, (), ["shell", "forecast", "clock", "read_skill"]),
    ],
)
async def test_moves_tools_into_the_shell(
    caller: Caller, closing: AsyncExitStack, mode: ToolExclusion, listed: tuple[str, ...], left: list[str]
) -> None:
    tools = [Forecast().tool(name) for name in ("forecast", "clock", "read_skill")]

    equipped = Shells().equipped(caller, BashOptions(False, listed, mode), tools, closing)

    assert [tool.name for tool in equipped] == left


@pytest.fixture
def forecast() -> Forecast:
    return Forecast()


@pytest.fixture
def equipped(caller: Caller, closing: AsyncExitStack, forecast: Forecast) -> Tool:
    return shell_of(Shells().equipped(caller, BashOptions(tool_list=("forecast",)), [forecast.tool()], closing))


async def test_tools_are_commands(equipped: Tool, forecast: Forecast) -> None:
    result = await equipped.run(
        {"command": "forecast --city 'São Paulo' --days=2 --exact --tags a --tags b | tr a-z A-Z"}
    )

    assert result == ToolResult('{"SKY":"REGEN ☔"}', (Message.user(Image("data:,")),))
    assert forecast.asked == [{"city": "São Paulo", "days": 2, "exact": True, "tags": ["a", "b"]}]
    assert "- forecast: The weather to come." in equipped.description


async def test_commands_explain_themselves(equipped: Tool, forecast: Forecast) -> None:
    told = await run(equipped, "forecast --help")

    assert told.splitlines()[0] == "The weather to come."
    assert "  --city <string>  Where (required)" in told
    assert forecast.asked == []


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("--planet x", "There is no option --planet."),
        ("--city", "--city needs a value."),
        ("Porto", "'Porto' belongs to no option."),
        ("--days many", "--days must be of the type integer."),
    ],
)
async def test_commands_say_what_is_wrong(equipped: Tool, forecast: Forecast, words: str, problem: str) -> None:
    told = await run(equipped, f"forecast {words}")

    assert told.startswith(problem)
    assert told.endswith("[Exit code 2]")
    assert forecast.asked == []


async def test_a_failing_tool_is_a_failing_command(equipped: Tool) -> None:
    assert await run(equipped, "forecast --city Atlantis || echo none") == "The tool forecast knows no Atlantis.\nnone"


async def test_many_commands_at_once(equipped: Tool, forecast: Forecast) -> None:
    told = await run(equipped, "for i in 1 2 3 4 5 6 7 8; do forecast --city $i & done; wait")

    assert told.count("Regen") == 8
    assert sorted(asked["city"] for asked in forecast.asked) == [str(number) for number in range(1, 9)]


async def test_other_tools_are_no_commands(equipped: Tool) -> None:
    """Whoever speaks to the socket gets no further than the command line does."""
    script = "ln -s /run/tools/forecast secret_tool; ./secret_tool --city x"

    assert "There is no tool secret_tool." in await run(equipped, script)
