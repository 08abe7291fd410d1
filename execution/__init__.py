"""One path from a document to an answer, for every protocol: prepare once, then run or stream."""

from execution.executor import Executor
from execution.operations import Operation, OperationKind, Refused, Request, Result, Stage

__all__ = ["Executor", "Operation", "OperationKind", "Refused", "Request", "Result", "Stage"]
