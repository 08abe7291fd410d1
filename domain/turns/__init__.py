"""A turn: one answer being made, from the question to the settled usage."""

from domain.turns.beginning import Ask
from domain.turns.events import TurnEvent, TurnOutcome
from domain.turns.housekeeping import Housekeeping
from domain.turns.log import TurnLog
from domain.turns.turns import Options, Turns, WhenReaderLeaves

__all__ = ["Ask", "Housekeeping", "Options", "TurnEvent", "TurnLog", "TurnOutcome", "Turns", "WhenReaderLeaves"]
