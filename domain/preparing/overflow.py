"""What is left out when more was said than may be sent: the one rule, for gateways and turns alike."""

from collections.abc import Sequence

from domain.gateways.parameters import ContextOverflow
from engine.chat import Message, Part, Raw, Role
from errors import ContextFull

__all__ = ["CHARACTERS_PER_TOKEN", "fit", "size", "truncated"]

CHARACTERS_PER_TOKEN = 4
# A picture of ordinary size costs a model about this much, whatever its file weighs.
_MEDIA_CHARACTERS = 3_000


def fit(messages: Sequence[Message], characters: int, action: ContextOverflow) -> tuple[Message, ...]:
    """All of them, or as many as the action lets remain."""
    said = tuple(messages)
    if sum(map(size, said)) <= characters:
        return said
    kept = truncated(said, characters) if action is ContextOverflow.TRUNCATE else said
    if (total := sum(map(size, kept))) > characters:
        raise ContextFull(-(-total // CHARACTERS_PER_TOKEN), characters // CHARACTERS_PER_TOKEN)
    return kept


def truncated(messages: Sequence[Message], characters: int) -> tuple[Message, ...]:
    """Without the oldest, until the rest fits or nothing more can go.

    System texts, the newest question and what was said last always stay. A call of a tool goes with its results.
    """
    total = sum(map(size, messages))
    exchanges = _exchanges(messages)
    stays = {len(exchanges) - 1, _newest_question(exchanges)}
    gone: set[int] = set()
    for place, exchange in enumerate(exchanges):
        if total <= characters:
            break
        if place not in stays and exchange[0].role is not Role.SYSTEM:
            gone.add(place)
            total -= sum(map(size, exchange))
    if not gone:
        return tuple(messages)
    # A conversation that begins with an answer confuses models: its question did not fit any more.
    for place, exchange in enumerate(exchanges):
        if exchange[0].role is Role.USER and place not in gone:
            break
        if place not in stays and exchange[0].role is not Role.SYSTEM:
            gone.add(place)
    return tuple(message for place, each in enumerate(exchanges) if place not in gone for message in each)


def size(message: Message) -> int:
    """In characters, of which four make about one token."""
    said = sum(map(_length, message.parts))
    return said + sum(len(call.name) + len(call.arguments) for call in message.tool_calls)


def _length(part: Part) -> int:
    if isinstance(part, str):
        return len(part)
    return len(part.text) if isinstance(part, Raw) and part.text else _MEDIA_CHARACTERS


def _exchanges(messages: Sequence[Message]) -> list[list[Message]]:
    """Messages that only make sense together: a call of tools and what they answered."""
    exchanges: list[list[Message]] = []
    for message in messages:
        if message.role is Role.TOOL and exchanges and exchanges[-1][0].tool_calls:
            exchanges[-1].append(message)
        else:
            exchanges.append([message])
    return exchanges


def _newest_question(exchanges: Sequence[Sequence[Message]]) -> int:
    places = [place for place, exchange in enumerate(exchanges) if exchange[0].role is Role.USER]
    return places[-1] if places else len(exchanges) - 1
