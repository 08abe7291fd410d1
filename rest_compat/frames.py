"""Server-sent events as bytes. Everything of a frame that is known before the stream is joined before it."""

from collections.abc import Callable, Sequence
from typing import Any, NoReturn  # Events are open JSON.

from graphql import get_nullable_type, is_list_type

from execution import Result
from execution.encoding import encode
from rest_compat.dialect import Dialect, EventNames, EventStream, Frame
from rest_compat.outcomes import EventFailed
from rest_compat.selections import Event
from rest_compat.shapes import TYPENAME, Fetch, Shape, Shaper, compiled, projecting

__all__ = ["Framer", "framed", "framer", "is_many"]

# The frames of one result; none when the event says nothing in this dialect.
Framer = Callable[[Result], bytes]
# The same from an event and its `id:` line, which may be empty.
_Writer = Callable[[Any, bytes], bytes]


def framed(frame: Frame, style: EventStream) -> bytes:
    """A frame of the dialect's own."""
    if isinstance(frame.data, bytes):
        return b"data: " + frame.data + style.line_end * 2
    return _writer(frame.name, style)(frame.data, b"")


def framer(root: Fetch, events: Sequence[Event], dialect: Dialect, *, resumable: bool) -> Framer:
    style, key = dialect.events, root.key
    plain = _writer(None, style)
    if is_many(root.shape):
        plain = _each(plain)
    write = _by_type(events, dialect) if events else _shaped(compiled(root.shape, dialect.spell), plain)

    def frames(result: Result) -> bytes:
        assert result.data is not None
        number = b"id: %d" % result.sequence + style.line_end if resumable and result.sequence is not None else b""
        return write(result.data[key], number)

    return frames


def _by_type(events: Sequence[Event], dialect: Dialect) -> _Writer:
    table: dict[str, list[_Writer]] = {}
    for event in events:
        for type_name, shape in event.shapes.items():
            shaper = projecting(shape, dialect.spell)
            writer = _failing(shaper) if event.fails else _shaped(shaper, _writer(event.name, dialect.events))
            table.setdefault(type_name, []).append(writer)

    def write(event: Any, number: bytes) -> bytes:
        writers = table.get(event[TYPENAME])
        if writers is None:
            return b""
        # The number goes with the last frame: whoever resumes after it has seen them all.
        *first, last = writers
        return b"".join([each(event, b"") for each in first]) + last(event, number)

    return write


def is_many(shape: Shape) -> bool:
    """Whether what the source gives at once are several events: a list that stands for the whole of it."""
    return isinstance(shape, Fetch) and is_list_type(get_nullable_type(shape.type))


def _each(write: _Writer) -> _Writer:
    def write_all(events: Any, number: bytes) -> bytes:
        if not events:
            return b""
        *first, last = events
        return b"".join([write(event, b"") for event in first]) + write(last, number)

    return write_all


def _shaped(shaper: Shaper | None, write: _Writer) -> _Writer:
    return write if shaper is None else lambda event, number: write(shaper(event), number)


def _failing(shaper: Shaper) -> _Writer:
    def fail(event: Any, number: bytes) -> NoReturn:
        raise EventFailed(shaper(event))

    return fail


def _writer(name: str | None, style: EventStream) -> _Writer:
    end = style.line_end * 2
    if name is None or style.names is EventNames.NONE:
        return lambda event, number: number + b"data: " + _one_line(encode(event)) + end
    if style.names is EventNames.LINE:
        start = b"event: " + name.encode() + style.line_end + b"data: "
        return lambda event, number: number + start + _one_line(encode(event)) + end
    start = b'data: {"type":' + encode(name)
    return lambda event, number: number + start + _after_brace(encode(event)) + end


def _after_brace(encoded: bytes) -> bytes:
    """The members of an object, to follow another one."""
    return b"}" if encoded == b"{}" else b"," + _one_line(encoded)[1:]


def _one_line(encoded: bytes) -> bytes:
    # Only JSON that was encoded elsewhere can have line ends, and only between its tokens.
    if b"\n" in encoded or b"\r" in encoded:
        return encoded.replace(b"\r", b" ").replace(b"\n", b" ")
    return encoded
