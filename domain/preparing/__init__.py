"""From an agent and what was said to the request that a model is asked."""

from domain.preparing.asking import Asking, Bill, Choice, Models, Purpose
from domain.preparing.overrides import Overrides
from domain.preparing.prepared import Prepared
from domain.preparing.preparing import Preparing

__all__ = ["Asking", "Bill", "Choice", "Models", "Overrides", "Prepared", "Preparing", "Purpose"]
