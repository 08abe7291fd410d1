from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.sse import EventSplitter

AWKWARD = (
    b"\xef\xbb\xbfdata: zero\n\n"
    b": a comment, as OpenRouter sends while it waits\n\n"
    b'data: {"one": 1}\n\n'
    b'event: delta\r\ndata:{"two": 2}\r\nid: 7\r\n\r\n'
    b"data: three\rdata\rdata: lines\r\r"
    b"retry: 10\n\n"
    b"data: [DONE]"
)
MEANT = [b"zero", b'{"one": 1}', b'{"two": 2}', b"three\n\nlines", b"[DONE]"]


@given(cuts=st.lists(st.integers(0, len(AWKWARD))))
def test_finds_the_same_events_however_the_bytes_were_cut(cuts: list[int]) -> None:
    splitter = EventSplitter()

    events = [
        event
        for start, end in pairwise([0, *sorted(cuts), len(AWKWARD)])
        for event in splitter.feed(AWKWARD[start:end])
    ]

    assert [*events, *splitter.finish()] == MEANT


def test_gives_up_on_an_event_without_end() -> None:
    splitter = EventSplitter(limit_bytes=10)

    with pytest.raises(OverflowError):
        splitter.feed(b"data: 0123456789")
