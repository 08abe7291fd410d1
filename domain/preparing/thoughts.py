"""Thinking that a model writes into its answer between marks, told apart from what it says."""

import re
from collections.abc import Callable

from engine.events import Event, Reasoning, Text

__all__ = ["CLOSING", "OPENING", "ThoughtSplitter", "removed"]

OPENING, CLOSING = "<think>", "</think>"
_THOUGHT = re.compile(r"<think>.*?(?:</think>\s*|\Z)", re.DOTALL)


def removed(text: str) -> str:
    return _THOUGHT.sub("", text)


class ThoughtSplitter:
    """Takes the text of an answer in pieces, cut anywhere, and gives back text and reasoning.

    It holds back no more than what may be the beginning of a mark, and the blank space around thoughts.
    """

    def __init__(self, *, is_thinking: bool = False) -> None:
        """`is_thinking`: the answer was begun for the model, and with a thought."""
        self._is_thinking = is_thinking
        self._held = ""
        # Blank space that only shows when words follow it.
        self._at_start = True

    def feed(self, text: str) -> list[Event]:
        self._held += text
        events: list[Event] = []
        while True:
            mark = CLOSING if self._is_thinking else OPENING
            before, found, after = self._held.partition(mark)
            if not found:
                break
            self._say(before, events)
            self._held, self._is_thinking, self._at_start = after, not self._is_thinking, True
        sure = len(self._held) - _begun(self._held, mark)
        self._say(self._held[:sure], events)
        self._held = self._held[sure:]
        return events

    def end(self) -> list[Event]:
        events: list[Event] = []
        self._say(self._held, events)
        self._held = ""
        return events

    def _say(self, text: str, events: list[Event]) -> None:
        if self._at_start:
            text = text.lstrip()
        if not text:
            return
        self._at_start = False
        made: Callable[[str], Event] = Reasoning if self._is_thinking else Text
        events.append(made(text))


def _begun(text: str, mark: str) -> int:
    """How many characters at the end of the text may be the beginning of the mark."""
    return next(
        (length for length in range(min(len(mark) - 1, len(text)), 0, -1) if mark.startswith(text[-length:])), 0
    )
