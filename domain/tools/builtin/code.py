"""Evaluating JavaScript, in a sandbox that is made for it and gone with it."""

import secrets
import shutil
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any  # Tool arguments are open JSON.

from domain.agents import Tool
from domain.tools import sandbox
from domain.tools.builtin.tooling import schema, tool
from domain.tools.sandbox import DEFAULT_LIMITS, MOST_COMMAND_BYTES, Died, Sandbox
from errors import ToolFailed

__all__ = ["code_tool", "missing"]

_LIMITS = replace(DEFAULT_LIMITS, home_bytes=16_000_000)
_MOST_CHARACTERS = 16_000
_INTERPRETERS = ("node", "nodejs")


def code_tool() -> Tool:
    async def run(arguments: Mapping[str, Any]) -> str:
        code: str = arguments["code"]
        if "\0" in code or len(code.encode(errors="replace")) > MOST_COMMAND_BYTES - 1_000:
            raise ToolFailed(
                "evaluate_code", f"takes at most {MOST_COMMAND_BYTES - 1_000:,} bytes, none of which is zero"
            )
        # No line of the code can end it: nobody knew this one.
        end = secrets.token_hex(16)
        try:
            box = await Sandbox.start(_LIMITS)
            try:
                ran = await box.run(f"{_interpreter()} - <<'{end}'\n{code}\n{end}", most_bytes=4 * _MOST_CHARACTERS)
            finally:
                await box.close()
        except Died as exc:
            raise ToolFailed("evaluate_code", f"ended with its sandbox, which {exc.reason}") from exc
        said = ran.output.decode(errors="replace")[:_MOST_CHARACTERS].rstrip("\n")
        if ran.timed_out:
            raise ToolFailed("evaluate_code", f"was stopped after {_LIMITS.seconds} seconds. It had printed: {said}")
        return said or "[No output: print what is to be known with console.log]"

    code = {"type": "string", "minLength": 1, "description": "A script for Node. What it prints is returned."}
    return tool(
        "evaluate_code",
        "Runs JavaScript without a network and returns what it prints with console.log.",
        schema(code=code, required=["code"]),
        run,
    )


def missing() -> str | None:
    if (reason := sandbox.missing()) is not None:
        return reason
    return None if _interpreter() else "code is run by Node, and no Node is installed where a sandbox sees it"


@cache
def _interpreter() -> str | None:
    """Of the programs of this machine; what lies elsewhere is not seen in a sandbox."""
    found = (shutil.which(name, path="/usr/local/bin:/usr/bin:/bin") for name in _INTERPRETERS)
    return next((path for path in found if path), None)
