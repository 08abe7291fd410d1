"""What a user said, put into the words of the gateway."""

from dataclasses import replace

from domain.preparing import history
from engine.chat import ChatRequest, Message, Role

__all__ = ["applied"]


def applied(request: ChatRequest, template: str | None) -> ChatRequest:
    """Each user message's text is replaced by the template, in which it takes the place of `{prompt}`."""
    if not template:
        return request
    return replace(request, messages=tuple(_written(message, template) for message in request.messages))


def _written(message: Message, template: str) -> Message:
    text = message.text
    if message.role is not Role.USER or not text.strip():
        return message
    place = next(place for place, part in enumerate(message.parts) if history.is_text(part))
    before, after = message.parts[:place], (part for part in message.parts[place:] if not history.is_text(part))
    # Only the template's own words are looked through: a user may well say "{prompt}".
    return replace(message, parts=(*before, text.join(template.split("{prompt}")), *after))
