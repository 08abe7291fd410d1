"""OpenAI's JSON to our values and back, without losing what we have no word for.

What a caller of `/v1/chat/completions` wrote arrives at a provider of the same wire as it was: members and parts that
are unknown here travel along, and what is malformed is refused with the path to it.
"""

from collections.abc import Mapping, Sequence
from typing import Any  # JSON that somebody else wrote.

from engine.chat import (
    AnswerShape,
    Audio,
    ChatRequest,
    FilePart,
    Image,
    Message,
    Part,
    Raw,
    Role,
    Spelling,
    Tool,
    Video,
)
from engine.events import ToolCall
from errors import Invalid

__all__ = ["call_json", "message_json", "message_of", "part_json", "request_json", "request_of", "tool_json", "tool_of"]

Json = dict[str, Any]

_ROLES: Mapping[str, Role] = {
    **{role.value: role for role in Role},
    # Of other names for the same, the word is kept beside the message.
    "developer": Role.SYSTEM,
    "function": Role.TOOL,
}
_LIMIT_NAMES = ("max_tokens", "max_completion_tokens")
# What `ChatRequest` has fields for; `stream` says how to answer and is not part of the question.
_FIELDS = {
    *("model", "messages", "tools", "tool_choice", "response_format", "temperature", "top_p", "stop", "seed"),
    *("presence_penalty", "frequency_penalty", "stream"),
    *_LIMIT_NAMES,
}
_MESSAGE_FIELDS = {"role", "content", "tool_calls", "tool_call_id"}


# ---------------------------------------------------------------- reading


def request_of(body: Mapping[str, Any]) -> ChatRequest:
    """The question in the body of a chat completion. Raises `Invalid`, naming the place."""
    limit_name, limit = _limit(body)
    return ChatRequest(
        model=_text(body.get("model"), "model"),
        messages=tuple(
            _simple(message) or message_of(message, f"messages[{position}]")
            for position, message in enumerate(_filled_list(body.get("messages"), "messages"))
        ),
        tools=tuple(
            tool_of(tool, f"tools[{position}]") for position, tool in enumerate(_list(body.get("tools"), "tools"))
        ),
        tool_choice=_text_or_object(body.get("tool_choice"), "tool_choice"),
        answer_shape=_answer_shape(body.get("response_format")),
        temperature=_number(body, "temperature"),
        top_p=_number(body, "top_p"),
        max_tokens=limit,
        max_tokens_name=limit_name,
        stop=_stop(body.get("stop")),
        seed=_whole(body, "seed"),
        presence_penalty=_number(body, "presence_penalty"),
        frequency_penalty=_number(body, "frequency_penalty"),
        extra={name: value for name, value in body.items() if name not in _FIELDS},
    )


def _simple(message: Any) -> Message | None:
    """What nearly every message is, read in a third of the time; there are hundreds in a long conversation."""
    if type(message) is dict and len(message) == 2:
        match message:
            case {"role": "user", "content": str(text)}:
                return Message(Role.USER, (text,))
            case {"role": "assistant", "content": str(text)}:
                return Message(Role.ASSISTANT, (text,))
    return None


def message_of(message: Any, path: str = "message") -> Message:
    message = _object(message, path)
    word = message.get("role")
    role = _ROLES.get(word) if isinstance(word, str) else None
    if role is None:
        raise Invalid(f"{path}.role", f"must be one of {', '.join(_ROLES)}")
    parts, spelling = _content(message, path)
    if role in (Role.SYSTEM, Role.USER) and not parts:
        raise Invalid(f"{path}.content", "must not be empty")
    call_id = message.get("tool_call_id")
    extra = {name: value for name, value in message.items() if name not in _MESSAGE_FIELDS}
    if word != role:
        extra["role"] = word
    if call_id is None and "tool_call_id" in message:
        extra["tool_call_id"] = None
    calls = message.get("tool_calls")
    if not calls and "tool_calls" in message:
        extra["tool_calls"] = calls
    return Message(
        role,
        parts,
        tuple(
            _call(call, f"{path}.tool_calls[{position}]")
            for position, call in enumerate(_list(calls, f"{path}.tool_calls"))
        ),
        None if call_id is None else _text(call_id, f"{path}.tool_call_id"),
        extra,
        spelling,
    )


def tool_of(tool: Any, path: str = "tool") -> Tool:
    tool = _object(tool, path)
    kind = _text(tool.get("type", "function"), f"{path}.type")
    if kind != "function":
        named = tool.get(kind)
        name = named.get("name") if isinstance(named, dict) else tool.get("name")
        return Tool(name if isinstance(name, str) else kind, kind=kind, wire=tool)
    function = _object(tool.get("function"), f"{path}.function")
    strict = function.get("strict")
    made = Tool(
        _text(function.get("name"), f"{path}.function.name"),
        _text(function.get("description") or "", f"{path}.function.description", may_be_empty=True),
        _object(function.get("parameters") or {"type": "object", "properties": {}}, f"{path}.function.parameters"),
        strict if isinstance(strict, bool) else None,
    )
    if tool_json(made) == tool:
        return made
    return Tool(made.name, made.description, made.parameters, made.strict, wire=tool)


def _content(message: Json, path: str) -> tuple[tuple[Part, ...], Spelling]:
    content = message.get("content")
    match content:
        case str():
            return (content,), Spelling.PLAIN
        case None:
            return (), Spelling.PLAIN if "content" in message else Spelling.ABSENT
        case [*parts]:
            read = tuple(_part(part, f"{path}.content[{position}]") for position, part in enumerate(parts))
            return read, Spelling.LISTED
    raise Invalid(f"{path}.content", "must be a text or a list of parts")


def _part(part: Any, path: str) -> Part:
    part = _object(part, path)
    kind = _text(part.get("type"), f"{path}.type")
    match kind:
        case "text":
            text = _text(part.get("text"), f"{path}.text", may_be_empty=True)
            return text if len(part) == 2 else Raw(part)
        case "image_url":
            image = Image(_url(part, kind, path))
            return image if part_json(image) == part else Image(image.url, part)
        case "video_url":
            video = Video(_url(part, kind, path))
            return video if part_json(video) == part else Video(video.url, part)
        case "input_audio":
            inner = _object(part.get(kind), f"{path}.{kind}")
            audio = Audio(
                _text(inner.get("data"), f"{path}.{kind}.data"),
                _text(inner.get("format") or "", f"{path}.{kind}.format", may_be_empty=True),
            )
            return audio if part_json(audio) == part else Audio(audio.data, audio.format, part)
        case "file":
            inner = _object(part.get(kind), f"{path}.{kind}")
            if "file_data" not in inner:  # one that lies at the provider already
                return Raw(part)
            name = inner.get("filename")
            file = FilePart(
                _text(inner["file_data"], f"{path}.{kind}.file_data"), name if isinstance(name, str) else None
            )
            return file if part_json(file) == part else FilePart(file.data, file.name, part)
    return Raw(part)


def _url(part: Json, kind: str, path: str) -> str:
    inner = part.get(kind)
    # Mistral's spelling is the bare address.
    if isinstance(inner, str):
        return _text(inner, f"{path}.{kind}")
    return _text(_object(inner, f"{path}.{kind}").get("url"), f"{path}.{kind}.url")


def _call(call: Any, path: str) -> ToolCall:
    call = _object(call, path)
    kind = call.get("type", "function")
    inner = _object(call.get(kind if isinstance(kind, str) else "function"), f"{path}.{kind}")
    said = inner.get("input" if kind == "custom" else "arguments")
    made = ToolCall(
        _text(call.get("id") or "", f"{path}.id", may_be_empty=True),
        _text(inner.get("name"), f"{path}.{kind}.name"),
        said if isinstance(said, str) else "",
    )
    if call_json(made) == call:
        return made
    return ToolCall(made.id, made.name, made.arguments, call)


def _answer_shape(given: Any) -> AnswerShape | Mapping[str, object] | None:
    if given is None:
        return None
    shape = _object(given, "response_format")
    if shape.get("type") != "json_schema":
        return shape
    inner = _object(shape.get("json_schema"), "response_format.json_schema")
    made = AnswerShape(
        _object(inner.get("schema") or {}, "response_format.json_schema.schema"),
        _text(inner.get("name") or "answer", "response_format.json_schema.name"),
        inner.get("strict") is True,
    )
    if response_format_json(made) == shape:
        return made
    return AnswerShape(made.schema, made.name, made.strict, shape)


def _limit(body: Mapping[str, Any]) -> tuple[str | None, int | None]:
    """By the newer of its two names, should somebody say both."""
    for name in reversed(_LIMIT_NAMES):
        if (limit := _whole(body, name)) is not None:
            return name, limit
    return None, None


def _stop(stop: Any) -> tuple[str, ...]:
    match stop:
        case None:
            return ()
        case str():
            return (stop,)
        case [*several] if all(isinstance(one, str) for one in several):
            return tuple(several)
    raise Invalid("stop", "must be a text or a list of texts")


def _number(body: Mapping[str, Any], name: str) -> float | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Invalid(name, "must be a number")
    return value


def _whole(body: Mapping[str, Any], name: str) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise Invalid(name, "must be a whole number")
    return value


def _text(value: Any, path: str, *, may_be_empty: bool = False) -> str:
    if not isinstance(value, str) or not (value or may_be_empty):
        raise Invalid(path, "must be a text" if may_be_empty else "must be a text that is not empty")
    return value


def _object(value: Any, path: str) -> Json:
    if not isinstance(value, dict):
        raise Invalid(path, "must be an object")
    return value


def _list(value: Any, path: str) -> Sequence[Any]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise Invalid(path, "must be a list")
    return value


def _filled_list(value: Any, path: str) -> Sequence[Any]:
    if not isinstance(value, list) or not value:
        raise Invalid(path, "must be a list that is not empty")
    return value


def _text_or_object(value: Any, path: str) -> str | Json | None:
    if value is None or isinstance(value, str | dict):
        return value
    raise Invalid(path, "must be a text or an object")


# ---------------------------------------------------------------- writing


def request_json(request: ChatRequest, *, max_tokens_name: str = "max_tokens") -> Json:
    """The body of a chat completion, without `stream`; the limit is called so unless the request has its own word."""
    ours = {
        "model": request.model,
        "messages": [message_json(message) for message in request.messages],
        "tools": [tool_json(tool) for tool in request.tools] or None,
        "tool_choice": request.tool_choice,
        "response_format": response_format_json(request.answer_shape),
        "temperature": request.temperature,
        "top_p": request.top_p,
        request.max_tokens_name or max_tokens_name: request.max_tokens,
        "stop": list(request.stop) or None,
        "seed": request.seed,
        "presence_penalty": request.presence_penalty,
        "frequency_penalty": request.frequency_penalty,
    }
    return {**request.extra, **{name: value for name, value in ours.items() if value is not None}}


def message_json(message: Message) -> Json:
    wire: Json = {"role": message.role, **message.extra}  # where another name of the role may be
    if message.parts or message.spelling is not Spelling.ABSENT:
        wire["content"] = _content_json(message)
    if message.tool_calls:
        wire["tool_calls"] = [call_json(call) for call in message.tool_calls]
    if message.answers_call is not None:
        wire["tool_call_id"] = message.answers_call
    return wire


def _content_json(message: Message) -> str | list[Any] | None:
    parts = message.parts
    if message.spelling is not Spelling.LISTED:
        if not parts:
            return None
        if len(parts) == 1 and isinstance(parts[0], str):
            return parts[0]
        if all(isinstance(part, str) for part in parts):
            return message.text
    return [part_json(part) for part in parts]


def part_json(part: Part) -> Mapping[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if part.wire is not None:
        return part.wire
    match part:
        case Image():
            return {"type": "image_url", "image_url": {"url": part.url}}
        case Video():
            return {"type": "video_url", "video_url": {"url": part.url}}
        case Audio():
            return {"type": "input_audio", "input_audio": {"data": part.data, "format": part.format}}
        case FilePart():
            named = {"filename": part.name} if part.name is not None else {}
            return {"type": "file", "file": {**named, "file_data": part.data}}
    return part.wire


def call_json(call: ToolCall) -> Mapping[str, Any]:
    if call.wire is not None:
        return call.wire
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def tool_json(tool: Tool) -> Mapping[str, Any]:
    if tool.wire is not None:
        return tool.wire
    function: Json = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def response_format_json(shape: AnswerShape | Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if not isinstance(shape, AnswerShape):
        return shape
    if shape.wire is not None:
        return shape.wire
    return {"type": "json_schema", "json_schema": {"name": shape.name, "schema": shape.schema, "strict": shape.strict}}
