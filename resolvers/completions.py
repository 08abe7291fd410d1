from typing import Annotated

import strawberry

from domain.completions.completions import Completion
from domain.completions.names import Offered
from resolvers.context import Info
from resolvers.scalars import ChatCompletionRequest


@strawberry.input(description="A request for a chat completion.")
class CompletionInput:
    request: ChatCompletionRequest = strawberry.field(description="As OpenAI's clients write it.")


Request = Annotated[CompletionInput, strawberry.argument(description="What is asked, and of whom.")]


async def complete(info: Info, input: Request) -> Completion:
    return await info.context.services.completions.complete(info.context.principal, input.request)


async def offered_models(info: Info) -> list[Offered]:
    return await info.context.services.completions.offered(info.context.principal)
