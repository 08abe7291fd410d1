"""What travels between a way in and the executor."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any  # GraphQL variables and results are open JSON by nature.

from graphql import DocumentNode, GraphQLError, OperationDefinitionNode, located_error

from execution import encoding, errors
from execution.cost import Price
from execution.plan import Plan


class OperationKind(StrEnum):
    QUERY = "query"
    MUTATION = "mutation"
    SUBSCRIPTION = "subscription"


class Stage(StrEnum):
    """How far a request came before it was refused; each way in has its own status for each."""

    REQUEST = "request"
    PERSISTED = "persisted"
    PARSE = "parse"
    VALIDATE = "validate"
    LIMIT = "limit"
    SELECT = "select"
    VARIABLES = "variables"


class Refused(Exception):
    """The operation was never started; `errors` say why."""

    def __init__(self, stage: Stage, errors: Sequence[GraphQLError]) -> None:
        self.stage, self.errors = stage, tuple(errors)
        super().__init__("; ".join(error.message for error in errors))


@dataclass(frozen=True, slots=True)
class Request:
    """`document_id` names a document that is known already; it comes before the text, should both be there."""

    document: str | None = None
    operation_name: str | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    extensions: Mapping[str, Any] = field(default_factory=dict)
    document_id: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """A checked document with one operation picked; cached, so it holds nothing of any request.

    One that is trusted was written by this server's own people: it is valid, but may cost what it likes.
    """

    kind: OperationKind
    name: str | None
    document: DocumentNode
    node: OperationDefinitionNode
    plan: Plan = field(repr=False)
    price: Price = field(repr=False)
    trusted: bool = False


@dataclass(slots=True)
class Result:
    """`errors` are formatted and masked; `causes` keeps the originals for a way in that maps them itself.

    `refused` is set when the operation was not started after all: its variables do not fit, or ask for too much.
    `sequence` is the place of a subscription's event in its source, when the source can be resumed after it.
    `incremental` holds what `@defer` and `@stream` add to a payload (`pending`, `incremental`, `completed`, `hasNext`);
    only the first payload of such a stream has `data`.
    """

    data: dict[str, Any] | None
    errors: list[dict[str, Any]] | None = None
    extensions: dict[str, Any] | None = None
    causes: Sequence[GraphQLError] = ()
    sequence: int | None = None
    incremental: dict[str, Any] | None = None
    refused: Stage | None = None

    def payload(self) -> dict[str, Any]:
        payload: dict[str, Any] = {}
        if self.data is not None or (self.incremental is None and self.refused is None):
            payload["data"] = self.data
        if self.incremental is not None:
            payload |= self.incremental
        if self.errors:
            payload["errors"] = self.errors
        if self.extensions:
            payload["extensions"] = self.extensions
        return payload

    def encode(self) -> bytes:
        """The payload as JSON, in UTF-8."""
        try:
            return encoding.encode(self.payload())
        except (TypeError, RecursionError) as error:
            # A resolver let something through that no client could read; the rest of the data may lean on it.
            return encoding.encode({"data": None, "errors": errors.present([located_error(error)])})
