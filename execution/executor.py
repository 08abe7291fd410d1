"""Prepares documents and runs operations."""

import logging
from asyncio import CancelledError, current_task, timeout
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Mapping, Sequence
from types import CoroutineType
from typing import Any  # GraphQL variables, results and contexts are open by nature.

from graphql import GraphQLError, GraphQLSchema, located_error
from graphql.execution.incremental import IncrementalExecutor

from errors import PlatformError
from execution import errors
from execution.increments import increments
from execution.library import Library
from execution.limits import Limits
from execution.operations import Operation, OperationKind, Request, Result, Stage
from execution.plan import Run

logger = logging.getLogger(__name__)

# Takes the cost of an operation from whoever the context says is asking, and raises when they cannot afford it.
Spend = Callable[[Any, int], Awaitable[None] | None]


class Executor:
    def __init__(
        self,
        schema: Any,
        *,
        limits: Limits | None = None,
        trusted: Mapping[str, str] | None = None,
        only_trusted: bool = False,
        spend: Spend | None = None,
        tell_cost: bool = False,
    ) -> None:
        """`schema` is graphql-core's, or Strawberry's around one; `trusted` has documents by their ids."""
        self.schema: GraphQLSchema = getattr(schema, "_schema", schema)
        self.limits = limits or Limits()
        self.documents = Library(self.schema, self.limits, only_trusted=only_trusted)
        self._spend, self._tell_cost = spend, tell_cost
        for id, text in (trusted or {}).items():
            self.documents.trust(text, id)

    def trust(self, text: str, id: str | None = None) -> Operation:
        """The operation of a document of our own, which clients may also ask for by its id or its hash."""
        return self.documents.trust(text, id).select(None)

    def prepare(self, request: Request) -> Operation:
        """The checked operation of a request; raises `Refused` before anything ran."""
        return self.documents.find(request)

    async def run(self, operation: Operation, variables: Mapping[str, Any], context: Any) -> Result:
        """The whole answer of a query or mutation. Cancelling the task cancels the resolvers."""
        if operation.kind is OperationKind.SUBSCRIPTION:
            return _refused(Stage.REQUEST, [GraphQLError("A subscription is answered by a stream only.")])
        run = await self._begin(operation, variables, context)
        if isinstance(run, Result):
            return run
        result = await _answer(operation, run, self._seconds(operation))
        if self._tell_cost:
            result.extensions = self._cost(operation, run)
        return result

    def stream(self, operation: Operation, variables: Mapping[str, Any], context: Any) -> AsyncGenerator[Result, None]:
        """Every result of a subscription, or the one of a query or mutation. Closing it closes the source."""
        if operation.kind is OperationKind.SUBSCRIPTION:
            return self._events(operation, variables, context)
        return self._once(operation, variables, context)

    async def _once(
        self, operation: Operation, variables: Mapping[str, Any], context: Any
    ) -> AsyncGenerator[Result, None]:
        if not operation.plan.incremental:
            yield await self.run(operation, variables, context)
            return
        run = await self._begin(operation, variables, context)
        if isinstance(run, Result):
            yield run
        else:
            results = increments(run.core_of(IncrementalExecutor), self._seconds(operation))
            try:
                async for result in results:
                    yield result
            finally:
                await results.aclose()

    async def _events(
        self, operation: Operation, variables: Mapping[str, Any], context: Any
    ) -> AsyncGenerator[Result, None]:
        plan, seconds = operation.plan, self.limits.event_seconds
        run = await self._begin(operation, variables, context)
        if isinstance(run, Result):
            yield run
            return
        try:
            async with timeout(self._seconds(operation)):
                source = await plan.subscribe(run)
        except TimeoutError:
            yield _result(None, [errors.TimedOut(self._seconds(operation))])
            return
        except GraphQLError as error:
            yield _result(None, [error])
            return
        try:
            async for event in source:
                result = await _answer(operation, run.next(event), seconds)
                result.sequence = getattr(event, "sequence", None)
                yield result
        except CancelledError as error:
            yield _result(None, [_unasked(error)])
        except Exception as error:
            # The source broke. That is this stream's last word, in the place its events had.
            yield _result(None, [plan.broken(run, error)])
        finally:
            await _close(source)

    async def _begin(self, operation: Operation, variables: Mapping[str, Any], context: Any) -> Run | Result:
        """A run that may start, or why it may not."""
        run = operation.plan.begin(variables, context)
        if isinstance(run, list):
            return _refused(Stage.VARIABLES, run)
        if not operation.trusted and (complaints := operation.price.complaints(run.variables.coerced)):
            return _refused(Stage.LIMIT, complaints)
        if self._spend is not None:
            try:
                spending = self._spend(context, operation.price.of(run.variables.coerced)[0])
                if spending is not None:
                    await spending
            except PlatformError as error:
                return _refused(Stage.LIMIT, [located_error(error)])
        return run

    def _cost(self, operation: Operation, run: Run) -> dict[str, Any]:
        cost, _ = operation.price.of(run.variables.coerced)
        return {"cost": {"requested": cost, "limit": self.limits.cost}}

    def _seconds(self, operation: Operation) -> float:
        mutates = operation.kind is OperationKind.MUTATION
        return self.limits.mutation_seconds if mutates else self.limits.query_seconds


async def _answer(operation: Operation, run: Run, seconds: float) -> Result:
    try:
        data = operation.plan.start(run)
        if type(data) is CoroutineType:
            # Only what waits can be late: nothing else gives the clock a chance to run.
            async with timeout(seconds):
                data = await data
    except TimeoutError:
        return _result(None, [*run.errors, errors.TimedOut(seconds)])
    except CancelledError as error:
        return _result(None, [*run.errors, _unasked(error)])
    except Exception as error:
        # Resolvers' errors are with the run; this one is ours, and the client is told no less.
        return _result(None, [*run.errors, located_error(error)])
    return _result(data, run.errors)


def _unasked(error: CancelledError) -> GraphQLError:
    """A resolver that waited for something cancelled has failed, which is no reason for its client to hear nothing."""
    task = current_task()
    if task is None or task.cancelling():
        raise error
    return located_error(RuntimeError("A resolver waited for something that was cancelled."))


async def _close(source: AsyncIterable[Any]) -> None:
    close = getattr(source, "aclose", None)
    if close is None:
        return
    try:
        await close()
    except Exception:
        # Nobody is left to tell.
        logger.exception("A subscription's source failed to close")


def _refused(stage: Stage, causes: Sequence[GraphQLError]) -> Result:
    return Result(None, errors.present(causes), causes=causes, refused=stage)


def _result(data: Any, causes: Sequence[GraphQLError]) -> Result:
    return Result(data, errors.present(causes), None, causes) if causes else Result(data)
