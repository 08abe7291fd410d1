"""From an agent and what was said to the request that a model is asked."""

from domain.preparing.asking import Asking, Bill, Choice, Purpose
from domain.preparing.overrides import Overrides
from domain.preparing.prepared import Prepared
from domain.preparing.preparing import Helpers, Preparing

__all__ = ["Asking", "Bill", "Choice", "Helpers", "Overrides", "Prepared", "Preparing", "Purpose"]
