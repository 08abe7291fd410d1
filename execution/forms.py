"""What both ways in have to know of a multipart form: what a part calls itself."""

from typing import Any  # python-multipart's own dictionary of callables, which it does not export.

from python_multipart.multipart import parse_options_header

__all__ = ["PartHead"]

_LONGEST_FILENAME = 255


class PartHead:
    """The name, file name and media type of the part that is arriving, collected from its headers in pieces."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self.name = ""
        self.filename: str | None = None
        self.media_type = "application/octet-stream"
        self._field, self._value = bytearray(), bytearray()

    def callbacks(self) -> dict[str, Any]:
        return {
            "on_header_field": lambda data, start, end: self._field.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._end_header,
        }

    def _end_header(self) -> None:
        field = self._field.decode("latin-1").lower()
        if field == "content-disposition":
            _, parameters = parse_options_header(bytes(self._value))
            self.name = parameters.get(b"name", b"").decode(errors="replace")
            if (filename := parameters.get(b"filename")) is not None:
                # Some browsers send a whole path of theirs.
                self.filename = filename.decode(errors="replace").replace("\\", "/").rpartition("/")[2]
                self.filename = self.filename[:_LONGEST_FILENAME]
        elif field == "content-type":
            self.media_type = self._value.decode("latin-1")
        self._field, self._value = bytearray(), bytearray()
