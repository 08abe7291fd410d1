"""Talking to models."""

from engine.breaker import Circuit, Tolerance
from engine.chat import (
    AnswerShape,
    Audio,
    ChatProvider,
    ChatRequest,
    FilePart,
    Image,
    Message,
    Part,
    Raw,
    Role,
    Tool,
    Video,
)
from engine.embeddings import Embedder, Purpose, Vectors
from engine.engine import Engine
from engine.events import End, EndReason, Event, Reasoning, Text, ToolCall, Usage
from engine.packets import Heard, Packet
from engine.patience import Listener, Patience
from engine.targets import Target

__all__ = [
    "AnswerShape",
    "Audio",
    "ChatProvider",
    "ChatRequest",
    "Circuit",
    "Embedder",
    "End",
    "EndReason",
    "Engine",
    "Event",
    "FilePart",
    "Heard",
    "Image",
    "Listener",
    "Message",
    "Packet",
    "Part",
    "Patience",
    "Purpose",
    "Raw",
    "Reasoning",
    "Role",
    "Target",
    "Text",
    "Tolerance",
    "Tool",
    "ToolCall",
    "Usage",
    "Vectors",
    "Video",
]
