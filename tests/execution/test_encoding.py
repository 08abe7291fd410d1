import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
import pytest

from execution import Result


@dataclass
class Picture:
    content: bytes
    media_type: str = "image/png"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (float("nan"), "null"),
        (float("inf"), "null"),
        (2**64, "18446744073709551616"),
        ([-(2**70)], "[-1180591620717411303424]"),
        ("\ud800", '"?"'),
        ({1: 2, None: 3, False: 4}, '{"1":2,"null":3,"false":4}'),
        (Decimal("0.10"), "0.10"),
        (Decimal("NaN"), "null"),
        (timedelta(seconds=90), "90.0"),
        (datetime(2026, 1, 2, tzinfo=UTC), '"2026-01-02T00:00:00+00:00"'),
        (b"ab", '"YWI="'),
        ((1, 2), "[1,2]"),
        (orjson.Fragment(b'{"made": "elsewhere"}'), '{"made": "elsewhere"}'),
        (Picture(b"ab"), '"data:image/png;base64,YWI="'),
    ],
)
def test_writes_every_value_as_json(value: Any, text: str) -> None:
    assert Result({"it": value}).encode().decode() == f'{{"data":{{"it":{text}}}}}'


def test_writes_members_in_the_order_of_the_specification() -> None:
    result = Result(None, [{"message": "no"}], {"cost": 1})

    assert list(json.loads(result.encode())) == ["data", "errors", "extensions"]


def test_hides_what_has_no_json_form() -> None:
    payload = json.loads(Result({"it": object()}).encode())

    assert payload["data"] is None
    assert payload["errors"][0]["message"] == "Internal error"
