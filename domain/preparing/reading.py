"""What comes from a model that does not answer as models do, made into what others would have said."""

from collections.abc import Sequence
from typing import Protocol

from engine.events import End, EndReason, Event, Text, ToolCall
from engine.packets import Heard

__all__ = ["DiffusedText", "Reader", "Reading"]


class Reader(Protocol):
    """Text in pieces, cut anywhere; events as soon as they are certain."""

    def feed(self, text: str) -> list[Event]: ...

    def end(self) -> list[Event]: ...


class DiffusedText:
    """A model that writes its whole answer anew each time: only the last version counts, as nobody can take back
    what has been shown."""

    def __init__(self) -> None:
        self._latest = ""

    def feed(self, text: str) -> list[Event]:
        self._latest = text
        return []

    def end(self) -> list[Event]:
        text, self._latest = self._latest, ""
        return [Text(text)] if text else []


class Reading:
    """One answer of a model, read by several readers, each of what the one before it takes for text.

    `prefill` is what the answer was begun with for the model, and `stop` what ended it, where both are to be seen.
    """

    def __init__(self, readers: Sequence[Reader], *, prefill: str = "", stop: str = "") -> None:
        self._readers, self._prefill, self._stop = readers, prefill, stop
        self._tail = ""
        self._has_called = self._is_read = False

    def read(self, heard: Sequence[Heard]) -> list[Heard]:
        """The same pieces as they are meant. None of their blocks is fit to be passed on."""
        return [Heard(b"", self.events(piece.events), piece.finishes) for piece in heard]

    def events(self, events: Sequence[Event | None]) -> list[Event | None]:
        read: list[Event | None] = []
        for event in events:
            if isinstance(event, Text):
                read += self._said(self._through([event]))
            elif isinstance(event, End):
                read += self._ended(event)
            else:
                if isinstance(event, ToolCall):
                    self._has_called = True
                read.append(event)
        return read

    def _through(self, events: list[Event], first: int = 0) -> list[Event]:
        for reader in self._readers[first:]:
            events = [
                made for event in events for made in (reader.feed(event.text) if type(event) is Text else [event])
            ]
        return events

    def _said(self, events: list[Event]) -> list[Event]:
        """With the words that come before the first of them."""
        said: list[Event] = []
        for event in events:
            if isinstance(event, Text):
                event, self._prefill = Text(self._prefill + event.text), ""
                self._tail = (self._tail + event.text)[-len(self._stop) :] if self._stop else ""
            self._has_called = self._has_called or isinstance(event, ToolCall)
            said.append(event)
        return said

    def _ended(self, end: End) -> list[Event]:
        events: list[Event] = []
        for place, reader in enumerate(self._readers):
            events += self._through(reader.end(), place + 1)
        events = self._said(events)
        if self._has_called:
            return [*events, End(EndReason.TOOL_CALLS) if end.reason is EndReason.STOP else end]
        # No provider says whether it was the stop that ended an answer, or the model: it reads the same.
        stop = "" if end.reason is not EndReason.STOP or self._tail.endswith(self._stop) else self._stop
        if self._prefill or stop:
            events += self._said([Text(stop)])
        return [*events, end]
