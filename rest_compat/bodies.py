"""Reads a request's body once, in the form its endpoint takes, and never more of it than is allowed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO  # Bodies are open JSON.
from urllib.parse import parse_qsl

import orjson
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.datastructures import Headers
from starlette.types import Receive

from errors import Invalid
from execution.departure import Departed
from execution.forms import PartHead
from files import Upload
from rest_compat.errors import TooLarge, WrongMediaType
from rest_compat.incoming import MISSING, Payload, Wants

__all__ = ["Limits", "received"]


@dataclass(frozen=True, slots=True)
class Limits:
    json_bytes: int = 16 * 1024 * 1024
    # All files of one request together.
    upload_bytes: int = 100 * 1024 * 1024
    text_part_bytes: int = 1024 * 1024
    parts: int = 100


@asynccontextmanager
async def received(wants: Wants, receive: Receive, headers: Headers, limits: Limits) -> AsyncIterator[Payload]:
    """The body; files in it are gone when the block ends."""
    if wants is Wants.JSON:
        yield Payload(json=await _json(receive, headers, limits))
    else:
        with TemporaryDirectory(prefix="palaver-upload-") as folder:
            if wants is Wants.FILE:
                yield Payload(raw=await _file(receive, headers, limits, Path(folder)))
            else:
                yield Payload(parts=await _parts(receive, headers, limits, Path(folder)))


async def _json(receive: Receive, headers: Headers, limits: Limits) -> Any:
    content = b"".join([chunk async for chunk in _chunks(receive, headers, limits.json_bytes)])
    if not content:
        return MISSING
    # Demanded even where it could be guessed: a browser lets any site post a text, but no site post JSON unasked.
    given = headers.get("content-type", "")
    kind = given.partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise WrongMediaType(given, Wants.JSON.value)
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as exc:
        raise Invalid("The body", f"is not JSON: {exc}") from None


async def _file(receive: Receive, headers: Headers, limits: Limits, folder: Path) -> Upload:
    path, size = folder / "body", 0
    with path.open("wb") as file:
        async for chunk in _chunks(receive, headers, limits.upload_bytes):
            # Writing a chunk is a copy into the page cache; a thread for each would cost more than it saves.
            file.write(chunk)
            size += len(chunk)
    return Upload(path, "", headers.get("content-type", "application/octet-stream"), size)


async def _parts(receive: Receive, headers: Headers, limits: Limits, folder: Path) -> dict[str, list[Any]]:
    kind, options = parse_options_header(headers.get("content-type", ""))
    if kind == b"application/x-www-form-urlencoded":
        content = b"".join([chunk async for chunk in _chunks(receive, headers, limits.text_part_bytes)])
        return _urlencoded(content, limits.parts)
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise WrongMediaType(headers.get("content-type", ""), Wants.FORM.value)
    form = _Form(folder, limits)
    try:
        parser = MultipartParser(options[b"boundary"], form.callbacks())
        async for chunk in _chunks(receive, headers, limits.upload_bytes):
            parser.write(chunk)
    except FormParserError:
        raise Invalid("The body", "is not a well-formed multipart form") from None
    finally:
        form.close()
    if not form.ended:
        raise Invalid("The body", "is a multipart form that ends too early")
    return form.parts


def _urlencoded(content: bytes, limit: int) -> dict[str, list[Any]]:
    parts: dict[str, list[Any]] = {}
    try:
        fields = parse_qsl(content.decode(), keep_blank_values=True, errors="strict", max_num_fields=limit)
    except UnicodeDecodeError:
        raise Invalid("The body", "is not in UTF-8") from None
    except ValueError:
        raise Invalid("The body", f"has more than {limit} fields") from None
    for name, value in fields:
        parts.setdefault(name, []).append(value)
    return parts


async def _chunks(receive: Receive, headers: Headers, limit: int) -> AsyncIterator[bytes]:
    declared = headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise TooLarge(limit)
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Departed
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise TooLarge(limit)
        if chunk:
            yield chunk
        if not message.get("more_body", False):
            return


class _Form:
    """Takes the parts of a multipart form as the parser finds them: files to disk, texts into memory."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.folder, self.limits = folder, limits
        self.parts: dict[str, list[Any]] = {}
        self.count = 0
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
        self.text = bytearray()
        self.size = 0
        self.file: BinaryIO | None = None

    def open_part(self) -> None:
        self.count += 1
        if self.count > self.limits.parts:
            raise Invalid("The body", f"has more than {self.limits.parts} parts")
        if self.head.filename is not None:
            # Named by us: what a client calls a file is data, not a place on our disk.
            self.file = self.path.open("wb")

    @property
    def path(self) -> Path:
        return self.folder / str(self.count)

    def add(self, data: bytes, start: int, end: int) -> None:
        self.size += end - start
        if self.file is not None:
            self.file.write(data[start:end])
            return
        if self.size > self.limits.text_part_bytes:
            raise TooLarge(self.limits.text_part_bytes)
        self.text += data[start:end]

    def end_part(self) -> None:
        value: Any
        if self.file is not None:
            self.file.close()
            value = Upload(self.path, self.head.filename or "", self.head.media_type, self.size)
        else:
            try:
                value = self.text.decode()
            except UnicodeDecodeError:
                raise Invalid(self.head.name, "is not in UTF-8") from None
        self.parts.setdefault(self.head.name, []).append(value)

    def end(self) -> None:
        self.ended = True

    def close(self) -> None:
        if self.file is not None:
            self.file.close()
