"""Logs: one JSON object a line, with the ids of request and turn, and without secrets."""

import logging
import re
import sys
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any  # What callers add to a record is open.

import orjson

__all__ = ["request_id", "set_up"]

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

# Whatever looks like a key, ours or a vendor's, wherever it stands.
_SECRETS = re.compile(
    r"\b((?:owner|wsk|pak|ssk|aak)_|sk-|pk-)[A-Za-z0-9_-]{12,}|((?i:bearer\s+|api-key=|x-api-key:?\s*))[^\s\"',&]{8,}"
    r"|(://[^:/@\s]+:)[^@/\s]+(?=@)"
)
_OWN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "color_message"}


class JSONFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (id := request_id.get()) is not None:
            line["request_id"] = id
        line |= {key: value for key, value in record.__dict__.items() if key not in _OWN}
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = "".join(traceback.format_exception(*record.exc_info))
        return redact(orjson.dumps(line, default=str).decode())


def redact(text: str) -> str:
    return _SECRETS.sub(lambda found: (found[1] or found[2] or found[3] or "") + "[hidden]", text)


def set_up(level: int = logging.INFO) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JSONFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # They narrate what our own lines say already.
    for name in ("uvicorn", "uvicorn.error", "websockets", "websockets.server", "tortoise", "asyncio", "aiohttp"):
        logging.getLogger(name).setLevel(logging.WARNING)
