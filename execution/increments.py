"""What `@defer` and `@stream` send after the first payload. graphql-core makes them; here they are masked and timed."""

from asyncio import get_running_loop, timeout_at
from collections.abc import AsyncGenerator
from contextlib import aclosing
from inspect import isawaitable
from typing import Any  # Payloads are open JSON by nature.

from graphql import ExecutionResult, ExperimentalIncrementalExecutionResults, GraphQLError
from graphql.execution import Executor as CoreExecutor

from execution import errors
from execution.operations import Result

__all__ = ["increments"]


async def increments(executor: CoreExecutor[Any], seconds: float) -> AsyncGenerator[Result, None]:
    deadline = get_running_loop().time() + seconds
    try:
        async with timeout_at(deadline):
            outcome = executor.execute_operation()
            if isawaitable(outcome):
                outcome = await outcome
    except TimeoutError:
        outcome = ExecutionResult(None, [errors.TimedOut(seconds)])
    if isinstance(outcome, ExecutionResult):
        yield Result(outcome.data, errors.present(outcome.errors or ()) or None, causes=tuple(outcome.errors or ()))
        return
    async with aclosing(_frames(outcome, deadline, seconds)) as frames:
        async for frame in frames:
            yield frame


async def _frames(
    outcome: ExperimentalIncrementalExecutionResults, deadline: float, seconds: float
) -> AsyncGenerator[Result, None]:
    initial = outcome.initial_result
    pending = {part.id for part in initial.pending}
    members: dict[str, Any] = {key: part for key, part in initial.formatted.items() if key not in {"data", "errors"}}
    causes = tuple(initial.errors or ())
    async with aclosing(outcome.subsequent_results) as rest:
        yield Result(initial.data, errors.present(causes) or None, causes=causes, incremental=members)
        while pending:
            try:
                async with timeout_at(deadline):
                    frame = await anext(rest)
            except StopAsyncIteration:
                return
            except TimeoutError:
                yield _abandoned(pending, errors.TimedOut(seconds))
                return
            pending |= {part.id for part in frame.pending or ()}
            pending -= {part.id for part in frame.completed or ()}
            yield _masked(frame)


def _masked(frame: Any) -> Result:
    """A frame as graphql-core formats it, but for the errors."""
    members = dict(frame.formatted)
    causes: list[GraphQLError] = []
    for name in ("incremental", "completed"):
        for part, formatted in zip(getattr(frame, name) or (), members.get(name, ()), strict=True):
            if part.errors:
                causes += part.errors
                formatted["errors"] = errors.present(part.errors)
    return Result(None, causes=causes, incremental=members)


def _abandoned(pending: set[str], error: GraphQLError) -> Result:
    completed = [{"id": part, "errors": errors.present([error])} for part in sorted(pending)]
    return Result(None, causes=[error], incremental={"completed": completed, "hasNext": False})
