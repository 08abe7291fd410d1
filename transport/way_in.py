"""What every protocol of the way in works with."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any  # A context is the app's own; we only hand it on.

from starlette.requests import HTTPConnection

from execution import Executor
from transport.options import TransportOptions
from transport.pulse import Pulse

__all__ = ["OpenContext", "WayIn"]

# The connection and a key that came in the message rather than in a header; raises Unauthenticated or Forbidden.
OpenContext = Callable[[HTTPConnection, str | None], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class WayIn:
    executor: Executor
    open_context: OpenContext
    options: TransportOptions
    pulse: Pulse
