"""What is kept of a call: what was said in it, as the messages of a conversation."""

from collections.abc import Sequence

import models
from domain import parts
from domain.answering import Returned, Said, content_of
from domain.ledger import Utterance
from engine import Message
from engine.chat import Role
from engine.events import Reasoning, Text, ToolCall

__all__ = ["heard", "parts_of"]


def heard(message: Message) -> Utterance:
    """Pictures, sounds and files are not kept, only that there was one."""
    said: list[models.Part] = [
        {"type": "text", "text": part if isinstance(part, str) else f"[{type(part).__name__.lower()}]"}
        for part in message.parts
    ]
    if message.role is Role.TOOL:
        return Utterance("tool", [parts.returned(message.answers_call or "", message.text)])
    said += [parts.called(call.id, call.name, call.arguments) for call in message.tool_calls]
    return Utterance(message.role.value, said)


def parts_of(said: Sequence[Said]) -> list[models.Part]:
    return parts.joined(map(_part_of, said))


def _part_of(said: Said) -> models.Part:
    match said:
        case Text():
            return {"type": "text", "text": said.text}
        case Reasoning():
            return {"type": "reasoning", "text": said.text}
        case ToolCall():
            return parts.called(said.id, said.name, said.arguments)
        case Returned():
            return parts.returned(said.call.id, content_of(said.result))
