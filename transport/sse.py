"""How results look as server-sent events."""

from execution import Result
from transport.streams import Framing

__all__ = ["event_stream", "shared_event_stream"]

_CONTENT_TYPE = "text/event-stream; charset=utf-8"
_HEARTBEAT = b":\n\n"

# A browser that loses a resumable stream comes back after this long.
_OPENING = b"retry: 1000\n\n"


def event_stream(*, resumable: bool) -> Framing:
    return Framing(
        content_type=_CONTENT_TYPE,
        opening=_OPENING if resumable else _HEARTBEAT,
        frame=_numbered if resumable else _plain,
        heartbeat=_HEARTBEAT,
        # Without its empty `data` a browser would not report this event at all.
        closing=b"event: complete\ndata:\n\n",
    )


def shared_event_stream() -> Framing:
    """For many operations, whose events are framed by those who send them."""
    return Framing(_CONTENT_TYPE, opening=_HEARTBEAT, frame=_nothing, heartbeat=_HEARTBEAT, closing=b"")


def _nothing(result: Result) -> bytes:
    return b""


def _plain(result: Result) -> bytes:
    return b"event: next\ndata: %b\n\n" % result.encode()


def _numbered(result: Result) -> bytes:
    if result.sequence is None:
        return _plain(result)
    return b"id: %d\nevent: next\ndata: %b\n\n" % (result.sequence, result.encode())
