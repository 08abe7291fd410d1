"""Root fields say what they need, in the schema where everyone can read it, and are not entered without it."""

import inspect
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar  # A field may be of any type.

import strawberry
from strawberry.schema_directive import Location

from domain.identity import Scope
from resolvers.context import Info

__all__ = ["Requires", "root_field", "root_subscription"]

P = ParamSpec("P")
T = TypeVar("T")


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION], name="requires", description="The key must have this scope."
)
class Requires:
    scope: Scope


def root_field(resolver: Callable[..., Any], graphql_type: Any, *, needs: Scope, description: str) -> Any:
    # Strawberry's own type for a field is of its resolver's type; ours return rows, and `graphql_type` says the rest.
    return strawberry.field(
        resolver=_guarded(resolver, needs),
        graphql_type=graphql_type,
        description=description,
        directives=[Requires(scope=needs)],
    )


def root_subscription(resolver: Callable[..., Any], graphql_type: Any, *, needs: Scope, description: str) -> Any:
    return strawberry.subscription(
        resolver=_guarded(resolver, needs),
        graphql_type=graphql_type,
        description=description,
        directives=[Requires(scope=needs)],
    )


def _guarded(resolver: Callable[P, Any], scope: Scope) -> Callable[P, Any]:
    if inspect.iscoroutinefunction(resolver):
        entered: Callable[P, Awaitable[Any]] = resolver

        @wraps(resolver)
        async def guarded_async(*args: P.args, **kwargs: P.kwargs) -> Any:
            _info(args, kwargs).context.principal.require(scope)
            return await entered(*args, **kwargs)

        return guarded_async

    @wraps(resolver)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> Any:
        _info(args, kwargs).context.principal.require(scope)
        return resolver(*args, **kwargs)

    return guarded


def _info(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Info:
    found: Info = kwargs["info"] if "info" in kwargs else args[0]
    return found
