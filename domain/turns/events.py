"""What happens in a turn, one numbered event after another.

One of these is made for every token, so they are slotted and plain, and what all events of a turn share stands once in
`TurnFacts`.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any  # Tool arguments and results are open JSON.

import orjson

import models
from engine.events import Usage

__all__ = [
    "ReasoningAdded",
    "TextAdded",
    "ToolCalled",
    "ToolReturned",
    "TurnEvent",
    "TurnFacts",
    "TurnFailed",
    "TurnFinished",
    "TurnOutcome",
    "TurnStarted",
    "decode",
    "encode",
    "is_last",
    "last_type",
    "merge_text",
]


@dataclass(frozen=True, slots=True)
class TurnFacts:
    """Ids as text: they are printed with every token."""

    turn_id: str
    conversation_id: str
    answer_id: str

    @classmethod
    def of(cls, turn: models.Turn) -> "TurnFacts":
        return cls(str(turn.id), str(turn.conversation_id), str(turn.answer_id))


@dataclass(frozen=True, slots=True)
class TurnOutcome:
    """How a turn ended, as rows that are saved already."""

    turn: models.Turn
    conversation: models.Conversation
    answer: models.Message | None
    usage: Usage | None = None


@dataclass(slots=True)
class _Event:
    facts: TurnFacts
    sequence: int
    moment: float

    @property
    def turn_id(self) -> str:
        return self.facts.turn_id

    @property
    def conversation_id(self) -> str:
        return self.facts.conversation_id

    @property
    def answer_id(self) -> str:
        return self.facts.answer_id

    @property
    def at(self) -> datetime:
        return datetime.fromtimestamp(self.moment, UTC)


@dataclass(slots=True)
class TurnStarted(_Event):
    pass


@dataclass(slots=True)
class TextAdded(_Event):
    text: str


@dataclass(slots=True)
class ReasoningAdded(_Event):
    text: str


@dataclass(slots=True)
class ToolCalled(_Event):
    call_id: str
    tool: str
    arguments: str


@dataclass(slots=True)
class ToolReturned(_Event):
    call_id: str
    result: Any


@dataclass(slots=True)
class TurnFinished(_Event):
    """The answer is complete, or was cancelled. `outcome` is there in the process that made it."""

    outcome: TurnOutcome | None = None


@dataclass(slots=True)
class TurnFailed(_Event):
    """The answer could not be completed; the turn says why."""

    outcome: TurnOutcome | None = None


TurnEvent = TurnStarted | TextAdded | ReasoningAdded | ToolCalled | ToolReturned | TurnFinished | TurnFailed

_NAMES: dict[type[Any], str] = {
    TurnStarted: "started",
    TextAdded: "text",
    ReasoningAdded: "reasoning",
    ToolCalled: "call",
    ToolReturned: "result",
    TurnFinished: "finished",
    TurnFailed: "failed",
}
_TYPES = {name: event_type for event_type, name in _NAMES.items()}


def is_last(event: TurnEvent) -> bool:
    return isinstance(event, TurnFinished | TurnFailed)


def last_type(status: models.TurnStatus) -> type[TurnFinished | TurnFailed]:
    return TurnFailed if status.is_failure else TurnFinished


def encode(events: list[TurnEvent]) -> str:
    return orjson.dumps([_row(event) for event in events]).decode()


def _row(event: TurnEvent) -> list[Any]:
    row = [_NAMES[type(event)], event.sequence, event.moment]
    match event:
        case TextAdded() | ReasoningAdded():
            row.append(event.text)
        case ToolCalled():
            row += [event.call_id, event.tool, event.arguments]
        case ToolReturned():
            row += [event.call_id, event.result]
    return row


def decode(facts: TurnFacts, page: str) -> list[TurnEvent]:
    return [_TYPES[name](facts, *rest) for name, *rest in orjson.loads(page)]


def merge_text(events: list[TurnEvent]) -> list[TurnEvent]:
    """Neighbouring pieces of text as one, numbered like the last of them, for a reader that lags behind."""
    merged: list[TurnEvent] = []
    run: list[TurnEvent] = []

    def end_run() -> None:
        if run:
            last = run[-1]
            merged.append(type(last)(last.facts, last.sequence, last.moment, "".join(e.text for e in run)))  # type: ignore[union-attr, call-arg, arg-type]  # a run holds one of the two text events only
            run.clear()

    for event in events:
        if run and type(run[0]) is not type(event):
            end_run()
        if isinstance(event, TextAdded | ReasoningAdded):
            run.append(event)
        else:
            merged.append(event)
    end_run()
    return merged
