"""What is kept of a call: what was said in it, as the messages of a conversation."""

from collections.abc import Sequence

import models
from domain.agents import ToolResult
from domain.answering import Returned, Said
from domain.ledger import Utterance
from engine import Message
from engine.chat import Role
from engine.events import Reasoning, Text, ToolCall

__all__ = ["heard", "parts_of"]


def heard(message: Message) -> Utterance:
    """Pictures, sounds and files are not kept, only that there was one."""
    parts: list[models.Part] = [
        {"type": "text", "text": part if isinstance(part, str) else f"[{type(part).__name__.lower()}]"}
        for part in message.parts
    ]
    if message.role is Role.TOOL:
        return Utterance(
            "tool", [{"type": "tool_result", "call_id": message.answers_call or "", "result": message.text}]
        )
    parts += [_call(call) for call in message.tool_calls]
    return Utterance(message.role.value, parts)


def parts_of(said: Sequence[Said]) -> list[models.Part]:
    """Pieces of one kind that follow each other are one part."""
    parts: list[models.Part] = []
    pieces: list[str] = []
    kind = ""

    def end_run() -> None:
        if pieces:
            parts.append({"type": kind, "text": "".join(pieces)})
            pieces.clear()

    for each in said:
        match each:
            case Text() | Reasoning():
                if kind != (now := "text" if isinstance(each, Text) else "reasoning"):
                    end_run()
                    kind = now
                pieces.append(each.text)
            case ToolCall():
                end_run()
                parts.append(_call(each))
            case Returned():
                end_run()
                result = each.result.content if isinstance(each.result, ToolResult) else each.result
                parts.append({"type": "tool_result", "call_id": each.call.id, "result": result})
    end_run()
    return parts


def _call(call: ToolCall) -> models.Part:
    return {"type": "tool_call", "call_id": call.id, "tool": call.name, "arguments": call.arguments}
