"""Talking to models."""

from engine.attempts import Listener, Patience
from engine.chat import AnswerShape, ChatProvider, ChatRequest, Image, Message, Part, Role, Tool
from engine.engine import Engine
from engine.events import End, EndReason, Event, Reasoning, Text, ToolCall, Usage

__all__ = [
    "AnswerShape",
    "ChatProvider",
    "ChatRequest",
    "End",
    "EndReason",
    "Engine",
    "Event",
    "Image",
    "Listener",
    "Message",
    "Part",
    "Patience",
    "Reasoning",
    "Role",
    "Text",
    "Tool",
    "ToolCall",
    "Usage",
]
