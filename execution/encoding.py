"""A result as JSON bytes. Values that are encoded already (`orjson.Fragment`) are copied, not rebuilt."""

from base64 import b64encode
from collections.abc import Mapping, Set
from datetime import timedelta
from decimal import Decimal
from typing import Protocol, runtime_checkable

import orjson

__all__ = ["encode"]


@runtime_checkable
class _File(Protocol):
    """Anything with bytes and a media type; where files come from is nothing that this way out needs to know."""

    content: object
    media_type: str


def encode(payload: object) -> bytes:
    """UTF-8 JSON; NaN and infinities become null. Raises TypeError when something has no JSON form."""
    try:
        return orjson.dumps(payload, _plain, orjson.OPT_PASSTHROUGH_DATACLASS)
    except orjson.JSONEncodeError:
        # Lone surrogates, integers over 64 bits, keys that are not strings: rare, and still somebody's answer.
        return orjson.dumps(_mended(payload), _plain, orjson.OPT_PASSTHROUGH_DATACLASS)


def _plain(value: object) -> object:
    if isinstance(value, _File) and isinstance(value.content, bytes):
        return f"data:{value.media_type};base64,{b64encode(value.content).decode()}"
    if isinstance(value, bytes | bytearray | memoryview):
        return b64encode(value).decode()
    if isinstance(value, Decimal):
        # As the digits it has: a float would lose some of them.
        return orjson.Fragment(str(value)) if value.is_finite() else None
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Set):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _mended(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 63:
        return orjson.Fragment(str(value))
    if isinstance(value, Mapping):
        return {_key(key): _mended(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mended(item) for item in value]
    return value


def _key(key: object) -> object:
    if isinstance(key, str):
        return _mended(key)
    words = {None: "null", True: "true", False: "false"}
    return words[key] if key is None or isinstance(key, bool) else str(key)
