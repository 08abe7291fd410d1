"""One path from a document to an answer, for every protocol: prepare once, then run or stream.

`prepare` raises `Refused` with the stage a request failed at. `run` and `stream` never raise for a request's sake: when
the variables do not fit, their one `Result` has `refused` set and its payload carries no `data`.
"""

from execution.executor import Executor
from execution.limits import Limits
from execution.operations import Operation, OperationKind, Refused, Request, Result, Stage

__all__ = ["Executor", "Limits", "Operation", "OperationKind", "Refused", "Request", "Result", "Stage"]
