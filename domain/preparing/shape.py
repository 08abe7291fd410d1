"""The form that an answer is to have, asked for in the way that the model understands."""

from dataclasses import replace

import orjson

from domain.gateways.parameters import INTEGRATED, Flag, Parameters
from engine.chat import AnswerShape, ChatRequest

__all__ = ["in_words", "taken", "takes_shapes"]


def takes_shapes(gateway: Parameters) -> bool:
    """A model at somebody's own address is taken to know of no form unless they say that it does."""
    return gateway.base_address == INTEGRATED or gateway.has(Flag.STRUCTURED_OUTPUT_SUPPORT)


def taken(request: ChatRequest, gateway: Parameters) -> ChatRequest:
    if request.answer_shape is None:
        return request
    if not takes_shapes(gateway):
        return replace(request, answer_shape=None)
    if gateway.has(Flag.OPEN_AI_STRICT_JSON) and isinstance(request.answer_shape, AnswerShape):
        # How the caller wrote it says something else.
        return replace(request, answer_shape=replace(request.answer_shape, strict=True, wire=None))
    return request


def in_words(request: ChatRequest, gateway: Parameters) -> str | None:
    """What a model that knows of no form is told instead."""
    shape = request.answer_shape
    if shape is None or takes_shapes(gateway):
        return None
    if isinstance(shape, AnswerShape):
        return (
            "Answer with one JSON value that follows this JSON schema, and with nothing before or after it:\n"
            f"{orjson.dumps(shape.schema).decode()}"
        )
    if shape.get("type") == "json_object":
        return "Answer with one JSON object, and with nothing before or after it."
    return None
