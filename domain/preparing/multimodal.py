"""Pictures, sounds, films and files put into words, for models that only read.

Files are read here. All else is described by a model that takes it in: the agent's own when the catalog says that it
does, else the workspace's default one.
"""

import base64
import binascii
import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from urllib.parse import unquote_to_bytes
from uuid import UUID

from domain import catalog_entries
from domain.calling import Caller
from domain.gateways.parameters import Media
from domain.preparing.asking import Asking, Bill, Choice, Models, Purpose
from domain.tools.calling import CallFailed, call
from domain.tools.together import together
from engine.chat import Audio, ChatRequest, FilePart, Image, Message, Part, Spelling, Video
from engine.guard import Guard
from errors import Invalid, NotConfigured, SourceFailed
from knowledge import read
from models import Provider

__all__ = ["Descriptions", "kind_of"]

_MOST_PARTS = 32
_MOST_FILE_BYTES = 20_000_000
_MOST_FILE_CHARACTERS = 400_000
_MOST_KEPT_CHARACTERS = 8_000_000

_NAMES = {Media.IMAGE: "image", Media.AUDIO: "audio", Media.VIDEO: "video", Media.FILE: "file"}
_DESCRIBE = {
    Media.IMAGE: "Describe this picture for somebody who cannot see it. Give every text in it word for word.",
    Media.AUDIO: "Write down what is said in this recording, word for word, and name other sounds that matter.",
    Media.VIDEO: "Describe this film for somebody who cannot see it: what happens, what is said, what is written.",
}
_LIMITS = replace(read.LIMITS, file_bytes=_MOST_FILE_BYTES, text_characters=_MOST_FILE_CHARACTERS)


# Of a workspace: what one has paid for is no business of another.
Key = tuple[UUID, bytes]


class Descriptions:
    """What parts of messages show, remembered by what is in them."""

    def __init__(self, asking: Asking, *, guard: Guard | None = None, models: Models | None = None) -> None:
        self._asking, self._guard, self._models = asking, guard, models
        self._known: OrderedDict[Key, str] = OrderedDict()
        self._characters = 0

    async def described(
        self, caller: Caller, own: Choice, request: ChatRequest, wanted: Sequence[Media], bill: Bill
    ) -> ChatRequest:
        parts = {
            _key(caller, part): part
            for message in request.messages
            for part in message.parts
            if (kind := kind_of(part)) is not None and _is_wanted(kind, wanted)
        }
        if len(parts) > _MOST_PARTS:
            raise Invalid("messages", f"must not have more than {_MOST_PARTS} attachments that are to be described")
        if not parts:
            return request
        said = await together([self._text(caller, own, key, part, bill) for key, part in parts.items()])
        texts = dict(zip(parts, said, strict=True))

        def in_words(message: Message) -> Message:
            if all(kind_of(part) is None for part in message.parts):
                return message
            parts = tuple(texts.get(_key(caller, part), part) for part in message.parts)
            # Not every server for models that only read takes a list.
            return replace(message, parts=parts, spelling=Spelling.PLAIN)

        return replace(request, messages=tuple(map(in_words, request.messages)))

    async def _text(self, caller: Caller, own: Choice, key: Key, part: Part, bill: Bill) -> str:
        if (known := self._known.get(key)) is not None:
            self._known.move_to_end(key)
            return known
        if isinstance(part, FilePart):
            text = f"\n[file {part.name or 'without a name'}]\n{await self._read(part)}\n[end of file]\n"
        else:
            text = await self._seen(caller, own, part, bill)
        if not _is_elsewhere(part):
            self._remember(key, text)
        return text

    async def _seen(self, caller: Caller, own: Choice, part: Part, bill: Bill) -> str:
        kind = kind_of(part)
        assert kind is not None
        name = _NAMES[kind]
        choice = await self._who_takes(caller, own, name)
        purpose = Purpose(f"multimodal_{name}", f"Inference for describing {name} input")
        asked = (Message.user(_DESCRIBE[kind], part),)
        said = await self._asking.ask(choice, asked, purpose, bill, max_tokens=2_000)
        return f"\n[description of an attached {name}]\n{said.strip()}\n[end of description]\n"

    async def _who_takes(self, caller: Caller, own: Choice, name: str) -> Choice:
        """Whoever is known to take it in; a model that the catalog does not know is taken at its owner's word."""
        unknown: list[Choice] = []
        for choice in (own, await self._models.default(caller.principal) if self._models else None):
            if choice is None:
                continue
            modalities = await _modalities(choice)
            if modalities is None:
                unknown.append(choice)
            elif name in modalities:
                return choice
        # A sound goes to nobody who may not hear: what comes back would be made up.
        if unknown and name == "image":
            return unknown[-1]
        raise NotConfigured(f"No model that is set up here takes {name} input, so it cannot be put into words")

    async def _read(self, part: FilePart) -> str:
        content, media_type = await self._content(part)
        found = await read.document(content, part.name or "attachment", media_type, limits=_LIMITS)
        return found.text

    async def _content(self, part: FilePart) -> tuple[bytes, str | None]:
        if _is_elsewhere(part):
            return await self._fetched(part.data)
        header, comma, data = part.data.partition(",")
        if not part.data.startswith("data:") or not comma:
            header, data = "data:;base64", part.data
        media_type = header[5:].partition(";")[0] or None
        if len(data) > _MOST_FILE_BYTES * 3 // 2:
            raise Invalid("file_data", f"must not be larger than {_MOST_FILE_BYTES:,} bytes")
        if not header.endswith(";base64"):
            return unquote_to_bytes(data), media_type
        with suppress(binascii.Error, ValueError):
            return base64.b64decode(data, validate=True), media_type
        raise Invalid("file_data", "must be base64, or a data: URL")

    async def _fetched(self, url: str) -> tuple[bytes, str | None]:
        if self._guard is None:
            raise NotConfigured("Attached files cannot be fetched from an address here")
        try:
            answer = await call(self._guard, "GET", url, most_bytes=_MOST_FILE_BYTES, redirects=3)
        except CallFailed as exc:
            raise SourceFailed("The address of an attached file", exc.reason) from exc
        if not answer.is_fine:
            raise SourceFailed("The address of an attached file", f"answered with status {answer.status}")
        return answer.content, answer.media_type

    def _remember(self, key: tuple[UUID, bytes], text: str) -> None:
        if len(text) > _MOST_KEPT_CHARACTERS // 8 or key in self._known:
            return
        self._known[key] = text
        self._characters += len(text)
        while self._characters > _MOST_KEPT_CHARACTERS:
            _, oldest = self._known.popitem(last=False)
            self._characters -= len(oldest)


def kind_of(part: Part) -> Media | None:
    match part:
        case Image():
            return Media.IMAGE
        case Audio():
            return Media.AUDIO
        case Video():
            return Media.VIDEO
        case FilePart():
            return Media.FILE
    return None


def _is_wanted(kind: Media, wanted: Sequence[Media]) -> bool:
    # A file is a file, of whatever kind.
    return Media.ALL in wanted or kind in wanted or (kind is Media.FILE and Media.OTHER_FILES in wanted)


def _is_elsewhere(part: Part) -> bool:
    """At an address, where something else may lie tomorrow."""
    said = part.url if isinstance(part, Image | Video) else part.data if isinstance(part, Audio | FilePart) else ""
    return said.startswith(("http://", "https://"))


def _key(caller: Caller, part: Part) -> Key:
    said = "\n".join(str(getattr(part, name, "")) for name in ("url", "data", "format", "name"))
    return caller.principal.workspace_id, hashlib.sha256(f"{type(part).__name__}\n{said}".encode()).digest()


async def _modalities(choice: Choice) -> tuple[str, ...] | None:
    """What the catalog says that the model takes in; nothing of a model at an address that it does not know."""
    # A model that has no row may lack it altogether.
    provider = getattr(choice.model, "provider", None)
    if not isinstance(provider, Provider):
        return None
    entry = await catalog_entries.offered_at(provider.wire, provider.base_url, choice.model.name)
    return entry.input_modalities if entry else None
