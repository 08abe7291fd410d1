"""Runs a script with other people's packages, which are fetched when first needed."""

import asyncio
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent


def install() -> Path:
    """The folder with the packages in it."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("there is no npm on this machine to fetch the peers with")
    if not (FOLDER / "node_modules" / ".package-lock.json").exists():
        installed = subprocess.run(
            [npm, "ci", "--no-audit", "--no-fund"], cwd=FOLDER, capture_output=True, text=True, check=False
        )
        assert installed.returncode == 0, installed.stderr
    return FOLDER


async def node(script: str, *arguments: str, seconds: float = 60) -> Any:
    """What a script of this folder prints, as JSON."""
    process = await asyncio.create_subprocess_exec(
        "node",
        str(FOLDER / script),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), seconds)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode == 0, err.decode()
    return json.loads(out)
