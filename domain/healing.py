"""JSON that has to be: what a model wrote is repaired where that is certain, and otherwise it is asked again.

A caller may name the schema and how often the model is asked (`response_schema`, `healing_options`), or have an account
that wants every JSON answer like this. Each attempt is one more call, and is paid for.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any  # Answers and their schemas are open JSON.

import orjson

from domain.preparing.asking import Asking, Bill, Choice, Purpose
from domain.preparing.thoughts import removed
from engine import ChatRequest, Engine, Message
from errors import ProviderFailed

if TYPE_CHECKING:
    from domain.json_schemas import JsonSchema

__all__ = ["MOST_ATTEMPTS", "Form", "Healer", "form_of"]

_logger = logging.getLogger(__name__)

MOST_ATTEMPTS = 10
# A repair looks at every character, in Python.
_REPAIRED_CHARACTERS = 200_000
_READ_CHARACTERS = 4_000_000
_PURPOSE = Purpose("json_healing", "Inference for JSON healing")
_AGAIN = (
    "Your last answer is not the JSON that was asked for:\n{complaints}\n"
    "Write the whole answer again, corrected, as one JSON value and with nothing before or after it."
)


@dataclass(frozen=True, slots=True)
class Form:
    """What an answer has to be: JSON, and of this schema if there is one."""

    schema: "JsonSchema | None" = None
    described: str | None = None


@dataclass(frozen=True, slots=True)
class _Read:
    """An answer as it was understood: as JSON that may be given out, or what is wrong with it."""

    text: str
    complaints: list[str]


async def form_of(schema: Mapping[str, Any] | None, field: str = "response_schema") -> Form:
    """Before any model is asked: a schema that cannot be followed is the caller's mistake, and costs nothing."""
    if schema is None:
        return Form()
    # It weighs 8 MB, and most processes never see a schema.
    from domain.json_schemas import JsonSchema

    return Form(await asyncio.to_thread(JsonSchema, schema, field), orjson.dumps(schema).decode())


class Healer:
    def __init__(self, engine: Engine) -> None:
        self._asking = Asking(engine)

    async def heal(
        self, text: str, form: Form, choice: Choice, request: ChatRequest, bill: Bill, *, max_attempts: int
    ) -> str:
        """JSON of that form. `request` is what the model was asked; it is asked again at most so often, or never."""
        read = await asyncio.to_thread(_read, text, form)
        attempts = min(max_attempts, MOST_ATTEMPTS)
        for attempt in range(1, attempts + 1):
            if not read.complaints:
                return read.text
            _logger.info("an answer is no JSON of its form: attempt %d of %d to heal it", attempt, attempts)
            text = await self._asking.send(choice, _again(request, text, read.complaints, form), _PURPOSE, bill)
            read = await asyncio.to_thread(_read, text, form)
        if read.complaints:
            raise ProviderFailed(
                choice.model.name,
                f"gave no JSON of the form that was asked for, also when asked again {attempts} times:"
                f" {read.complaints[0]}",
            )
        return read.text


def _again(request: ChatRequest, text: str, complaints: list[str], form: Form) -> ChatRequest:
    """The conversation with the answer and what is wrong with it; there is nothing to look up any more."""
    told = _AGAIN.format(complaints="\n".join(f"- {complaint}" for complaint in complaints))
    if form.described is not None:
        told += f"\nIt has to follow this JSON schema:\n{form.described}"
    said = Message.assistant(text[:_REPAIRED_CHARACTERS] or "(nothing)")
    messages = (*request.messages, said, Message.user(told))
    return replace(request, messages=messages, tools=(), tool_choice=None)


def _read(text: str, form: Form) -> _Read:
    said = removed(text).strip()
    if len(said) > _READ_CHARACTERS:
        return _Read(said, [f"It is longer than {_READ_CHARACTERS:,} characters."])
    try:
        return _Read(said, _complaints(orjson.loads(said), form))
    except orjson.JSONDecodeError as exc:
        broken = _Read(said, [f"It is not valid JSON: {exc}."])
    # Prose is no broken JSON, whatever could be made of it.
    if len(said) > _REPAIRED_CHARACTERS or not any(sign in said for sign in "{["):
        return broken
    # Little is needed of it, and only when something is broken.
    import json_repair

    try:
        value = json_repair.loads(said, skip_json_loads=True)
        written = orjson.dumps(value).decode()
    except (RecursionError, TypeError, ValueError):
        return broken
    return _Read(written, _complaints(value, form)) if value and isinstance(value, dict | list) else broken


def _complaints(value: Any, form: Form) -> list[str]:
    if form.schema is not None:
        return form.schema.complaints(value)
    return [] if isinstance(value, dict | list) else ["It is no JSON object."]
