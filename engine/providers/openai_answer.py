"""Reads an OpenAI-compatible answer, streamed or whole, into events; forgiving where vendors disagree."""

import json
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import orjson

from engine.events import End, EndReason, Event, Reasoning, Text, ToolCall, Usage
from engine.failures import failure
from engine.packets import Heard
from engine.sse import EventSplitter
from engine.wire import call_json
from errors import ProviderFailed, ProviderUnavailable

__all__ = ["Answer", "refusal"]

Json = dict[str, Any]  # a vendor's JSON: looked at with care, and wrapped as a failure when it is not as expected

END_REASONS = {
    "length": EndReason.LENGTH,
    "max_tokens": EndReason.LENGTH,
    "tool_calls": EndReason.TOOL_CALLS,
    "function_call": EndReason.TOOL_CALLS,
    "content_filter": EndReason.CONTENT_FILTER,
}
_CALL_MEMBERS = {"index", "id", "type", "function"}


@dataclass(slots=True)
class Piecemeal:
    """A tool call while its pieces come in."""

    place: int
    id: str = ""
    # What it is called when the vendor does not say.
    own_id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)
    # What vendors add to a call, such as Google's signature of the thought behind it.
    more: Json = field(default_factory=dict)
    is_new: bool = True

    @property
    def is_whole(self) -> bool:
        try:
            orjson.loads("".join(self.arguments))
        except orjson.JSONDecodeError:
            return False
        return True

    def put_together(self) -> ToolCall:
        call = ToolCall(self.own_id or self.id or _new_id(), self.name, "".join(self.arguments) or "{}")
        if self.more:
            call.wire = {**call_json(call), **self.more}
        return call


class Answer:
    """One answer being read. It is over at the vendor's `[DONE]`, or at a failure, which `end` raises: not before
    whatever came before it in the same packet has been heard."""

    def __init__(self, provider: str, secret: str = "") -> None:
        self.is_over = False
        self._provider, self._secret = provider, secret
        self._splitter = EventSplitter()
        self._calls: list[Piecemeal] = []
        self._call_by_index: dict[int, Piecemeal] = {}
        self._usage: Usage | None = None
        # Some report it with every chunk; it counts once.
        self._has_told_usage = False
        self._finish = ""
        # Of several answers, those that were begun and not finished yet.
        self._others: set[int] = set()
        self._has_choice = self._is_whole = False
        # The message that is being read says less than clients need, and is told anew.
        self._is_retold = False
        self._failure: ProviderFailed | None = None

    def feed(self, chunk: bytes) -> list[Heard]:
        """What is in some bytes of a stream."""
        try:
            blocks = self._splitter.feed(chunk)
        except OverflowError as exc:
            self._fail(exc)
            return []
        return self._read(blocks)

    def end(self) -> list[Heard]:
        """What had to wait for the end. Raises when the stream failed or stopped in the middle."""
        heard = self._read(self._splitter.finish())
        if self._failure:
            raise self._failure
        if not self.is_complete:
            raise ProviderUnavailable(self._provider, "the stream ended in the middle of the answer")
        return [*heard, self._closing()]

    def whole(self, body: bytes) -> list[Heard]:
        """An answer that was not streamed."""
        self._is_whole = True
        heard = self._read([body])
        if not (self.is_over or (self._has_choice and (any(piece.events for piece in heard) or self.is_complete))):
            self._fail(LookupError("choices"))
        if self._failure:
            raise self._failure
        return [*heard, self._closing()]

    @property
    def is_complete(self) -> bool:
        return not self._failure and (self.is_over or bool(self._finish))

    @property
    def awaits_last_words(self) -> bool:
        """Everything is said; what may still come is what it used, and `[DONE]`."""
        return bool(self._finish) and not self._others

    def _read(self, blocks: list[bytes]) -> list[Heard]:
        heard: list[Heard] = []
        try:
            for block in blocks:
                if self.is_over:
                    break
                if block.startswith(b"[DONE]"):
                    self.is_over = True
                elif block:
                    heard.append(self._take_message(block))
        except (AttributeError, LookupError, TypeError, ValueError, RecursionError, ProviderFailed) as exc:
            self._fail(exc)
        return heard

    def _fail(self, cause: Exception) -> None:
        self.is_over = True
        if isinstance(cause, ProviderFailed):
            self._failure = cause
        else:
            self._failure = ProviderFailed(self._provider, "sent something that is not a chat completion")
            self._failure.__cause__ = cause

    def _take_message(self, block: bytes) -> Heard:
        try:
            message: Json = orjson.loads(block)
        except orjson.JSONDecodeError:
            block = _mended(block)
            message = orjson.loads(block)
        events: list[Event | None] = []
        finishes = False
        if error := message.get("error"):
            raise refusal(self._provider, error, secret=self._secret)
        choices = message.get("choices")
        for choice in choices or ():
            if not (index := choice.get("index")):  # only the first of several answers, should someone ask for them
                finishes = self._take_choice(choice, events)
            elif choice.get("finish_reason"):
                self._others.discard(index)
            else:
                self._others.add(index)
        if usage := message.get("usage") or (message.get("x_groq") or {}).get("usage"):
            self._usage = _usage(usage)
            # Not before the end, as long as there may be another.
            is_last = self._is_whole or (not choices and bool(self._finish))
            if is_last and self._usage and not self._has_told_usage:
                self._has_told_usage = True
                events.append(self._usage)
        if self._is_retold:
            self._is_retold, block = False, orjson.dumps(message)
        return Heard(block, events, finishes)

    def _take_choice(self, choice: Json, events: list[Event | None]) -> bool:
        """Whether it says why the answer ends."""
        self._has_choice = True
        delta = choice.get("delta") or choice.get("message") or {}
        thought = delta.get("reasoning_content") or delta.get("reasoning")
        if thought and type(thought) is str:
            events.append(Reasoning(thought))
        if content := delta.get("content") or delta.get("refusal"):
            if type(content) is str:
                events.append(Text(content))
            else:
                events.extend(_parts(content))
        if pieces := delta.get("tool_calls"):
            for position, piece in enumerate(pieces):
                self._add(piece, position if "message" in choice else piece.get("index"))
            events.append(None)
        finish = choice.get("finish_reason")
        if finish:
            if finish == "error":  # OpenRouter, when the vendor behind it failed and said nothing
                raise ProviderUnavailable(self._provider, "broke the answer off")
            self._finish = finish if isinstance(finish, str) else EndReason.STOP
        return bool(finish)

    def _add(self, piece: Json, index: int | None) -> None:
        function = piece.get("function") or {}
        id, name, arguments = piece.get("id") or "", function.get("name") or "", function.get("arguments") or ""
        call = self._call_for(index, id, name)
        self._complete(piece, call, function)
        call.id = call.id or id
        for member in piece.keys() - _CALL_MEMBERS:
            call.more[member] = piece[member]
        # A name may come in pieces, or again and again with every piece of the arguments.
        if name != call.name and not call.arguments:
            call.name += name
        if arguments:
            call.arguments.append(arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode())

    def _complete(self, piece: Json, call: Piecemeal, function: Json) -> None:
        """Clients put the pieces together by their index, and every text in them by its end: vendors leave some of it
        out, and say some of it again with every piece."""
        id, name, arguments = piece.get("id"), function.get("name"), function.get("arguments")
        said: Json = {}
        if not self._is_whole and piece.get("index") != call.place:
            said["index"] = call.place
        if call.is_new and not id:
            call.own_id = _new_id()
            said |= {"id": call.own_id, "type": "function"}
        elif id and not call.is_new:
            said["id"] = None
        if name and name == call.name and not call.is_new:
            said["function"] = function = {**function, "name": None}
        if arguments and not isinstance(arguments, str):
            said["function"] = {**function, "arguments": orjson.dumps(arguments).decode()}
        call.is_new = False
        if said:
            piece |= said
            self._is_retold = True

    def _call_for(self, index: int | None, id: str, name: str) -> Piecemeal:
        """The call that a piece belongs to; some vendors give every call index 0, or none an index, or no id."""
        if index is None:
            call = next((call for call in self._calls if id and call.id == id), None)
            if call is None and self._calls and not id and not name:
                call = self._calls[-1]
        else:
            call = self._call_by_index.get(index)
            if call and name and (id != call.id if id and call.id else call.is_whole):
                call = None
        if call is None:
            call = Piecemeal(len(self._calls))
            self._calls.append(call)
        if index is not None:
            self._call_by_index[index] = call
        return call

    def _closing(self) -> Heard:
        reason = END_REASONS.get(self._finish, EndReason.STOP)
        if self._calls and reason is EndReason.STOP:
            reason = EndReason.TOOL_CALLS
        events: list[Event | None] = [call.put_together() for call in self._calls]
        if self._usage and not self._has_told_usage:
            events.append(self._usage)
        events.append(End(reason))
        return Heard(b"", events)


def refusal(
    provider: str,
    error: object,
    *,
    status: int | None = None,
    retry_after_seconds: float | None = None,
    secret: str = "",
) -> ProviderFailed:
    """The failure in an error object, of which there are as many shapes as vendors."""
    if not isinstance(error, dict):
        error = {"message": str(error)}
    code = error.get("code")
    if status is None and isinstance(code, int):
        status = code
    codes = (str(word) for word in (code, error.get("type")) if word)
    return failure(
        provider,
        status=status,
        reason=str(error.get("message") or error),
        codes=frozenset(codes),
        retry_after_seconds=retry_after_seconds,
        secret=secret,
    )


def _new_id() -> str:
    return f"call_{uuid4().hex}"


def _mended(block: bytes) -> bytes:
    """Half a character, or a number that is none, must not cost the whole answer. Raises when it is no JSON at all."""
    said = json.loads(block.decode(errors="replace"), parse_constant=lambda _: None)
    text = json.dumps(said, ensure_ascii=False)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def _usage(usage: object) -> Usage | None:
    """What is reported, zeros included; None when it is less than the two counts that matter."""
    if not isinstance(usage, dict):
        return None
    read, written, total = (usage.get(f"{name}_tokens") for name in ("prompt", "completion", "total"))
    if written is None and isinstance(read, int) and isinstance(total, int):
        written = total - read
    if read is None or written is None:
        return None
    details = usage.get("prompt_tokens_details")
    remembered = details.get("cached_tokens") if isinstance(details, dict) else None
    cached = remembered or usage.get("prompt_cache_hit_tokens") or 0
    return Usage(read, written, cached)


def _parts(content: list[Json]) -> list[Event]:
    """Mistral's reasoning models answer in typed parts."""
    events: list[Event] = []
    for part in content:
        if part.get("type") == "thinking":
            events.extend(Reasoning(thought["text"]) for thought in part["thinking"] if thought.get("text"))
        elif text := part.get("text"):
            events.append(Text(text))
    return events
