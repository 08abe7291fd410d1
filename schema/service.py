import strawberry

from domain.identity import Scope
from domain.service import ServiceHealth
from resolvers import service as resolve
from schema.access import root_field

__all__ = ["Service", "ServiceHealth", "ServiceQueries"]


@strawberry.type(description="How answers are drawn from a model.")
class Sampling:
    temperature: float | None = strawberry.field(description="From 0, always the likeliest word, to 2.")
    max_tokens: int | None = strawberry.field(description="How long an answer may be.")


@strawberry.type(description="This installation, and whether it can answer.")
class Service:
    version: str = strawberry.field(description="The version of Palaver.")
    health: ServiceHealth = strawberry.field(description="Whether it is configured so that it can answer.")
    is_enabled: bool = strawberry.field(description="Whether the operator has switched answering on.")
    can_answer: bool = strawberry.field(description="Whether a question would be answered now.")
    is_valid: bool = strawberry.field(description="Whether the configuration has no problems.")
    problems: list[str] = strawberry.field(description="What is wrong with the configuration.")
    provider: str = strawberry.field(description="Who is asked when nobody chose.")
    model: str = strawberry.field(description="Which model is asked when nobody chose.")
    sampling: Sampling = strawberry.field(description="How answers are drawn when nobody chose.")
    conversation_count: int = strawberry.field(
        resolver=resolve.conversation_count, description="How many conversations the workspace has."
    )


@strawberry.type
class ServiceQueries:
    service = root_field(
        resolve.service, Service, needs=Scope.MODELS_READ, description="This installation, and whether it can answer."
    )
