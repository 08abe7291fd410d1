"""The names under which resolvers speak of scalars; `schema.scalars` says how they are read and written."""

from datetime import datetime
from typing import TYPE_CHECKING, NewType

__all__ = [
    "JSON",
    "ChatCompletion",
    "ChatCompletionChunk",
    "ChatCompletionRequest",
    "DateTime",
    "File",
    "JSONObject",
    "McpMessage",
    "McpReply",
    "Upload",
]

if TYPE_CHECKING:
    from files import Upload

    # To the reader and the type checker it is what it holds.
    DateTime = datetime
else:
    DateTime = NewType("DateTime", datetime)
    Upload = NewType("Upload", object)

JSON = NewType("JSON", object)
JSONObject = NewType("JSONObject", dict[str, object])
File = NewType("File", object)
# OpenAI's objects, with whatever members the model of the day has.
ChatCompletionRequest = NewType("ChatCompletionRequest", dict[str, object])
ChatCompletion = NewType("ChatCompletion", object)
ChatCompletionChunk = NewType("ChatCompletionChunk", object)
# What MCP clients send and are sent, in JSON-RPC.
McpMessage = NewType("McpMessage", dict[str, object])
McpReply = NewType("McpReply", dict[str, object])
