"""What a model is told before anybody speaks: one set of texts, in an order that does not change from call to call.

Providers remember the beginning of a prompt and charge less for it; so what changes most comes last.
"""

from collections.abc import Sequence
from dataclasses import replace

from engine.chat import ChatRequest, Message, Role

__all__ = ["followed_by", "with_instructions"]


def with_instructions(request: ChatRequest, texts: Sequence[str | None]) -> ChatRequest:
    """Before what the caller itself tells the model, as one message with it."""
    said = "\n\n".join(text for text in texts if text)
    if not said:
        return request
    first = request.messages[0] if request.messages else None
    if first is not None and first.role is Role.SYSTEM:
        told = replace(first, parts=(f"{said}\n\n", *first.parts))
        return replace(request, messages=(told, *request.messages[1:]))
    return replace(request, messages=(Message.system(said), *request.messages))


def followed_by(request: ChatRequest, text: str | None) -> ChatRequest:
    """After all that the model is told so far."""
    if not text:
        return request
    first = request.messages[0] if request.messages else None
    if first is None or first.role is not Role.SYSTEM:
        return with_instructions(request, [text])
    told = replace(first, parts=(*first.parts, f"\n\n{text}"))
    return replace(request, messages=(told, *request.messages[1:]))
