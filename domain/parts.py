"""What is said, as the parts of a message."""

from collections.abc import Iterable

import models

__all__ = ["called", "joined", "returned"]


def called(call_id: str, tool: str, arguments: str) -> models.Part:
    return {"type": "tool_call", "call_id": call_id, "tool": tool, "arguments": arguments}


def returned(call_id: str, result: object) -> models.Part:
    return {"type": "tool_result", "call_id": call_id, "result": result}


def joined(pieces: Iterable[models.Part]) -> list[models.Part]:
    """Texts of one kind that follow each other are one part."""
    parts: list[models.Part] = []
    run: list[str] = []
    kind = ""
    for piece in pieces:
        if run and piece["type"] != kind:
            parts.append({"type": kind, "text": "".join(run)})
            run.clear()
        kind = piece["type"]
        if kind in ("text", "reasoning"):
            run.append(piece["text"])
        else:
            parts.append(piece)
    if run:
        parts.append({"type": kind, "text": "".join(run)})
    return parts
