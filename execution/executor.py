"""Prepares documents and runs operations."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from inspect import isawaitable
from typing import Any  # GraphQL variables, results and contexts are open by nature.

from graphql import (
    ExecutionResult,
    ExperimentalIncrementalExecutionResults,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    create_source_event_stream,
    execute_subscription_event,
    experimental_execute_incrementally,
    parse,
    validate,
)
from graphql.execution import Executor as CoreExecutor

from execution.operations import Operation, OperationKind, Refused, Request, Result, Stage


class Executor:
    def __init__(self, schema: GraphQLSchema) -> None:
        self.schema = schema

    def prepare(self, request: Request) -> Operation:
        """The checked operation of a request; raises `Refused` before anything ran."""
        try:
            document = parse(request.document or "")
        except GraphQLError as exc:
            raise Refused(Stage.PARSE, [exc]) from exc
        if errors := validate(self.schema, document):
            raise Refused(Stage.VALIDATE, errors)
        operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
        wanted = [
            node
            for node in operations
            if request.operation_name is None or (node.name and node.name.value == request.operation_name)
        ]
        if len(wanted) != 1:
            raise Refused(Stage.SELECT, [GraphQLError("Which operation?")])
        node = wanted[0]
        return Operation(OperationKind(node.operation.value), node.name.value if node.name else None, document, node)

    async def run(self, operation: Operation, variables: Mapping[str, Any], context: Any) -> Result:
        """The whole answer of a query or mutation. Cancelling the task cancels the resolvers."""
        # The plain executor answers `@defer` and `@stream` in one piece.
        outcome = self._execute(operation, variables, context, executor_class=CoreExecutor)
        if isawaitable(outcome):
            outcome = await outcome
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
            **options,
        )

    def _frame(self, frame: Any) -> Result:
        members = dict(frame.formatted)
        return Result(members.pop("data", None), members.pop("errors", None), incremental=members)

    def _result(self, outcome: ExecutionResult) -> Result:
        errors = [error.formatted for error in outcome.errors or ()]
        return Result(outcome.data, [dict(error) for error in errors] or None, None, tuple(outcome.errors or ()))
