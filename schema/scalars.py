"""Scalars of the graph. JSON and files pass through as they are: nothing is rebuilt on the way out."""

from datetime import UTC, datetime
from typing import Any  # JSON is open by nature.

import strawberry

from files import Blob
from files import Upload as UploadedFile
from resolvers.scalars import (
    JSON,
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionRequest,
    DateTime,
    File,
    JSONObject,
    McpMessage,
    McpReply,
    Upload,
)

__all__ = ["JSON", "SCALARS", "Blob", "ChatCompletion", "ChatCompletionChunk", "DateTime", "File", "McpReply", "Upload"]


def print_time(moment: datetime | str) -> str:
    if isinstance(moment, str):
        return moment
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_time(text: object) -> datetime:
    if not isinstance(text, str):
        raise ValueError("a time is a string in ISO 8601 form")
    # In a query string a plus sign that nobody escaped arrives as a space.
    moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError:
        raise ValueError("a time lies between the years 1 and 9999 in UTC") from None


def unchanged(value: Any) -> Any:
    return value


def read_object(value: object) -> object:
    if not isinstance(value, dict):
        raise ValueError("it must be a JSON object")
    return value


def read_upload(value: object) -> UploadedFile:
    if not isinstance(value, UploadedFile):
        raise ValueError("a file comes as a part of a multipart form")
    return value


SCALARS: dict[object, Any] = {
    JSON: strawberry.scalar(
        name="JSON",
        description="Any JSON value. Values that are encoded already pass through unchanged.",
        serialize=unchanged,
        parse_value=unchanged,
    ),
    JSONObject: strawberry.scalar(
        name="JSONObject",
        description="A JSON object of any members.",
        serialize=unchanged,
        parse_value=read_object,
    ),
    ChatCompletionRequest: strawberry.scalar(
        name="ChatCompletionRequest",
        description="What OpenAI's clients send: `model`, `messages`, and whatever else the model understands."
        " `model` is a gateway by its id or slug, a model route, or a model.",
        serialize=unchanged,
        parse_value=read_object,
    ),
    ChatCompletion: strawberry.scalar(
        name="ChatCompletion",
        description="A whole answer as OpenAI's clients read it, with what it cost in `generation_context`.",
        serialize=unchanged,
        parse_value=unchanged,
    ),
    ChatCompletionChunk: strawberry.scalar(
        name="ChatCompletionChunk",
        description="A piece of an answer as OpenAI's clients read it. The last one has the usage.",
        serialize=unchanged,
        parse_value=unchanged,
    ),
    McpMessage: strawberry.scalar(
        name="McpMessage",
        description="What an MCP client sends: a request or a notification, in JSON-RPC.",
        serialize=unchanged,
        parse_value=read_object,
    ),
    McpReply: strawberry.scalar(
        name="McpReply",
        description="What an MCP client is sent: a result or an error, in JSON-RPC.",
        serialize=unchanged,
        parse_value=unchanged,
    ),
    DateTime: strawberry.scalar(
        name="DateTime",
        description="A moment in UTC, in ISO 8601 form with milliseconds, for example `2026-01-15T10:30:00.000Z`.",
        serialize=print_time,
        parse_value=read_time,
    ),
    File: strawberry.scalar(
        name="File",
        description="A file's bytes. REST sends them as they are; GraphQL sends them as a `data:` address.",
        serialize=unchanged,
        parse_value=unchanged,
    ),
    Upload: strawberry.scalar(
        name="Upload",
        description="A file that comes with the request, as a part of a multipart form.",
        serialize=unchanged,
        parse_value=read_upload,
    ),
}
