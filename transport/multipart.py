"""Answers as `multipart/mixed`: subscriptions by Apollo's protocol, and what `@defer` and `@stream` deliver.

Every part is followed at once by the delimiter of the next: a reader knows where a part ends only by what follows it.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import reduce
from operator import getitem
from typing import Any  # Incremental payloads are open JSON.

from execution import Result
from execution.encoding import encode
from transport.streams import Framing

__all__ = ["incremental", "subscription"]

_DELIMITER = b"\r\n--graphql"
_PART = b"\r\ncontent-type: application/json; charset=utf-8\r\n\r\n%b" + _DELIMITER
_CLOSING = b"--\r\n"
_CONTENT_TYPE = 'multipart/mixed; boundary="graphql"'


def _framing(frame: Callable[[Result], bytes], parameter: str, heartbeat: bytes) -> Framing:
    return Framing(
        content_type=_CONTENT_TYPE + parameter,
        opening=b"--graphql",
        frame=frame,
        heartbeat=heartbeat,
        closing=_CLOSING,
    )


def subscription() -> Framing:
    """Results stand under `payload`, and errors of the stream itself beside it. A part that is empty is a heartbeat."""
    return _framing(_wrapped, "; subscriptionSpec=1.0", _PART % b"{}")


def _wrapped(result: Result) -> bytes:
    if result.refused is not None:
        return _PART % encode({"payload": None, "errors": result.errors})
    return _PART % (b'{"payload":%b}' % result.encode())


def incremental(defer_spec: str | None) -> Framing:
    """Nothing may stand between the parts here, so a heartbeat is empty; work that is deferred does not take long."""
    if defer_spec == "20220824":
        return _framing(_Dated().frame, "; deferSpec=20220824", b"")
    return _framing(_plain, "", b"")


def _plain(result: Result) -> bytes:
    return _PART % result.encode()


class _Dated:
    """The form of August 2022, which Apollo's older clients read: each piece carries its own path and label."""

    def __init__(self) -> None:
        self.pending: dict[str, dict[str, Any]] = {}
        self.delivered: dict[str, int] = {}
        # What was sent so far, by where it belongs: a streamed list goes on where the sent part of it ends.
        self.sent: list[tuple[list[Any], Any]] = []

    def frame(self, result: Result) -> bytes:
        members = dict(result.incremental or {"hasNext": False})
        pieces = members.pop("incremental", ())
        self.pending |= {pending["id"]: pending for pending in members.pop("pending", ())}
        self.sent += [([], result.data)] + [(self._path(piece), piece.get("data")) for piece in pieces]
        dated = [self._dated(piece) for piece in pieces]
        dated += [self._failed(done) for done in members.pop("completed", ()) if done.get("errors")]
        payload = {**members, **({"incremental": dated} if dated else {})}
        if result.data is not None or result.errors:
            payload["data"] = result.data
        if result.errors:
            payload["errors"] = result.errors
        return _PART % encode(payload)

    def _path(self, piece: dict[str, Any]) -> list[Any]:
        return [*self.pending[piece["id"]]["path"], *piece.get("subPath", ())]

    def _dated(self, piece: dict[str, Any]) -> dict[str, Any]:
        path = self._path(piece)
        if "items" in piece:
            first = self.delivered.get(piece["id"], self._length_at(path))
            self.delivered[piece["id"]] = first + len(piece["items"])
            path.append(first)
        members = {key: value for key, value in piece.items() if key not in ("id", "subPath")}
        return {**members, "path": path, **self._label(piece["id"])}

    def _failed(self, done: dict[str, Any]) -> dict[str, Any]:
        path = self.pending[done["id"]]["path"]
        return {"data": None, "path": path, "errors": done["errors"], **self._label(done["id"])}

    def _label(self, id: str) -> dict[str, Any]:
        label = self.pending[id].get("label")
        return {"label": label} if label else {}

    def _length_at(self, path: list[Any]) -> int:
        for start, data in self.sent:
            if path[: len(start)] == start:
                with suppress(KeyError, IndexError, TypeError):
                    return len(reduce(getitem, path[len(start) :], data))
        return 0
