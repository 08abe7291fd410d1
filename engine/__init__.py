"""Talking to models."""

from engine.attempts import Listener, Patience
from engine.chat import AnswerShape, ChatProvider, ChatRequest, Image, Message, Part, Role, Tool
from engine.embeddings import Embedder, Purpose, Vectors
from engine.engine import Engine
from engine.events import End, EndReason, Event, Reasoning, Text, ToolCall, Usage

__all__ = [
    "AnswerShape",
    "ChatProvider",
    "ChatRequest",
    "Embedder",
    "End",
    "EndReason",
    "Engine",
    "Event",
    "Image",
    "Listener",
    "Message",
    "Part",
    "Patience",
    "Purpose",
    "Reasoning",
    "Role",
    "Text",
    "Tool",
    "ToolCall",
    "Usage",
    "Vectors",
]
