"""Prepares documents and runs operations."""

import logging
from asyncio import timeout
from collections.abc import AsyncGenerator, AsyncIterable, Mapping, Sequence
from types import CoroutineType
from typing import Any  # GraphQL variables, results and contexts are open by nature.

from graphql import GraphQLError, GraphQLSchema
from graphql.execution.incremental import IncrementalExecutor

from execution import documents, errors
from execution.documents import DocumentCache
from execution.increments import increments
from execution.limits import Limits
from execution.operations import Operation, OperationKind, Request, Result, Stage
from execution.plan import Run

logger = logging.getLogger(__name__)


class Executor:
    def __init__(self, schema: Any, *, limits: Limits | None = None) -> None:
        """`schema` is graphql-core's, or Strawberry's around one."""
        self.schema: GraphQLSchema = getattr(schema, "_schema", schema)
        self.limits = limits or Limits()
        self.documents = DocumentCache(self.limits.cached_documents, self.limits.cached_bytes)

    def prepare(self, request: Request) -> Operation:
        """The checked operation of a request; raises `Refused` before anything ran."""
        text = request.document or ""
        document = self.documents.get(text)
        if document is None:
            document = documents.check(self.schema, text, self.limits)
            self.documents.put(text, document)
        return document.select(request.operation_name)

    async def run(self, operation: Operation, variables: Mapping[str, Any], context: Any) -> Result:
        """The whole answer of a query or mutation. Cancelling the task cancels the resolvers."""
        run = operation.plan.begin(variables, context)
        if isinstance(run, list):
            return _refused(Stage.VARIABLES, run)
        return await _answer(operation, run, self._seconds(operation))

    def stream(self, operation: Operation, variables: Mapping[str, Any], context: Any) -> AsyncGenerator[Result, None]:
        """Every result of a subscription, or the one of a query or mutation. Closing it closes the source."""
        if operation.kind is OperationKind.SUBSCRIPTION:
            return self._events(operation, variables, context)
        return self._once(operation, variables, context)

    async def _once(
        self, operation: Operation, variables: Mapping[str, Any], context: Any
    ) -> AsyncGenerator[Result, None]:
        run = operation.plan.begin(variables, context)
        if isinstance(run, list):
            yield _refused(Stage.VARIABLES, run)
        elif not operation.plan.incremental:
            yield await _answer(operation, run, self._seconds(operation))
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
        run = plan.begin(variables, context)
        if isinstance(run, list):
            yield _refused(Stage.VARIABLES, run)
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
        except Exception as error:
            # The source broke. That is this stream's last word, in the place its events had.
            yield _result(None, [plan.broken(run, error)])
        finally:
            await _close(source)

    def _seconds(self, operation: Operation) -> float:
        mutates = operation.kind is OperationKind.MUTATION
        return self.limits.mutation_seconds if mutates else self.limits.query_seconds


async def _answer(operation: Operation, run: Run, seconds: float) -> Result:
    data = operation.plan.start(run)
    if type(data) is CoroutineType:
        # Only what waits can be late: nothing else gives the clock a chance to run.
        try:
            async with timeout(seconds):
                data = await data
        except TimeoutError:
            return _result(None, [*run.errors, errors.TimedOut(seconds)])
    return _result(data, run.errors)


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
