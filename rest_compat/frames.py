"""Server-sent events as bytes. Everything of a frame that is known before the stream is joined before it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any  # Events are open JSON.

from execution import Result
from execution.encoding import encode
from rest_compat.dialect import Dialect, EventNames, EventStream, Failure, Frame
from rest_compat.errors import status_of
from rest_compat.outcomes import Failed
from rest_compat.selections import Event
from rest_compat.shapes import TYPENAME, Fetch, Shaper, compiled, projecting

__all__ = ["Framer", "framed", "framer"]

# The frames of one result: none when the event says nothing in this dialect.
Framer = Callable[[Result, str], bytes]
_Write = Callable[[Any, bytes], bytes]


def framed(frame: Frame, style: EventStream) -> bytes:
    """A frame of the dialect's own."""
    if isinstance(frame.data, bytes):
        end = style.line_end
        return _start(frame.name if style.names is EventNames.LINE else None, style) + frame.data + end + end
    return _writer(frame.name, style)(frame.data, b"")


def framer(root: Fetch, events: tuple[Event, ...], dialect: Dialect, *, operation: str, resumable: bool) -> Framer:
    style = dialect.events
    if events:
        table = _table(events, dialect, operation)
        write = _by_type(table, style)
    else:
        write = _whole(compiled(root.shape, dialect.spell), style)
    key = root.key

    def frames(result: Result, path: str) -> bytes:
        assert result.data is not None
        number = b"id: %d" % result.sequence + style.line_end if resumable and result.sequence is not None else b""
        return write(result.data[key], number, path)

    return frames


_Frames = Callable[[Any, bytes, str], bytes]


@dataclass(frozen=True, slots=True)
class _Line:
    """One frame of one type of event; without `write` it is the failure that ends the stream."""

    shaper: Shaper
    write: _Write | None
    operation: str

    def bytes(self, event: Any, number: bytes, path: str) -> bytes:
        shaped = self.shaper(event)
        if self.write is not None:
            return self.write(shaped, number)
        facts = dict(shaped)
        code, message = str(facts.pop("code", "internal")), str(facts.pop("message", ""))
        raise Failed(Failure(code.lower(), message, status_of(code.lower()), path, facts, self.operation))


def _table(events: tuple[Event, ...], dialect: Dialect, operation: str) -> dict[str, list[_Line]]:
    table: dict[str, list[_Line]] = {}
    for event in events:
        write = None if event.fails else _writer(event.name, dialect.events)
        for type_name, shape in event.shapes.items():
            table.setdefault(type_name, []).append(_Line(projecting(shape, dialect.spell), write, operation))
    return table


def _by_type(table: Mapping[str, list[_Line]], style: EventStream) -> _Frames:
    single = {name: lines[0] for name, lines in table.items() if len(lines) == 1}

    def write(event: Any, number: bytes, path: str) -> bytes:
        name = event[TYPENAME]
        if (line := single.get(name)) is not None:
            return line.bytes(event, number, path)
        lines = table.get(name)
        if lines is None:
            return b""
        # The number goes with the last frame: whoever resumes after it has seen them all.
        *first, last = lines
        return b"".join([*(each.bytes(event, b"", path) for each in first), last.bytes(event, number, path)])

    return write


def _whole(shaper: Shaper | None, style: EventStream) -> _Frames:
    write = _writer(None, style)
    if shaper is None:
        return lambda event, number, path: write(event, number)
    return lambda event, number, path: write(None if event is None else shaper(event), number)


def _writer(name: str | None, style: EventStream) -> _Write:
    end = style.line_end * 2
    if style.names is EventNames.TYPE_KEY and name is not None:
        head = b'data: {"type":' + encode(name)
        return lambda value, number: number + head + _after_brace(encode(value)) + end
    start = _start(name if style.names is EventNames.LINE else None, style)
    return lambda value, number: number + start + _one_line(encode(value)) + end


def _start(name: str | None, style: EventStream) -> bytes:
    return b"data: " if name is None else b"event: " + name.encode() + style.line_end + b"data: "


def _after_brace(encoded: bytes) -> bytes:
    """The members of an object, to follow another one."""
    return b"}" if encoded == b"{}" else b"," + _one_line(encoded)[1:]


def _one_line(encoded: bytes) -> bytes:
    # Only JSON that was encoded elsewhere can have line ends, and only between its tokens.
    if b"\n" in encoded or b"\r" in encoded:
        return encoded.replace(b"\r", b" ").replace(b"\n", b" ")
    return encoded
