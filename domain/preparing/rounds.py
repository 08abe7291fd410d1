"""What is done each time that the model is asked, and to each of its answers."""

from collections.abc import Callable
from dataclasses import replace

from domain.gateways.parameters import Flag, Parameters
from domain.preparing import history, overflow, react, tool_context
from domain.preparing.overflow import CHARACTERS_PER_TOKEN
from domain.preparing.reading import DiffusedText, Reader, Reading
from domain.preparing.thoughts import CLOSING, OPENING, ThoughtSplitter
from domain.tools.skills import SkillSet
from engine.chat import ChatRequest, Message, Role
from errors import Invalid

__all__ = ["asked", "check", "fitted", "reading"]

_HANDLERS = (None, "", "native", react.HANDLER)


def check(gateway: Parameters) -> None:
    handler = gateway.known_tool_handler_name
    if handler not in _HANDLERS:
        raise Invalid("knownToolHandlerName", f"must be native or {react.HANDLER}, and not {handler!r}")


def asked(gateway: Parameters, skills: SkillSet | None, request: ChatRequest, asked_before: int) -> ChatRequest:
    """The request as it is sent, of the request as the conversation goes on."""
    if skills is not None:
        request = skills.before_round(request, asked_before)
    request = fitted(gateway, request)
    if _is_acting(gateway):
        request = react.encoded(request, with_stop=not gateway.has(Flag.NO_STOP_PARAMETER))
    messages = history.as_taken(request.messages, gateway)
    # The beginning of the answer, not of each of its rounds.
    if asked_before == 0 and (begun := _prefill(gateway)) and messages[-1].role is not Role.ASSISTANT:
        messages = (*messages, Message.assistant(begun))
    return replace(request, messages=messages)


def fitted(gateway: Parameters, request: ChatRequest) -> ChatRequest:
    """As much of what was said as the gateway lets through."""
    request = tool_context.shortened(request, gateway.tool_context_count)
    if gateway.context_maximum_size is None:
        return request
    most = gateway.context_maximum_size * CHARACTERS_PER_TOKEN
    return replace(request, messages=overflow.fit(request.messages, most, gateway.context_overflow_action))


def reading(gateway: Parameters, request: ChatRequest) -> Callable[[int], Reading] | None:
    """For an answer that is not read as it comes; told how often the model was asked before."""
    shows_frame = gateway.include_prefilling_in_messages
    prefill = _prefill(gateway)
    stop = request.stop[0] if shows_frame and len(request.stop) == 1 else ""
    is_needed = (
        *(_is_acting(gateway), shows_frame and prefill, stop),
        *map(gateway.has, (Flag.THINKING_PROCESS, Flag.DIFFUSING_STREAM, Flag.DISABLE_REASONING_DETAILS)),
    )
    if not any(is_needed):
        return None

    def read(asked_before: int) -> Reading:
        begun = prefill if asked_before == 0 else ""
        return Reading(_readers(gateway, begun), prefill=begun if shows_frame else "", stop=stop)

    return read


def _readers(gateway: Parameters, begun: str) -> list[Reader]:
    readers: list[Reader] = []
    if gateway.has(Flag.DIFFUSING_STREAM):
        readers.append(DiffusedText())
    if gateway.has(Flag.THINKING_PROCESS):
        readers.append(ThoughtSplitter(is_thinking=OPENING in begun.rpartition(CLOSING)[2]))
    if _is_acting(gateway):
        readers.append(react.ReActReader())
    return readers


def _is_acting(gateway: Parameters) -> bool:
    return gateway.known_tool_handler_name == react.HANDLER


def _prefill(gateway: Parameters) -> str:
    return "" if gateway.has(Flag.NO_ASSISTANT_PREFILLING) else gateway.assistant_prefill or ""
