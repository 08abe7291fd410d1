"""What a client may say on a socket, checked field by field."""

from dataclasses import dataclass
from typing import Any  # Payloads are open JSON.

import orjson

__all__ = ["Malformed", "Message", "key_in", "read_message"]

_WITH_OPTIONAL_PAYLOAD = ("connection_init", "ping", "pong")
_WITH_ID = ("subscribe", "complete")


class Malformed(Exception):
    """Not a message of the protocol; the socket cannot go on."""


@dataclass(frozen=True, slots=True)
class Message:
    type: str
    id: str
    payload: dict[str, Any] | None


def read_message(text: str | bytes) -> Message:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        raise Malformed("Messages are JSON") from exc
    if not isinstance(value, dict):
        raise Malformed("A message is an object")
    type, id = value.get("type"), value.get("id", "")
    payload = value.get("payload") if type != "complete" else None
    if type not in _WITH_OPTIONAL_PAYLOAD + _WITH_ID:
        raise Malformed("Unknown type of message")
    if type in _WITH_ID and not (isinstance(id, str) and id):
        raise Malformed(f"A {type} message needs an id, a string that is not empty")
    if payload is not None and not isinstance(payload, dict):
        raise Malformed(f"The payload of a {type} message is an object")
    if type == "subscribe" and payload is None:
        raise Malformed("A subscribe message needs a payload")
    return Message(type, id, payload)


def key_in(payload: dict[str, Any] | None) -> str | None:
    """The key that a `connection_init` carries, for clients that cannot set headers on a socket."""
    for name in ("authorization", "Authorization", "key"):
        value = (payload or {}).get(name)
        if value is None:
            continue
        if not isinstance(value, str):
            raise Malformed(f"{name} is a string")
        scheme, _, key = value.partition(" ")
        return key.strip() if scheme.lower() == "bearer" else value
    return None
