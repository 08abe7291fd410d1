"""Our question in pydantic-ai's words. What it has no words for is refused, or left out where nothing depends on it."""

from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Mapping

from pydantic_ai import messages
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

from engine.chat import AnswerShape, Audio, ChatRequest, FilePart, Image, Message, Part, Raw, Role, Tool, Video
from errors import Invalid

__all__ = ["history_of", "parameters_of", "settings_of"]

_EFFORTS: Mapping[object, object] = {
    "none": False,
    **{effort: effort for effort in ("minimal", "low", "medium", "high", "xhigh", "max")},
}
# OpenAI's own parameters, which change how an answer is told, kept or paid for, but not the answer.
_UNSAID = {
    *("stream_options", "user", "metadata", "store", "logprobs", "top_logprobs", "service_tier", "logit_bias"),
    *("prompt_cache_key", "safety_identifier", "verbosity"),
}
_SAID_OTHERWISE = {"n", "parallel_tool_calls", "top_k", "reasoning_effort"}


def history_of(ours: tuple[Message, ...]) -> list[messages.ModelMessage]:
    tool_by_call = {call.id: call.name for message in ours for call in message.tool_calls}
    return [_message(message, tool_by_call) for message in ours]


def _message(message: Message, tool_by_call: dict[str, str]) -> messages.ModelMessage:
    match message.role:
        case Role.SYSTEM:
            return messages.ModelRequest([messages.SystemPromptPart(message.text)])
        case Role.USER:
            return messages.ModelRequest([messages.UserPromptPart([_content(part) for part in message.parts])])
        case Role.TOOL:
            call = message.answers_call or ""
            returned = messages.ToolReturnPart(tool_by_call.get(call, ""), message.text, tool_call_id=call)
            return messages.ModelRequest([returned])
        case Role.ASSISTANT:
            said = [messages.TextPart(message.text)] if message.text else []
            calls = [messages.ToolCallPart(call.name, call.arguments, call.id) for call in message.tool_calls]
            return messages.ModelResponse([*said, *calls])


def _content(part: Part) -> messages.UserContent:
    match part:
        case str():
            return part
        case Raw():
            if part.wire.get("type") != "text":
                raise Invalid(
                    "messages", f"hold a part of type {part.wire.get('type')!r}, which this model cannot read"
                )
            return part.text
        case Image():
            return _binary(part.url) or messages.ImageUrl(part.url)
        case Video():
            if (video := _binary(part.url)) is None:
                raise Invalid("messages", "hold a video that is neither at a web address nor a data URL")
            return video
        case Audio():
            media_type = "audio/mpeg" if part.format == "mp3" else f"audio/{part.format}"
            return _binary(part.data) or messages.BinaryContent(_decoded(part.data), media_type=media_type)
        case FilePart():
            return _binary(part.data) or messages.BinaryContent(_decoded(part.data), media_type="application/pdf")


def _binary(url: str) -> messages.BinaryContent | None:
    if not url.startswith("data:"):
        return None
    try:
        return messages.BinaryContent.from_data_uri(url)
    except ValueError as exc:
        raise Invalid("messages", "hold a data URL that is none") from exc


def _decoded(content: str) -> bytes:
    try:
        return b64decode(content, validate=True)
    except NotBase64 as exc:
        raise Invalid("messages", "hold content that is not base64") from exc


def settings_of(request: ChatRequest) -> ModelSettings:
    said = request.extra
    if said.get("n") not in (None, 1):
        raise Invalid("n", "must be 1 with this model")
    extra = {name: value for name, value in said.items() if name not in _UNSAID | _SAID_OTHERWISE}
    wanted = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        "top_k": said.get("top_k"),
        "max_tokens": request.max_tokens,
        "stop_sequences": list(request.stop) or None,
        "seed": request.seed,
        "presence_penalty": request.presence_penalty,
        "frequency_penalty": request.frequency_penalty,
        "parallel_tool_calls": said.get("parallel_tool_calls"),
        "thinking": _EFFORTS.get(said.get("reasoning_effort")),
        "tool_choice": _tool_choice(request.tool_choice),
        "extra_body": extra or None,
    }
    settings = ModelSettings()
    settings.update({name: value for name, value in wanted.items() if value is not None})  # type: ignore[typeddict-item]  # named above
    return settings


def _tool_choice(choice: str | Mapping[str, object] | None) -> str | list[str] | None:
    match choice:
        case None:
            return None
        case "auto" | "none" | "required":
            return choice
        case {"type": "function", "function": {"name": str(name)}}:
            return [name]
    raise Invalid("tool_choice", "must be auto, none, required or a function with this model")


def parameters_of(request: ChatRequest, model: Model) -> ModelRequestParameters:
    tools = [_tool(tool) for tool in request.tools]
    match request.answer_shape:
        case None | {"type": "text"}:
            return ModelRequestParameters(function_tools=tools)
        case AnswerShape() as shape:
            pass
        case {"type": "json_object"}:
            shape = AnswerShape({"type": "object"})
        case _:
            raise Invalid("response_format", "must be text, json_object or json_schema with this model")
    # Models that cannot be held to a schema are at least told about it.
    is_native = model.profile.get("supports_json_schema_output", False) and shape.schema.get("properties")
    return ModelRequestParameters(
        function_tools=tools,
        output_mode="native" if is_native else "prompted",
        output_object=OutputObjectDefinition(dict(shape.schema), shape.name, strict=shape.strict or None),
    )


def _tool(tool: Tool) -> ToolDefinition:
    if tool.kind != "function":
        raise Invalid("tools", f"hold one of type {tool.kind!r}, which this model does not know")
    return ToolDefinition(
        name=tool.name,
        description=tool.description,
        parameters_json_schema=dict(tool.parameters),
        strict=tool.strict,
    )
