"""Prepares documents and runs operations."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from inspect import isawaitable
from typing import Any  # GraphQL variables, results and contexts are open by nature.

from graphql import (
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    execute,
    parse,
    subscribe,
    validate,
)

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
        outcome = execute(
            self.schema,
            operation.document,
            context_value=context,
            variable_values=dict(variables),
            operation_name=operation.name,
        )
        if isawaitable(outcome):
            outcome = await outcome
        assert isinstance(outcome, ExecutionResult)
        return self._result(outcome)

    async def stream(
        self, operation: Operation, variables: Mapping[str, Any], context: Any
    ) -> AsyncGenerator[Result, None]:
        """Every result of a subscription, or the one of a query or mutation. Closing it closes the source."""
        if operation.kind is not OperationKind.SUBSCRIPTION:
            yield await self.run(operation, variables, context)
            return
        source = subscribe(
            self.schema,
            operation.document,
            context_value=context,
            variable_values=dict(variables),
            operation_name=operation.name,
        )
        if isawaitable(source):
            source = await source
        if isinstance(source, ExecutionResult):
            yield self._result(source)
            return
        assert isinstance(source, AsyncIterator)
        try:
            async for outcome in source:
                yield self._result(outcome)
        finally:
            if isinstance(source, AsyncGenerator):
                await source.aclose()

    def _result(self, outcome: ExecutionResult) -> Result:
        errors = [error.formatted for error in outcome.errors or ()]
        return Result(outcome.data, [dict(error) for error in errors] or None, None, tuple(outcome.errors or ()))
