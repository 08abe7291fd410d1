"""From the text of a document to its checked operations, once per distinct text."""

from collections.abc import Mapping
from dataclasses import dataclass

from graphql import DocumentNode, FragmentDefinitionNode, GraphQLError, GraphQLSchema, OperationDefinitionNode, parse

from execution import limits as limit
from execution.cost import Price
from execution.limits import CycleError, Limits
from execution.operations import Operation, OperationKind, Refused, Stage
from execution.plan import Plan
from execution.validation import validate

__all__ = ["Document", "check"]


@dataclass(frozen=True, slots=True)
class Document:
    operations: Mapping[str | None, Operation]

    def select(self, name: str | None) -> Operation:
        if name is None:
            if len(self.operations) == 1:
                return next(iter(self.operations.values()))
            problem = "Must provide operation name if query contains multiple operations."
            if not self.operations:
                problem = "Must provide an operation."
            raise Refused(Stage.SELECT, [GraphQLError(problem)])
        operation = self.operations.get(name)
        if operation is None:
            raise Refused(Stage.SELECT, [GraphQLError(f"Unknown operation named {name!r}.")])
        return operation


def check(schema: GraphQLSchema, text: str, limits: Limits, *, trusted: bool = False) -> Document:
    """Parsed, within every limit and valid; else `Refused`. The time it takes grows with the length of the text.

    A trusted document only has to be valid.
    """
    document = _parsed(text) if trusted else _within_limits(text, limits)
    if errors := validate(schema, document, limits, trusted=trusted):
        raise Refused(Stage.VALIDATE, errors)
    checked = Document(_operations(schema, document, limits, trusted=trusted))
    if not trusted and (errors := _too_expensive(checked, limits)):
        raise Refused(Stage.LIMIT, errors)
    return checked


def _within_limits(text: str, limits: Limits) -> DocumentNode:
    if len(text) > limits.document_bytes or len(text.encode(errors="surrogatepass")) > limits.document_bytes:
        problem = f"The document is longer than {limits.document_bytes} bytes."
        raise Refused(Stage.LIMIT, [GraphQLError(problem, extensions={"code": "limit"})])
    document = _parsed(text, tokens=limits.tokens)
    try:
        errors = limit.exceeded(document, limits)
    except CycleError as error:
        raise Refused(Stage.VALIDATE, [error]) from error
    if errors:
        raise Refused(Stage.LIMIT, errors)
    return document


def _parsed(text: str, tokens: int | None = None) -> DocumentNode:
    try:
        return parse(text, max_lexical_tokens=tokens, max_comments=tokens)
    except GraphQLError as error:
        raise Refused(Stage.PARSE, [error]) from error


def _operations(
    schema: GraphQLSchema, document: DocumentNode, limits: Limits, *, trusted: bool
) -> dict[str | None, Operation]:
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    operations = {}
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode):
            name = node.name.value if node.name else None
            plan = Plan(schema, node, fragments, hide_suggestions=not limits.suggestions)
            price = Price(schema, node, fragments, limits)
            kind = OperationKind(node.operation.value)
            operations[name] = Operation(kind, name, document, node, plan, price, trusted)
    return operations


def _too_expensive(document: Document, limits: Limits) -> list[GraphQLError]:
    errors: list[GraphQLError] = []
    for operation in document.operations.values():
        errors += operation.price.complaints(None)
    return errors
