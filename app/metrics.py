"""Figures for the operator, in Prometheus' form."""

import os
from collections.abc import Callable

from prometheus_client import CONTENT_TYPE_LATEST as MEDIA_TYPE
from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from domain.entries import Entry
from domain.turns import TurnOutcome
from engine import Circuit, Listener, Usage

__all__ = [
    "LISTENER",
    "MEDIA_TYPE",
    "OPEN_STREAMS",
    "REQUESTS",
    "SECONDS",
    "completion_ended",
    "exposition",
    "observe",
    "turn_ended",
]

# Twice as many lines that say when each series began tell nobody anything.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library's own omission

REQUESTS = Counter("palaver_requests_total", "HTTP requests answered.", ["api", "method", "status"])
SECONDS = Histogram(
    "palaver_request_seconds",
    "How long requests took; a stream until its end.",
    ["api"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120),
)
OPEN_STREAMS = Gauge(
    "palaver_open_streams", "Event streams and sockets open now.", ["kind"], multiprocess_mode="livesum"
)
_TURNS = Counter("palaver_turns_total", "Turns that ended, by how.", ["status"])
_COMPLETIONS = Counter("palaver_completions_total", "Calls of the gateway that ended, by how.", ["status"])
_RUNNING = Gauge("palaver_turns_running", "Turns being made now.", multiprocess_mode="livesum")
_TOKENS = Counter("palaver_tokens_total", "Tokens, as reported or estimated.", ["direction"])
_FIRST_TOKEN = Histogram(
    "palaver_first_token_seconds",
    "From asking a provider to its first token.",
    ["provider"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
_PROVIDER_ERRORS = Counter("palaver_provider_errors_total", "Failures of providers.", ["provider", "code"])
_FALLBACKS = Counter(
    "palaver_provider_fallbacks_total", "Calls that another provider was asked to answer.", ["provider", "asked"]
)
_CIRCUITS = Gauge(
    "palaver_provider_circuits_open",
    "Processes that leave a provider alone because it failed again and again.",
    ["provider"],
    multiprocess_mode="livesum",
)
_POOL = Gauge("palaver_database_connections", "Connections of the pool.", ["state"], multiprocess_mode="livesum")

LISTENER = Listener(
    first_token=lambda provider, seconds: _FIRST_TOKEN.labels(provider).observe(seconds),
    failed=lambda provider, code: _PROVIDER_ERRORS.labels(provider, code).inc(),
    fell_back=lambda provider, asked: _FALLBACKS.labels(provider, asked).inc(),
    circuit=lambda provider, circuit: _CIRCUITS.labels(provider).set(circuit is not Circuit.CLOSED),
)


def turn_ended(outcome: TurnOutcome) -> None:
    _TURNS.labels(outcome.turn.status.value.lower()).inc()
    if outcome.usage is not None:
        _count(outcome.usage)


def completion_ended(entry: Entry) -> None:
    _COMPLETIONS.labels(entry.status.value.lower()).inc()
    _count(entry.usage)


def _count(used: Usage) -> None:
    _TOKENS.labels("in").inc(used.input_tokens)
    _TOKENS.labels("out").inc(used.output_tokens)


def observe(running_turns: Callable[[], int], pool_use: Callable[[], tuple[int, int]]) -> None:
    """Write down what only the moment knows; called before the figures are shown."""
    _RUNNING.set(running_turns())
    busy, opened = pool_use()
    _POOL.labels("busy").set(busy)
    _POOL.labels("idle").set(opened - busy)


def exposition() -> bytes:
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    # Several web processes: whichever is asked answers for all of them.
    together = CollectorRegistry()
    MultiProcessCollector(together)  # type: ignore[no-untyped-call]  # the library's own omission
    return generate_latest(together)
