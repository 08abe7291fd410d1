"""From a question and what was said before it to what the model is asked."""

from collections.abc import Sequence
from dataclasses import replace

import models
from domain.agents import AgentSpec
from domain.preparing import overflow
from engine import chat

__all__ = ["HISTORY_MESSAGES", "estimate_tokens", "gather"]

# More than any context window holds in practice; what is older is not even read.
HISTORY_MESSAGES = 200


def gather(
    spec: AgentSpec, history: Sequence[models.Message], question: str, *, with_reasoning: bool = False
) -> chat.ChatRequest:
    """Instructions and question always go in, then as much of the history as the context window takes, newest first."""
    instructions = (chat.Message.system(spec.instructions),) if spec.instructions else ()
    earlier = [_as_asked(message, with_reasoning=with_reasoning) for message in history]
    said = (*instructions, *earlier, chat.Message.user(question))
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


def _as_asked(message: models.Message, *, with_reasoning: bool) -> chat.Message:
    if message.role == "user":
        return chat.Message.user(message.text)
    answered = chat.Message.assistant(message.text)
    thought = "".join(part["text"] for part in message.parts if part["type"] == "reasoning") if with_reasoning else ""
    return replace(answered, extra={"reasoning_content": thought}) if thought else answered
