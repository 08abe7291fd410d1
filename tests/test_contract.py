"""Every documented endpoint that we answer has one operation, and every operation an exchange on file."""

import re
from pathlib import Path

import pytest
import yaml

from app.asgi import compiled
from rest_compat.openapi import routes

ROOT = Path(__file__).parent.parent
ROUTES = [line.split() for endpoints in compiled().values() for line in routes(endpoints)]

# What of each contract is answered so far, by the beginning of its paths.
ANSWERED = {
    "aegis": ("/ai/chat", "/ai/conversations", "/ai/health", "/ai/version", "/ai/usage/", "/rag/", "/llm/"),
    "aivax": (
        *("/api/v1/accounts", "/api/v1/information/balance", "/api/v1/information/models.json", "/v1/mcp/"),
        *("/v1/models", "/v1/chat/completions", "/api/v1/chat/completions", "/api/v1/ai-gateways"),
        *("/api/v1/collections", "/api/v1/memories", "/api/v1/query", "/api/v1/skills"),
    ),
    "informedai": ("/api/v1/library", "/api/v1/sync"),
}


def shape(path: str) -> str:
    """The path without the names of its parameters, which are the documents' own."""
    return re.sub(r"\{[^}]*\}|<[^>]*>|:[A-Za-z_]\w*", "*", path)


@pytest.mark.parametrize("api", ANSWERED)
def test_every_documented_endpoint_is_answered(api: str) -> None:
    contract = yaml.safe_load((ROOT / "docs" / "contract" / f"{api}.yaml").read_text("utf-8"))
    answered = {(method, shape(path)) for method, path, name, _ in ROUTES if name == api}

    missing = [
        f"{entry['method']} {entry['path']}"
        for entry in contract["endpoints"]
        if entry["path"].startswith(ANSWERED[api]) and (entry["method"], shape(entry["path"])) not in answered
    ]

    assert missing == []


def test_every_operation_has_an_exchange() -> None:
    """Named after it: `ReadHealth` is documented in `read_health.json`."""
    folder = Path(__file__).parent / "rest_compat" / "dialects"

    missing = [
        f"{api}/*/{_as_file(operation)}.json"
        for _, _, api, operation in ROUTES
        if not list((folder / api).rglob(f"{_as_file(operation)}.json"))
    ]

    assert missing == []


def _as_file(operation: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()
