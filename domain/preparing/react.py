"""Tools for models that know of none: described in words, called in words, and their results told in words.

The model reasons and acts in labelled lines, as in "ReAct: Synergizing Reasoning and Acting in Language Models".
"""

from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from uuid import uuid4

import orjson

from domain.preparing.instructions import with_instructions
from engine.chat import ChatRequest, Message, Role, Tool
from engine.events import Event, Reasoning, Text, ToolCall

__all__ = ["HANDLER", "ReActReader", "encoded"]

HANDLER = "react.v1.selfcall"


class _Label(StrEnum):
    THOUGHT = "Thought:"
    ACTION = "Action:"
    INPUT = "Action Input:"
    OBSERVATION = "Observation:"
    ANSWER = "Final Answer:"


_STOP = f"\n{_Label.OBSERVATION}"
_HOW = f"""You can use tools. To use one, write these lines and nothing after them:

{_Label.THOUGHT} why you need it
{_Label.ACTION} the name of one tool
{_Label.INPUT} its arguments, as one JSON object that follows the schema of the tool

What the tool answers is told to you after "{_Label.OBSERVATION}". You may use as many tools as you need, one by one.
When you know enough, or need no tool, write:

{_Label.ANSWER} your answer

These are the tools:"""


def encoded(request: ChatRequest, *, with_stop: bool = True) -> ChatRequest:
    """The same request for a model that is told of its tools in words."""
    tools = () if request.tool_choice == "none" else request.tools
    said = tuple(map(_in_words, request.messages))
    plain = replace(request, messages=said, tools=(), tool_choice=None)
    if not tools:
        return plain
    stop = (*request.stop, _STOP) if with_stop else request.stop
    extra = {name: value for name, value in request.extra.items() if name != "parallel_tool_calls"}
    told = "\n".join([_HOW, *map(_described, tools), *_demanded(request)])
    return with_instructions(replace(plain, stop=stop, extra=extra), [told])


def _described(tool: Tool) -> str:
    return f"- {tool.name}: {tool.description}\n  Schema of its arguments: {orjson.dumps(tool.parameters).decode()}"


def _demanded(request: ChatRequest) -> list[str]:
    choice = request.tool_choice
    if choice == "required":
        return ["Use at least one tool before you answer."]
    function = choice.get("function") if isinstance(choice, dict) else None
    return [f"Use the tool {function.get('name')} before you answer."] if isinstance(function, dict) else []


def _in_words(message: Message) -> Message:
    if message.role is Role.TOOL:
        return Message.user(f"{_Label.OBSERVATION} {message.text}")
    if not message.tool_calls:
        return message
    lines = [f"{_Label.ACTION} {call.name}\n{_Label.INPUT} {call.arguments or '{}'}" for call in message.tool_calls]
    written = "\n".join([message.text, *lines] if message.text else lines)
    return replace(message, parts=(written,), tool_calls=())


class ReActReader:
    """Takes such an answer in pieces, cut anywhere, and gives back reasoning, calls and text.

    Words without a label are text: a model that keeps to no form has simply answered.
    """

    def __init__(self, new_id: Callable[[], str] = lambda: f"call_{uuid4().hex[:24]}") -> None:
        self._new_id = new_id
        self._label: _Label | None = None
        # The beginning of a line that may turn out to be a label.
        self._held: str | None = ""
        self._at_start = True
        self._name = self._input = ""

    def feed(self, text: str) -> list[Event]:
        events: list[Event] = []
        while text and not self._is_invented:
            if self._is_answering:
                self._say(text, events)
                break
            line, newline, text = text.partition("\n")
            if self._held is None:
                self._say(line + newline, events)
            else:
                self._held += line + newline
                self._look(self._held, events, is_whole=bool(newline))
            if newline:
                self._held = ""
        return events

    def end(self) -> list[Event]:
        events: list[Event] = []
        if self._held:
            self._look(self._held, events, is_whole=True)
        self._act(events)
        return events

    @property
    def _is_answering(self) -> bool:
        return self._label is _Label.ANSWER

    @property
    def _is_invented(self) -> bool:
        """It went on and made up what the tool would have answered."""
        return self._label is _Label.OBSERVATION

    def _look(self, line: str, events: list[Event], *, is_whole: bool) -> None:
        """What the line begins with, as soon as that is clear."""
        bare = line.lstrip(" *")
        for label in _Label:
            if bare.startswith(label):
                # Some models set their labels in bold.
                rest, is_bold = bare[len(label) :], line.lstrip().startswith("**")
                if is_bold and len(rest) < 2 and not is_whole:
                    return
                self._turn_to(label, events)
                self._held = None
                self._say(rest.removeprefix("**") if is_bold else rest, events)
                return
        if is_whole or not any(label.startswith(bare) for label in _Label):
            self._held = None
            self._say(line, events)

    def _turn_to(self, label: _Label, events: list[Event]) -> None:
        if label is not _Label.INPUT:
            self._act(events)
        self._label, self._at_start = label, True

    def _say(self, text: str, events: list[Event]) -> None:
        if self._label is _Label.ACTION:
            self._name += text
        elif self._label is _Label.INPUT:
            self._input += text
        elif not self._is_invented:
            text = text.lstrip() if self._at_start else text
            if text:
                self._at_start = False
                events.append(Reasoning(text) if self._label is _Label.THOUGHT else Text(text))

    def _act(self, events: list[Event]) -> None:
        """The call that has been written, if there is one."""
        name, arguments = self._name.strip().strip("`*"), self._input
        self._name = self._input = ""
        if name and name.lower() not in ("none", "n/a"):
            events.append(ToolCall(self._new_id(), name, _object_in(arguments)))


def _object_in(text: str) -> str:
    """The JSON object among what was written around it; as it was written when there is none."""
    start, end = text.find("{"), text.rfind("}")
    return text[start : end + 1] if 0 <= start < end else text.strip() or "{}"
