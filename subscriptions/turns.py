from collections.abc import AsyncGenerator
from typing import Annotated

import strawberry

from domain.turns import TurnEvent, WhenReaderLeaves
from resolvers.context import Info
from resolvers.turns import Reply, ask_of


def reply(
    info: Info,
    input: Reply,
    when_reader_leaves: Annotated[
        WhenReaderLeaves,
        strawberry.argument(description="Whether leaving stops the answer, and what it costs, or lets it go on."),
    ] = WhenReaderLeaves.CANCEL,
) -> AsyncGenerator[TurnEvent, None]:
    turns, principal = info.context.services.turns, info.context.principal
    return turns.stream(principal, ask_of(input, "stream_chat", stream=True), when_reader_leaves)


def turn(
    info: Info,
    id: Annotated[strawberry.ID, strawberry.argument(description="The turn.")],
    after: Annotated[
        int, strawberry.argument(description="The number of the last event you have seen; 0 for all of them.")
    ] = 0,
) -> AsyncGenerator[TurnEvent, None]:
    return info.context.services.turns.follow(info.context.principal, id, after)
