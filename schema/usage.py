from datetime import date

import strawberry

from domain.identity import Scope
from domain.usage_reports import UsageGrouping
from resolvers import usage as resolve
from schema.access import root_field
from schema.scalars import DateTime


@strawberry.type(description="What one answer used.")
class Usage:
    input_tokens: int = strawberry.field(description="Tokens read.")
    output_tokens: int = strawberry.field(description="Tokens written.")
    cached_tokens: int = strawberry.field(description="How many of the tokens read came from the provider's cache.")
    cost: float = strawberry.field(description="US dollars, by the model's price; 0 when no price is known.")
    estimated: bool = strawberry.field(description="Whether we counted because the provider did not.")


@strawberry.type(description="A line of what a call cost.")
class UsageItem:
    sku: str = strawberry.field(description="What was paid for.")
    description: str = strawberry.field(description="The same in words.")
    quantity: int = strawberry.field(description="How many.")
    unit_price: float = strawberry.field(description="US dollars for one.")
    amount: float = strawberry.field(description="US dollars for all.")


@strawberry.type(description="One call of a model.")
class UsageRecord:
    model_name: str = strawberry.field(name="model", description="The model.")
    vendor: str = strawberry.field(description="Who made the model.")
    input_tokens: int = strawberry.field(description="Tokens read.")
    output_tokens: int = strawberry.field(description="Tokens written.")
    total_tokens: int = strawberry.field(resolver=resolve.total_tokens, description="Tokens read and written.")
    cached_tokens: int = strawberry.field(description="How many of the tokens read came from the provider's cache.")
    cost: float = strawberry.field(description="US dollars, with everything in `items`.")
    input_price: float | None = strawberry.field(description="US dollars for a million tokens read, at that time.")
    output_price: float | None = strawberry.field(description="US dollars for a million tokens written.")
    cached_price: float | None = strawberry.field(
        description="US dollars for a million tokens from the provider's cache; null for the price of any other."
    )
    items = strawberry.field(
        resolver=resolve.items,
        graphql_type=list[UsageItem],
        description="What else was paid for to make the answer, such as choosing the model.",
    )
    estimated: bool = strawberry.field(description="Whether we counted because the provider did not.")
    api_key_id: strawberry.ID | None = strawberry.field(description="The key it was asked with.")
    gateway_id: strawberry.ID | None = strawberry.field(description="The gateway that was asked.")
    success: bool = strawberry.field(description="Whether an answer came of it.")
    action: str = strawberry.field(description="What it was for, for example `chat` or `stream_chat`.")
    external_user: str | None = strawberry.field(description="The user of your application who asked.")
    created_at: DateTime = strawberry.field(description="When it ended.")


@strawberry.type(description="What one model was used for.")
class ModelUse:
    model_id: str = strawberry.field(description="What the provider calls it.")
    vendor: str = strawberry.field(description="Who made it.")
    requests: int = strawberry.field(description="How often it was asked.")
    tokens: int = strawberry.field(description="Tokens read and written.")
    cost: float = strawberry.field(description="US dollars.")
    percentage: float = strawberry.field(description="Its share of all requests, with one decimal.")
    color: str = strawberry.field(description="A colour of its vendor's own for charts, as `#rrggbb`.")


@strawberry.type(description="What was used in a time, by model and in all.")
class UsageStatistics:
    total_tokens: int = strawberry.field(description="Tokens read and written.")
    input_tokens: int = strawberry.field(description="Tokens read.")
    output_tokens: int = strawberry.field(description="Tokens written.")
    total_cost: float = strawberry.field(description="US dollars.")
    total_requests: int = strawberry.field(description="How often a model was asked.")
    success_rate: float = strawberry.field(
        description="Out of 100, how many gave an answer, with one decimal; 100 when none was asked."
    )
    models: list[ModelUse] = strawberry.field(description="By model, the most asked first.")
    recent = strawberry.field(
        resolver=resolve.recent, graphql_type=list[UsageRecord], description="The last calls, newest first."
    )


@strawberry.type(description="Usage added up. Of what, is in the members it was grouped by; the others are null.")
class UsageGroup:
    day: date | None = strawberry.field(description="The day, in UTC.")
    model_name: str | None = strawberry.field(name="model", description="The model.")
    vendor: str | None = strawberry.field(description="Who made the model.")
    api_key_id: strawberry.ID | None = strawberry.field(description="The key; null for who came without one.")
    gateway_id: strawberry.ID | None = strawberry.field(description="The gateway; null for who asked for a model.")
    external_user: str | None = strawberry.field(description="The user of your application; null for nobody named.")
    requests: int = strawberry.field(description="How often a model was asked.")
    successes: int = strawberry.field(description="How often an answer came of it.")
    input_tokens: float = strawberry.field(description="Tokens read.")
    output_tokens: float = strawberry.field(description="Tokens written.")
    cached_tokens: float = strawberry.field(description="How many of the tokens read came from the provider's cache.")
    cost: float = strawberry.field(description="US dollars.")


@strawberry.type(description="What was used in a time. It takes as long for millions of calls as for thousands.")
class UsageReport:
    group_by: UsageGrouping = strawberry.field(description="What it is added up by.")
    groups: list[UsageGroup] = strawberry.field(description="The sums.")
    total: UsageGroup = strawberry.field(description="All of it, also what is beyond the groups that were asked for.")


@strawberry.type
class UsageQueries:
    usage_report = root_field(
        resolve.report,
        UsageReport,
        needs=Scope.USAGE_READ,
        description="What was used and what it cost, by day, model, key, gateway or user.",
    )
    usage_statistics = root_field(
        resolve.statistics,
        UsageStatistics,
        needs=Scope.USAGE_READ,
        description="What was used, and what it cost.",
    )
