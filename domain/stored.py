"""JSON and texts as Postgres can hold them: everything but the character zero, of which neither has a use."""

import re
from typing import Any  # What is stored is open JSON.

import orjson

__all__ = ["stored_json", "stored_text"]

# Not behind an odd number of backslashes: then it is the six characters themselves.
_NUL = re.compile(r"((?<!\\)(?:\\\\)*)\\u0000")


def stored_json(value: Any) -> str:
    text = orjson.dumps(value).decode()
    return _NUL.sub(r"\1", text) if "\\u0000" in text else text


def stored_text(text: str) -> str:
    return text.replace("\0", "")
