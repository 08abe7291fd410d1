"""From the text of a document to its checked operations, once per distinct text."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from graphql import DocumentNode, GraphQLError, GraphQLSchema, OperationDefinitionNode, parse

from execution import limits as limit
from execution.limits import Limits
from execution.operations import Operation, OperationKind, Refused, Stage
from execution.plan import Plan
from execution.validation import validate

__all__ = ["Document", "DocumentCache", "check"]


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


class DocumentCache:
    """The documents used last, bounded by their number and by the length of their texts."""

    def __init__(self, count: int, size: int) -> None:
        self.count, self.size = count, size
        self._documents: OrderedDict[str, Document] = OrderedDict()
        self._held = 0

    def get(self, text: str) -> Document | None:
        document = self._documents.get(text)
        if document is not None:
            self._documents.move_to_end(text)
        return document

    def put(self, text: str, document: Document) -> None:
        if text not in self._documents:
            self._held += len(text)
        self._documents[text] = document
        while len(self._documents) > self.count or self._held > self.size:
            oldest, _ = self._documents.popitem(last=False)
            self._held -= len(oldest)

    def __len__(self) -> int:
        return len(self._documents)


def check(schema: GraphQLSchema, text: str, limits: Limits) -> Document:
    """Parsed, held to every limit and valid; else `Refused`. The time it takes grows with the length of the text."""
    if len(text) > limits.document_bytes or len(text.encode(errors="surrogatepass")) > limits.document_bytes:
        problem = f"The document is longer than {limits.document_bytes} bytes."
        raise Refused(Stage.LIMIT, [GraphQLError(problem, extensions={"code": "limit"})])
    document = _parse(text, limits)
    if errors := limit.exceeded(document, limits):
        raise Refused(Stage.LIMIT, errors)
    if errors := validate(schema, document, limits):
        raise Refused(Stage.VALIDATE, errors)
    return Document(_operations(schema, document, limits))


def _parse(text: str, limits: Limits) -> DocumentNode:
    try:
        return parse(text, max_lexical_tokens=limits.tokens, max_comments=limits.tokens)
    except GraphQLError as error:
        raise Refused(Stage.PARSE, [error]) from error


def _operations(schema: GraphQLSchema, document: DocumentNode, limits: Limits) -> dict[str | None, Operation]:
    operations = {}
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode):
            name = node.name.value if node.name else None
            plan = Plan(schema, document, node, hide_suggestions=not limits.suggestions)
            operations[name] = Operation(OperationKind(node.operation.value), name, document, node, plan)
    return operations
