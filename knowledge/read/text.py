"""Bytes to characters."""

import codecs
import re
import unicodedata

from knowledge.read.document import Reason, Unreadable

__all__ = ["declared_charset", "decoded"]

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CHARSET = re.compile(r"charset=[\"']?([\w.:-]+)", re.IGNORECASE)
_META_CHARSET = re.compile(rb"<meta[^>]+charset=[\"']?\s*([\\w.:-]+)", re.IGNORECASE)
# Form feeds, escapes of coloured logs and backspaces of manual pages do occur in text.
_RUBBISH = re.compile(r"[\x00-\x07\x0b\x0e-\x1a\x1c-\x1f\x7f]")
_LONGEST_LOOK = 65_536


def decoded(content: bytes, name: str, media_type: str | None = None) -> str:
    """What the file says about itself, else UTF-8, else the old Western encoding; refused when it is no text at all."""
    text = _decoded(content, name, media_type)
    look = text[:_LONGEST_LOOK]
    if len(_RUBBISH.findall(look)) * 20 > len(look) or text.count("\0", 0, _LONGEST_LOOK) > 3:
        raise Unreadable(name, Reason.BINARY, "is not text")
    if "\0" in text:
        text = text.replace("\0", "")  # which Postgres cannot store
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _decoded(content: bytes, name: str, media_type: str | None) -> str:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, "replace")
    declared = _CHARSET.search(media_type or "")
    for guess in (declared and declared[1], _wide(content), "utf-8", "cp1252"):
        if guess:
            try:
                return content.decode(guess)
            except (UnicodeError, LookupError):
                continue
    return content.decode("latin-1")


def declared_charset(page: bytes) -> str | None:
    """What an HTML page says of itself, in the words of a media type."""
    declared = _META_CHARSET.search(page[:4096])
    return declared and f"charset={declared[1].decode()}"


def _wide(content: bytes) -> str | None:
    """UTF-16 without a mark: every other byte of Western text is zero."""
    look = content[:4096]
    pairs = len(look) // 2
    if pairs < 8:
        return None
    if look[1::2].count(0) * 2 > pairs and not look[0::2].count(0):
        return "utf-16-le"
    if look[0::2].count(0) * 2 > pairs and not look[1::2].count(0):
        return "utf-16-be"
    return None
