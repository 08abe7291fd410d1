"""What an operator may choose about the way in. The app fills it from its settings."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["CORS", "HTTPProfile", "TransportOptions"]


class HTTPProfile(StrEnum):
    """Which text of GraphQL over HTTP decides the statuses."""

    STABLE = "stable"
    DRAFT_2026 = "2026-draft"


@dataclass(frozen=True, slots=True)
class CORS:
    """Other origins whose pages may call the graph and open its sockets; `"*"` is any, and then without cookies."""

    origins: tuple[str, ...] = ()
    credentials: bool = False
    max_age_seconds: int = 600

    def __post_init__(self) -> None:
        if self.credentials and "*" in self.origins:
            raise ValueError("cookies cannot be allowed to every origin; name those that may send them")


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportOptions:
    path: str = "/graphql"
    http_profile: HTTPProfile = HTTPProfile.STABLE
    cors: CORS = CORS()
    csrf_prevention: bool = True

    query_string_bytes: int = 100_000
    body_bytes: int = 1_000_000
    # A body may take its time to arrive, but not hold a connection for ever.
    body_seconds: float = 30
    # Requests in one HTTP body; 0 refuses arrays.
    batch_size: int = 0

    upload_file_bytes: int = 50_000_000
    upload_total_bytes: int = 100_000_000
    upload_files: int = 10
    upload_seconds: float = 600

    message_bytes: int = 1_000_000
    operations_per_socket: int = 100
    init_seconds: float = 3

    # Proxies tend to cut what has been silent for half a minute.
    heartbeat_seconds: float = 12
    recheck_seconds: float = 30

    # One of these waits for its stream to be opened.
    reservations: int = 10_000
    reservation_seconds: float = 30
