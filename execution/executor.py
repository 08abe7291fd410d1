"""Prepares documents and runs operations."""

from asyncio import timeout
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from inspect import isawaitable
from typing import Any  # GraphQL variables, results and contexts are open by nature.

from graphql import (
    ExecutionResult,
    ExperimentalIncrementalExecutionResults,
    GraphQLSchema,
    create_source_event_stream,
    execute_subscription_event,
    experimental_execute_incrementally,
)
from graphql.execution import Executor as CoreExecutor

from execution import documents, errors
from execution.documents import DocumentCache
from execution.limits import Limits
from execution.operations import Operation, OperationKind, Request, Result, Stage


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
        try:
            async with timeout(self._seconds(operation)):
                # The plain executor answers `@defer` and `@stream` in one piece.
                outcome = self._execute(operation, variables, context, executor_class=CoreExecutor)
                if isawaitable(outcome):
                    outcome = await outcome
        except TimeoutError:
            outcome = ExecutionResult(None, [errors.TimedOut(self._seconds(operation))])
        return self._result(outcome)

    async def stream(
        self, operation: Operation, variables: Mapping[str, Any], context: Any
    ) -> AsyncGenerator[Result, None]:
        """Every result of a subscription, or the one of a query or mutation. Closing it closes the source."""
        if operation.kind is not OperationKind.SUBSCRIPTION:
            outcome = self._execute(operation, variables, context)
            if isawaitable(outcome):
                outcome = await outcome
            if isinstance(outcome, ExperimentalIncrementalExecutionResults):
                async with aclosing(outcome.subsequent_results) as rest:
                    yield self._frame(outcome.initial_result)
                    async for frame in rest:
                        yield self._frame(frame)
            else:
                yield self._result(outcome)
            return
        executor = CoreExecutor.build(
            self.schema,
            operation.document,
            context_value=context,
            raw_variable_values=dict(variables),
            operation_name=operation.name,
        )
        if isinstance(executor, list):
            yield self._result(ExecutionResult(None, errors=executor))
            return
        source = create_source_event_stream(executor)
        if isawaitable(source):
            source = await source
        if isinstance(source, ExecutionResult):
            yield self._result(source)
            return
        assert isinstance(source, AsyncIterator)
        try:
            async for event in source:
                outcome = execute_subscription_event(executor.build_per_event_executor(event))
                if isawaitable(outcome):
                    outcome = await outcome
                result = self._result(outcome)
                result.sequence = getattr(event, "sequence", None)
                yield result
        finally:
            if isinstance(source, AsyncGenerator):
                await source.aclose()

    def _execute(self, operation: Operation, variables: Mapping[str, Any], context: Any, **options: Any) -> Any:
        return experimental_execute_incrementally(
            self.schema,
            operation.document,
            context_value=context,
            variable_values=dict(variables),
            operation_name=operation.name,
            hide_suggestions=not self.limits.suggestions,
            **options,
        )

    def _seconds(self, operation: Operation) -> float:
        mutates = operation.kind is OperationKind.MUTATION
        return self.limits.mutation_seconds if mutates else self.limits.query_seconds

    def _frame(self, frame: Any) -> Result:
        members = dict(frame.formatted)
        return Result(members.pop("data", None), members.pop("errors", None), incremental=members)

    def _result(self, outcome: ExecutionResult) -> Result:
        causes = tuple(outcome.errors or ())
        # What stops an operation before its first field has no path and leaves no data: its variables do not fit.
        unstarted = outcome.data is None and causes and not any(cause.path or cause.extensions for cause in causes)
        return Result(
            outcome.data,
            errors.present(causes) or None,
            None,
            causes,
            refused=Stage.VARIABLES if unstarted else None,
        )
