"""How much of what tools said the model reads again."""

from dataclasses import replace

from engine.chat import ChatRequest, Role

__all__ = ["TRUNCATED", "shortened"]

TRUNCATED = "[tool response truncated - call this tool again]"


def shortened(request: ChatRequest, keep: int | None) -> ChatRequest:
    """So many of the newest tool messages keep their content; none or zero is all of them."""
    places = [place for place, message in enumerate(request.messages) if message.role is Role.TOOL]
    if not keep or len(places) <= keep:
        return request
    old = set(places[:-keep])
    return replace(
        request,
        messages=tuple(
            replace(message, parts=(TRUNCATED,)) if place in old else message
            for place, message in enumerate(request.messages)
        ),
    )
