"""From what a vendor says when it fails to one of our errors, without the key that it may repeat."""

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from errors import (
    ContextTooLong,
    ProviderFailed,
    ProviderRateLimited,
    ProviderRefusedKey,
    ProviderRejected,
    ProviderUnavailable,
)

__all__ = ["failure", "retry_after", "scrubbed"]

LONGEST_REASON = 500

# Vendors have a code for this or only a sentence; OpenAI, llama.cpp, vLLM, Anthropic, Google, Mistral, Groq in turn.
CONTEXT_CODES = {"context_length_exceeded", "exceed_context_size_error", "string_above_max_length"}
KEY_CODES = {"invalid_api_key", "authentication_error", "permission_error"}
RATE_CODES = {"rate_limit_exceeded", "rate_limit_error"}
BUSY_CODES = {"server_error", "overloaded_error", "api_error", "service_unavailable"}
CONTEXT_WORDS = re.compile(
    r"maximum context length|context (length|size|window)|max_model_len|prompt is too long"
    r"|input token count.*exceed|exceeds the (maximum number of tokens|model's maximum)|reduce the length",
    re.IGNORECASE,
)
# Google's status for this is 400.
KEY_WORDS = re.compile(r"api key (not valid|expired|not found)", re.IGNORECASE)
# Keys look like this, also half masked as in "sk-abc*****xyz"; a bearer token may look like anything.
KEY_SHAPES = re.compile(r"\b(?:sk|pk|rk|gsk|xai|key)-[\w*.\-]{6,}|\bAIza[\w\-]{10,}|(?<=[Bb]earer )\S+")


def failure(
    provider: str,
    *,
    status: int | None,
    reason: str,
    codes: frozenset[str] = frozenset(),
    retry_after_seconds: float | None = None,
    secret: str = "",
) -> ProviderFailed:
    said = scrubbed(reason, secret) or f"answered with status {status}"
    return _kind(status, codes, reason)(provider, said, retry_after_seconds=retry_after_seconds)


def _kind(status: int | None, codes: frozenset[str], reason: str) -> type[ProviderFailed]:
    if codes & CONTEXT_CODES or (status in (None, 400, 413, 422, 500) and CONTEXT_WORDS.search(reason)):
        return ContextTooLong
    if status in (401, 403) or codes & KEY_CODES or (status == 400 and KEY_WORDS.search(reason)):
        return ProviderRefusedKey
    if status == 429 or codes & RATE_CODES:
        return ProviderRateLimited
    if status == 408 or (status or 0) >= 500 or codes & BUSY_CODES:
        return ProviderUnavailable
    # Not 404 nor 402: another provider may have the model, or the money.
    if status in (400, 413, 415, 422):
        return ProviderRejected
    return ProviderFailed


def scrubbed(text: str, secret: str = "") -> str:
    if len(secret) >= 4:
        text = text.replace(secret, "…")
    text = " ".join(KEY_SHAPES.sub("…", text).split())
    return text if len(text) <= LONGEST_REASON else text[:LONGEST_REASON] + "…"


def retry_after(headers: Mapping[str, str], *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> float | None:
    """Seconds until the vendor wants to hear from us again: a number, a date, or OpenAI's milliseconds."""
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    value = headers.get("retry-after", "")
    if (seconds := _number(value)) is not None:
        return seconds
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - now()).total_seconds())


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return max(0.0, number) if math.isfinite(number) else None
