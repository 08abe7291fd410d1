"""What is done each time that the model is asked, and to each of its answers."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from domain.gateways.parameters import Flag, Parameters
from domain.preparing import history, overflow, react, tool_context
from domain.preparing.overflow import CHARACTERS_PER_TOKEN
from domain.preparing.reading import DiffusedText, Reader, Reading
from domain.preparing.thoughts import CLOSING, OPENING, ThoughtSplitter
from engine.chat import ChatRequest, Message, Role
from errors import Invalid

__all__ = ["Rounds"]

_HANDLERS = (None, "", "native", react.HANDLER)


@dataclass(frozen=True, slots=True)
class Rounds:
    gateway: Parameters

    def check(self) -> None:
        handler = self.gateway.known_tool_handler_name
        if handler not in _HANDLERS:
            raise Invalid("knownToolHandlerName", f"must be native or {react.HANDLER}, and not {handler!r}")

    def asked(self, request: ChatRequest, asked_before: int) -> ChatRequest:
        """The request as it is sent, of the request as the conversation goes on."""
        gateway = self.gateway
        request = tool_context.shortened(request, gateway.tool_context_count)
        if gateway.context_maximum_size is not None:
            most = gateway.context_maximum_size * CHARACTERS_PER_TOKEN
            kept = overflow.fit(request.messages, most, gateway.context_overflow_action)
            request = replace(request, messages=kept)
        if self._is_acting:
            request = react.encoded(request, with_stop=not gateway.has(Flag.NO_STOP_PARAMETER))
        messages = history.as_taken(request.messages, gateway)
        # The beginning of the answer, not of each of its rounds.
        if asked_before == 0 and self._prefill and messages[-1].role is not Role.ASSISTANT:
            messages = (*messages, Message.assistant(self._prefill))
        return replace(request, messages=messages)

    def reading(self, request: ChatRequest) -> Callable[[int], Reading] | None:
        """None when the answers are read as they come."""
        gateway = self.gateway
        shows_frame = gateway.include_prefilling_in_messages
        stop = request.stop[0] if shows_frame and len(request.stop) == 1 else ""
        is_needed = (
            *(self._is_acting, shows_frame and self._prefill, stop),
            *map(gateway.has, (Flag.THINKING_PROCESS, Flag.DIFFUSING_STREAM, Flag.DISABLE_REASONING_DETAILS)),
        )
        if not any(is_needed):
            return None

        def read(asked_before: int) -> Reading:
            begun = self._prefill if asked_before == 0 else ""
            return Reading(self._readers(begun), prefill=begun if shows_frame else "", stop=stop)

        return read

    def _readers(self, begun: str) -> list[Reader]:
        readers: list[Reader] = []
        if self.gateway.has(Flag.DIFFUSING_STREAM):
            readers.append(DiffusedText())
        if self.gateway.has(Flag.THINKING_PROCESS):
            readers.append(ThoughtSplitter(is_thinking=OPENING in begun.rpartition(CLOSING)[2]))
        if self._is_acting:
            readers.append(react.ReActReader())
        return readers

    @property
    def _is_acting(self) -> bool:
        return self.gateway.known_tool_handler_name == react.HANDLER

    @property
    def _prefill(self) -> str:
        return "" if self.gateway.has(Flag.NO_ASSISTANT_PREFILLING) else self.gateway.assistant_prefill or ""
