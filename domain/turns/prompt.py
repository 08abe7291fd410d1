"""From a question and what was said before it to what the model is asked."""

from collections.abc import Sequence

import models
from domain.agents import AgentSpec
from domain.preparing import overflow
from engine import chat

__all__ = ["HISTORY_MESSAGES", "estimate_tokens", "gather"]

# More than any context window holds in practice; what is older is not even read.
HISTORY_MESSAGES = 200


def gather(spec: AgentSpec, history: Sequence[models.Message], question: str) -> chat.ChatRequest:
    """Instructions and question always go in, then as much of the history as the context window takes, newest first."""
    instructions = (chat.Message.system(spec.instructions),) if spec.instructions else ()
    said = (*instructions, *map(_as_asked, history), chat.Message.user(question))
    # The other half is for what is looked up.
    room = spec.context_characters // (1 if spec.knowledge is None else 2)
    return chat.ChatRequest(
        model=spec.model.name,
        messages=overflow.truncated(said, room),
        tools=tuple(chat.Tool(tool.name, tool.description, tool.parameters) for tool in spec.tools.values()),
        temperature=spec.sampling.temperature,
        max_tokens=spec.sampling.max_tokens,
    )


def estimate_tokens(text: str) -> int:
    """Four characters make about one token, and a message costs a few of its own."""
    return len(text) // overflow.CHARACTERS_PER_TOKEN + 4


def _as_asked(message: models.Message) -> chat.Message:
    if message.role == "user":
        return chat.Message.user(message.text)
    return chat.Message.assistant(message.text)
