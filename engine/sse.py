"""Server-sent events: bytes in, the data of each event out."""

from codecs import BOM_UTF8

__all__ = ["EventSplitter"]


class EventSplitter:
    """Cuts a byte stream into events, however the network cut it before.

    Providers send one `data:` line and an empty line per event, so that shape costs two slices; everything else the
    format allows (comments, other fields, several data lines, any line ending) takes the slower road.
    """

    def __init__(self, *, limit_bytes: int = 16 * 2**20) -> None:
        self._limit_bytes = limit_bytes
        self._rest = b""
        self._after_return = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of every event that ends in this chunk. Raises `OverflowError` when one is longer than allowed."""
        if self._after_return or b"\r" in chunk:
            chunk = self._with_newlines(chunk)
        blocks = (self._rest + chunk if self._rest else chunk).split(b"\n\n")
        self._rest = blocks.pop()
        if len(self._rest) > self._limit_bytes:
            raise OverflowError(f"an event is longer than {self._limit_bytes} bytes")
        return [data for block in blocks if (data := _data(block)) is not None]

    def finish(self) -> list[bytes]:
        """The event at the very end whose empty line the sender forgot."""
        rest, self._rest = self._rest, b""
        return [data] if (data := _data(rest)) is not None else []

    def _with_newlines(self, chunk: bytes) -> bytes:
        if self._after_return and chunk.startswith(b"\n"):
            chunk = chunk[1:]
        self._after_return = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _data(block: bytes) -> bytes | None:
    if block.startswith(b"data: ") and b"\n" not in block:
        return block[6:]
    # Only the first event of a stream can have one.
    block = block.removeprefix(BOM_UTF8)
    lines = [
        line[5:].removeprefix(b" ")
        for line in block.split(b"\n")
        if line.startswith(b"data:") or line == b"data"  # a field without a colon has an empty value
    ]
    return b"\n".join(lines) if lines else None
