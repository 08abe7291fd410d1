"""The rules of the GraphQL specification, within a time that the length of a document bounds."""

from functools import cache
from time import thread_time
from typing import Any  # Visitors are handed nodes with their surroundings.

import graphql
from graphql import (
    ASTValidationRule,
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OverlappingFieldsCanBeMergedRule,
    specified_rules,
)
from graphql.validation import ASTValidationContext
from graphql.validation.validate import ValidationAbortedError

from execution.limits import Limits
from execution.overlaps import FieldsCanBeMerged

__all__ = ["validate"]

# A client can do little with more of them, and each costs a search for its line.
_MAX_ERRORS = 10
_RULES = tuple(FieldsCanBeMerged if rule is OverlappingFieldsCanBeMergedRule else rule for rule in specified_rules)


def validate(
    schema: GraphQLSchema, document: DocumentNode, limits: Limits, *, trusted: bool = False
) -> list[GraphQLError]:
    return graphql.validate(
        schema,
        document,
        _RULES if trusted else (_within(limits.check_seconds), *_RULES),
        max_errors=_MAX_ERRORS,
        hide_suggestions=not limits.suggestions,
    )


@cache
def _within(seconds: float) -> type[ASTValidationRule]:
    class WithinTime(ASTValidationRule):
        """The last resort; the other limits should keep every document far below it."""

        def __init__(self, context: ASTValidationContext) -> None:
            super().__init__(context)
            self.end = thread_time() + seconds
            self.fields = 0

        def enter_field(self, *_surroundings: Any) -> None:
            # Asking for the time costs more than some of the checks do, and a small document needs no limit.
            self.fields += 1
            if self.fields % 32 == 0 and thread_time() > self.end:
                raise ValidationAbortedError("Checking the document took too long.", extensions={"code": "timeout"})

    return WithinTime
