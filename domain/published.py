"""Files that a model made, for whoever has their link, until they expire.

They lie in the data directory under a digest of what is in their link: who can list the folder cannot open a link. A
file's time is when it expires.
"""

import asyncio
import contextlib
import hashlib
import os
import secrets
import tempfile
import time
from pathlib import Path

import orjson

from errors import LimitReached, NotConfigured, NotFound
from files import Blob

__all__ = ["DAYS", "Published"]

DAYS = 30
_PATH = "/api/v1/public/ext-res/file/"
_MOST_BYTES_EACH, _MOST_BYTES = 25_000_000, 10_000_000_000
_TOKEN_BYTES = 24
_LONGEST_TOKEN = 64

# A page may do what it likes, for itself: it has no origin, so nobody's session, and no way to anywhere.
_PAGE_POLICY = (
    "sandbox allow-scripts allow-forms allow-modals; default-src 'none'; script-src 'unsafe-inline';"
    " style-src 'unsafe-inline'; img-src data: blob:; font-src data:; media-src data: blob:; form-action 'none';"
    " base-uri 'none'; frame-ancestors 'none'"
)
_SHOWN = frozenset({"text/html", "application/pdf", "image/png", "image/jpeg", "image/webp"})


class Published:
    """`base_url` is where people reach this server. Without a folder nothing can be kept."""

    def __init__(self, folder: Path | None = None, base_url: str = "") -> None:
        self._folder, self._base_url = folder, base_url.rstrip("/")
        self._bytes: int | None = None

    async def save(self, content: bytes, media_type: str, filename: str, *, days: int = DAYS) -> str:
        """Its link."""
        if len(content) > _MOST_BYTES_EACH:
            raise LimitReached(f"The size of a file, {_MOST_BYTES_EACH:,} bytes,")
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        about = orjson.dumps({"type": media_type, "name": filename})
        await asyncio.to_thread(self._write, token, about + b"\n" + content, time.time() + days * 86_400)
        return f"{self._base_url}{_PATH}{token}"

    async def find(self, token: str) -> Blob:
        content = await asyncio.to_thread(self._read, token)
        if content is None:
            raise NotFound("file", token)
        about, _, content = content.partition(b"\n")
        told = orjson.loads(about)
        media_type, headers = told["type"], {"referrer-policy": "no-referrer", "cache-control": "private, no-cache"}
        if media_type == "text/html":
            return Blob(
                content, "text/html; charset=utf-8", headers=headers | {"content-security-policy": _PAGE_POLICY}
            )
        if media_type in _SHOWN:
            # A sandbox would leave a PDF blank.
            policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
            return Blob(content, media_type, headers=headers | {"content-security-policy": policy})
        return Blob(content, media_type, told["name"], headers)

    async def forget_expired(self) -> None:
        await asyncio.to_thread(self._sweep)

    def _write(self, token: str, content: bytes, expires_at: float) -> None:
        if self._folder is None:
            raise NotConfigured("There is no folder for files that models make")
        if self._bytes is None:
            self._sweep()
        if (self._bytes or 0) + len(content) > _MOST_BYTES:
            raise LimitReached("The room for files that models make")
        path = self._path(token)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.utime(name, (expires_at, expires_at))
        os.replace(name, path)
        self._bytes = (self._bytes or 0) + len(content)

    def _read(self, token: str) -> bytes | None:
        if self._folder is None or len(token) > _LONGEST_TOKEN:
            return None
        try:
            with self._path(token).open("rb") as file:
                return file.read() if os.fstat(file.fileno()).st_mtime > time.time() else None
        except FileNotFoundError:
            return None

    def _sweep(self) -> None:
        now, total = time.time(), 0
        for path in self._folder.glob("*/*") if self._folder is not None else ():
            # Another process sweeps the same folder.
            with contextlib.suppress(FileNotFoundError):
                found = path.stat()
                if found.st_mtime <= now:
                    path.unlink()
                else:
                    total += found.st_size
        self._bytes = total

    def _path(self, token: str) -> Path:
        assert self._folder is not None
        digest = hashlib.sha256(token.encode(errors="replace")).hexdigest()
        return self._folder / digest[:2] / digest
