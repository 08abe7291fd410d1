"""Files by the GraphQL multipart request specification: `operations`, then `map`, then the files, straight to disk."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO  # Variables are open JSON.

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser
from starlette.datastructures import Headers
from starlette.types import Receive

from execution import Request
from execution.forms import PartHead
from files import Upload
from transport import body
from transport.negotiation import media_type
from transport.options import TransportOptions
from transport.refusals import Rejected

__all__ = ["received"]

# It warns of every form that is not well-formed, and strangers could fill the log with those.
logging.getLogger("python_multipart").setLevel(logging.ERROR)

_FIELDS = ("operations", "map")

# One file may stand in several places, but not in thousands.
_PATHS_PER_FILE = 10


@asynccontextmanager
async def received(
    receive: Receive, headers: Headers, options: TransportOptions
) -> AsyncIterator[Request | list[Request]]:
    """The requests of a form with its files in their variables; the files are gone when the block ends."""
    boundary = media_type(headers["content-type"])[1].get("boundary")
    if not boundary:
        raise Rejected(400, "The form names no boundary.")
    with TemporaryDirectory(prefix="palaver-upload-") as folder:
        form = _Form(Path(folder), options)
        try:
            parser = MultipartParser(boundary, form.callbacks())
            limit = options.upload_total_bytes + len(_FIELDS) * options.body_bytes
            async with body.arriving(options.upload_seconds):
                async for chunk in body.chunks(receive, headers, limit):
                    # Writing a chunk is a copy into the page cache; a thread for each would cost more than it saves.
                    parser.write(chunk)
        except FormParserError as exc:
            raise Rejected(400, "The form is not well-formed multipart.") from exc
        finally:
            form.close()
        yield body.read_requests(form.finished(), options)


class _Form:
    """Takes the parts as the parser finds them, and knows what may come next."""

    def __init__(self, folder: Path, options: TransportOptions) -> None:
        self.folder, self.options = folder, options
        self.fields: dict[str, bytearray] = {}
        self.operations: object = None
        self.paths: dict[str, list[str]] = {}
        self.arrived: set[str] = set()
        self.total = 0
        self.ended = False
        self.head = PartHead()
        self.start_part()

    def callbacks(self) -> Any:  # python-multipart's own dictionary of callables, which it does not export.
        return {
            "on_part_begin": self.start_part,
            **self.head.callbacks(),
            "on_headers_finished": self.open_part,
            "on_part_data": self.add,
            "on_part_end": self.end_part,
            "on_end": self.end,
        }

    def start_part(self) -> None:
        self.head.begin()
        self.size = 0
        self.file: BinaryIO | None = None

    def open_part(self) -> None:
        expected = _FIELDS[len(self.fields)] if len(self.fields) < len(_FIELDS) else None
        if expected is not None:
            if self.head.name != expected:
                raise Rejected(400, f"The next part of the form must be `{expected}`.")
            self.fields[self.head.name] = bytearray()
            return
        if self.head.name not in self.paths or self.head.name in self.arrived:
            raise Rejected(400, "Each file must be in `map`, and come once.")
        # Named by us: what a client calls a file is data, not a place on our disk.
        self.file = self.path.open("wb")

    @property
    def path(self) -> Path:
        return self.folder / str(len(self.arrived))

    def add(self, data: bytes, start: int, end: int) -> None:
        self.size += end - start
        if self.file is None:
            if self.size > self.options.body_bytes:
                raise body.too_large(self.options.body_bytes)
            self.fields[self.head.name] += data[start:end]
            return
        self.total += end - start
        if self.size > self.options.upload_file_bytes:
            raise body.too_large(self.options.upload_file_bytes)
        if self.total > self.options.upload_total_bytes:
            raise body.too_large(self.options.upload_total_bytes)
        self.file.write(data[start:end])

    def end_part(self) -> None:
        if self.file is not None:
            self.file.close()
            self.place(Upload(self.path, _basename(self.head.filename or ""), self.head.media_type, self.size))
            self.arrived.add(self.head.name)
        elif self.head.name == "operations":
            self.operations = body.parse(bytes(self.fields["operations"]), "field `operations`")
        elif self.head.name == "map":
            self.paths = self.read_map()

    def read_map(self) -> dict[str, list[str]]:
        value = body.parse(bytes(self.fields["map"]), "field `map`")
        if not isinstance(value, dict) or not all(_is_list_of_strings(paths) for paths in value.values()):
            raise Rejected(400, "`map` must be an object with lists of paths.")
        if len(value) > self.options.upload_files:
            raise Rejected(413, f"At most {self.options.upload_files} files come with one request.")
        if any(len(paths) > _PATHS_PER_FILE for paths in value.values()):
            raise Rejected(400, f"A file may stand in at most {_PATHS_PER_FILE} places.")
        return value

    def place(self, upload: Upload) -> None:
        for path in self.paths[self.head.name]:
            *parents, last = path.split(".")
            if "variables" not in parents[:2]:
                raise Rejected(400, f"`map` must point into `variables`, unlike {path!r}.")
            holder: Any = self.operations
            for step in parents:
                holder = _at(holder, step, path)
            if _at(holder, last, path) is not None:
                raise Rejected(400, f"The value at {path!r} must be null where a file goes.")
            holder[int(last) if isinstance(holder, list) else last] = upload

    def end(self) -> None:
        self.ended = True

    def close(self) -> None:
        if self.file is not None:
            self.file.close()

    def finished(self) -> object:
        if not self.ended:
            raise Rejected(400, "The form ends too early.")
        if missing := self.paths.keys() - self.arrived:
            raise Rejected(400, f"The file {min(missing)!r} of `map` is missing.")
        return self.operations


def _at(holder: Any, step: str, path: str) -> Any:
    if isinstance(holder, dict) and step in holder:
        return holder[step]
    if isinstance(holder, list) and step.isdecimal() and len(step) < 6 and int(step) < len(holder):
        return holder[int(step)]
    raise Rejected(400, f"`map` points to {path!r}, where there is nothing.")


def _is_list_of_strings(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)


def _basename(filename: str) -> str:
    return filename.replace("\\", "/").rpartition("/")[2][:255]
