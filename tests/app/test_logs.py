import json
import logging
import sys

import pytest

from app.logs import JSONFormatter, redact, request_id


def line(message: str, **extra: object) -> dict[str, object]:
    record = logging.makeLogRecord({"name": "palaver", "levelname": "INFO", "msg": message, **extra})
    found: dict[str, object] = json.loads(JSONFormatter().format(record))
    return found


def test_a_line_is_one_json_object_with_its_ids() -> None:
    token = request_id.set("r1")

    found = line("turn ended\nbadly", turn_id="t1")

    request_id.reset(token)
    assert (found["message"], found["request_id"], found["turn_id"]) == ("turn ended\nbadly", "r1", "t1")


def test_an_exception_is_told_whole() -> None:
    try:
        raise ValueError("with sk-abcdefghijklmnop inside")
    except ValueError:
        found = line("it broke", exc_info=sys.exc_info())

    assert "ValueError: with sk-[hidden] inside" in str(found["exception"])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("wsk_0123456789abcdef", "wsk_[hidden]"),
        ("Authorization: Bearer abcdefgh12345", "Authorization: Bearer [hidden]"),
        ("postgresql://user:pa55word@host/db", "postgresql://user:[hidden]@host/db"),
        ("/v1/models?api-key=sk-0123456789abcdef", "/v1/models?api-key=[hidden]"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_keys_are_hidden(text: str, shown: str) -> None:
    assert redact(text) == shown
