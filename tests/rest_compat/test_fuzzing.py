"""The documented APIs, asked at random in production: nothing breaks, surprises, or lets a stranger in."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any  # Credentials are an open dictionary.

import pytest
from openapi_spec_validator import validate

from app.asgi import compiled
from rest_compat.openapi import openapi
from tests.rest_compat.arranging import arranged
from tests.serving import serving
from tests.upstream import Upstream

DOCUMENTS = {dialect.name: json.loads(json.dumps(openapi(dialect, found))) for dialect, found in compiled().items()}


@pytest.mark.parametrize("api", DOCUMENTS)
def test_is_valid(api: str) -> None:
    validate(DOCUMENTS[api])


@pytest.mark.parametrize(
    ("api", "kind", "paths"),
    [("aegis", "SK", "/rag"), ("aivax", "SK", ""), ("informedai", "WSK", "/library"), ("informedai", "SSK", "/sync")],
)
async def test_a_fuzzer_finds_nothing(
    api: str, kind: str, paths: str, database: dict[str, Any], upstream: Upstream, tmp_path: Path
) -> None:
    document = tmp_path / "openapi.json"
    document.write_text(json.dumps(DOCUMENTS[api]))

    async with serving(database, upstream, env="production") as served:
        known = await arranged({"keys": {"key": kind}}, served, tmp_path)
        fuzzer = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "schemathesis.cli", "run", str(document), "--url", served.url),
            *("--header", f"Authorization: Bearer {known['key']}", "--include-path-regex", paths),
            *("--phases", "coverage,fuzzing", "--max-examples", "5"),
            # A schema cannot say which paths are there, or what a line of a file must hold.
            *("--checks", "all", "--exclude-checks", "positive_data_acceptance"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=tmp_path,
        )
        output, _ = await asyncio.wait_for(fuzzer.communicate(), 120)

    assert fuzzer.returncode == 0, output.decode()
