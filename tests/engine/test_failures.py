from datetime import UTC, datetime

import pytest

from engine.failures import failure, retry_after, scrubbed
from errors import ContextTooLong, ProviderFailed, ProviderRateLimited, ProviderRefusedKey, ProviderUnavailable

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-1"}, 0),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after": "Thu, 01 Jan 2026 12:00:30 GMT"}, 30),
        ({"retry-after": "Thu, 01 Jan 2026 11:00:00 GMT"}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({}, None),
    ],
)
def test_understands_when_to_come_back(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, now=lambda: NOON) == seconds


@pytest.mark.parametrize(
    ("status", "codes", "reason", "kind"),
    [
        (400, {"context_length_exceeded"}, "x", ContextTooLong),
        (400, {"exceed_context_size_error"}, "the request exceeds the available context size", ContextTooLong),
        (400, {"invalid_request_error"}, "prompt is too long: 200001 tokens > 200000 maximum", ContextTooLong),
        (400, {"INVALID_ARGUMENT"}, "The input token count (9) exceeds the maximum number of tokens", ContextTooLong),
        (401, set(), "x", ProviderRefusedKey),
        (None, {"invalid_api_key"}, "x", ProviderRefusedKey),
        (429, set(), "context length per minute", ProviderRateLimited),
        (529, set(), "x", ProviderUnavailable),
        (None, {"overloaded_error"}, "x", ProviderUnavailable),
        (404, set(), "x", ProviderFailed),
    ],
)
def test_tells_kinds_apart(status: int | None, codes: set[str], reason: str, kind: type[ProviderFailed]) -> None:
    assert type(failure("acme", status=status, reason=reason, codes=frozenset(codes))) is kind


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Incorrect API key provided: sk-proj-abc***xyz.", "Incorrect API key provided: …"),
        ("Invalid token hunter2hunter2 given", "Invalid token … given"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer …"),
        ("key=AIzaSyA1234567890abc rejected", "key=… rejected"),
        ("a  lot\n of   space", "a lot of space"),
        ("task-oriented risk-taking disk-scheduler", "task-oriented risk-taking disk-scheduler"),
        ("x" * 600, "x" * 500 + "…"),
    ],
)
def test_no_key_gets_out(text: str, clean: str) -> None:
    assert scrubbed(text, "hunter2hunter2") == clean
