import orjson
import pytest

from domain.stored import stored_json, stored_text


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("a\0b", "ab"),
        ("\0\0a\\\0", "a\\"),
        (r"\u0000", r"\u0000"),
        ("\\\\\0" + r"\u0000", "\\\\" + r"\u0000"),
        ({"a\0": ["\0"]}, {"a": [""]}),
    ],
)
def test_drops_the_character_zero_and_nothing_that_only_looks_like_it(value: object, kept: object) -> None:
    assert orjson.loads(stored_json(value)) == kept


def test_a_text_loses_the_character_zero() -> None:
    assert stored_text("a\0b\0") == "ab"
