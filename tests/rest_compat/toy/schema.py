"""A small graph with one of each awkward thing that the four old APIs ask for; what waits, waits for the test."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated, Any  # JSON is open by nature.
from uuid import UUID

import orjson
import strawberry
from strawberry.schema.config import StrawberryConfig

from errors import Conflict, Forbidden, Invalid, LimitReached, NotFound, ProviderFailed
from files import Blob, Upload
from schema.scalars import JSON, SCALARS, DateTime, File

CHAT = str(UUID(int=1))


@dataclass
class Stage:
    """What the graph does and what was seen of it, shared by a test and the resolvers it drives."""

    go: asyncio.Event = field(default_factory=asyncio.Event)
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    seen: list[Any] = field(default_factory=list)
    sessions: dict[str, str] = field(default_factory=dict)
    produced: int = 0

    async def wait(self) -> None:
        self.entered.set()
        try:
            await self.go.wait()
        finally:
            self.left.set()


@dataclass
class Context:
    stage: Stage
    principal: str = "somebody"

    def fresh(self) -> "Context":
        return self


Info = strawberry.Info[Context, None]


@strawberry.enum
class Role(Enum):
    USER = "user"
    ASSISTANT = "assistant"


@strawberry.enum
class IndexState(Enum):
    QUEUED = "queued"
    INDEXED = "indexed"


@strawberry.type
class Message:
    id: strawberry.ID
    role: Role
    text: str

    @strawberry.field
    def parts(self) -> "list[Part]":
        return [TextPart(text=self.text), ToolPart(tool="search", arguments=JSON({"q": self.text}))]


@strawberry.type
class TextPart:
    text: str


@strawberry.type
class ToolPart:
    tool: str
    arguments: JSON


Part = Annotated[TextPart | ToolPart, strawberry.union("Part")]


@strawberry.type
class Conversation:
    id: strawberry.ID
    title: str | None
    external_user: str | None = None
    response_ms: float | None = None
    pinned: bool | None = None

    @strawberry.field
    def messages(self) -> list[Message]:
        return [
            Message(id=strawberry.ID(str(UUID(int=2))), role=Role.USER, text="Hi"),
            Message(id=strawberry.ID(str(UUID(int=3))), role=Role.ASSISTANT, text="Hello"),
        ]


@strawberry.type
class ConversationConnection:
    nodes: list[Conversation]
    total_count: int


@strawberry.type
class Document:
    id: strawberry.ID
    data: JSON
    state: IndexState


@strawberry.type
class Skill:
    slug: str
    instructions: str


@strawberry.type
class Imported:
    enqueued: int
    skipped: int
    filename: str


@strawberry.type
class SessionPayload:
    created: bool
    conversation: Conversation
    cookie: str | None = None


@strawberry.type
class ReplyPayload:
    answer: Message
    conversation: Conversation


@strawberry.input
class PartInput:
    role: Role
    content: str = ""
    tags: list[str] | None = None


@strawberry.interface
class TurnEvent:
    turn_id: strawberry.ID
    sequence: int


@strawberry.type
class TurnStarted(TurnEvent):
    model: str


@strawberry.type
class TextAdded(TurnEvent):
    text: str


@strawberry.type
class TurnFinished(TurnEvent):
    text: str
    tokens: int
    conversation: Conversation


@strawberry.type
class TurnFailed(TurnEvent):
    code: str
    reason: str


@strawberry.type
class Query:
    @strawberry.field
    def conversation(self, id: strawberry.ID, external_user: str | None = None) -> Conversation:
        if id == "missing":
            raise NotFound("conversation", id)
        if external_user == "stranger":
            raise Forbidden
        return Conversation(id=id, title=None, external_user=external_user, response_ms=12.5)

    @strawberry.field
    def conversations(
        self, first: int = 20, offset: int = 0, pinned: bool | None = None, tags: list[str] | None = None
    ) -> ConversationConnection:
        if first > 100:
            raise Invalid("first", "must be at most 100")
        found = [
            Conversation(id=strawberry.ID(str(number)), title=f"Chat {number}", pinned=pinned or None)
            for number in range(offset, min(5, offset + first))
        ]
        return ConversationConnection(nodes=found, total_count=5)

    @strawberry.field
    def document(self, id: strawberry.ID, state: IndexState | None = None) -> Document:
        return Document(id=id, data=JSON(orjson.Fragment(b'{"as":"it","was":1.0}')), state=state or IndexState.QUEUED)

    @strawberry.field
    def skills(self, count: int = 2) -> list[Skill]:
        return [Skill(slug=f"skill-{number}", instructions="Do\nit.") for number in range(count)]

    @strawberry.field
    def stored(self, path: str, owner: str = "") -> File | None:
        if path == "missing":
            return None
        if path == "stream":
            return File(Blob(_pieces(), "audio/mpeg", headers={"Content-Disposition": 'inline; filename="a.mp3"'}))
        return File(Blob(f"{owner}0123456789".encode(), "text/plain", path, {"ETag": '"one"'}))

    @strawberry.field
    def echo(self, value: JSON | None = None, at: DateTime | None = None) -> JSON | None:
        return value

    @strawberry.field
    def bug(self) -> str | None:
        raise RuntimeError("the database password is hunter2")

    @strawberry.field
    def used_up(self) -> str:
        raise LimitReached("The monthly budget", retry_after_seconds=30)

    @strawberry.field
    async def waits(self, info: Info) -> str:
        await info.context.stage.wait()
        return "done"


async def _pieces() -> AsyncIterator[bytes]:
    for piece in (b"one ", b"two ", b"three"):
        yield piece


@strawberry.type
class Mutation:
    @strawberry.mutation
    def reply(
        self, info: Info, text: str, conversation_id: strawberry.ID | None = None, external_user: str = "nobody"
    ) -> ReplyPayload:
        if conversation_id == "missing":
            raise NotFound("conversation", conversation_id)
        if text == "long":
            raise Invalid("text", "must not be that long")
        if text == "fail":
            raise ProviderFailed("openai", "Rate limit exceeded")
        info.context.stage.seen.append(external_user)
        return ReplyPayload(
            answer=Message(id=strawberry.ID(str(UUID(int=3))), role=Role.ASSISTANT, text=f"You said {text}."),
            conversation=Conversation(id=conversation_id or strawberry.ID(CHAT), title=text, response_ms=12.5),
        )

    @strawberry.mutation
    def complete(self, parts: list[PartInput], temperature: float | None = 1.0) -> str:
        return " ".join(f"{part.role.value}:{part.content}" for part in parts) + f" at {temperature}"

    @strawberry.mutation
    def set_field(self, document_id: strawberry.ID, name: str, value: JSON | None) -> JSON | None:
        return JSON({"id": document_id, name: value})

    @strawberry.mutation
    def delete_conversation(self, id: strawberry.ID) -> bool:
        if id == "missing":
            raise NotFound("conversation", id)
        return True

    @strawberry.mutation
    def clear_messages(self, conversation_id: strawberry.ID) -> bool:
        return True

    @strawberry.mutation
    def open_session(self, info: Info, external_id: str | None = None) -> SessionPayload:
        sessions = info.context.stage.sessions
        if external_id == "ended":
            raise Conflict("The session has ended")
        known = external_id in sessions
        sessions[external_id or ""] = CHAT
        conversation = Conversation(id=strawberry.ID(CHAT), title=external_id)
        return SessionPayload(created=not known, conversation=conversation, cookie=f"sid={CHAT}; HttpOnly")

    @strawberry.mutation
    def select_task(self, field: str) -> str:
        return field.removeprefix("select_task:")

    @strawberry.mutation
    def import_skills(self, file: File, mode: str | None = None) -> Imported:
        assert isinstance(file, Upload)
        lines = file.path.read_bytes().splitlines()
        return Imported(enqueued=len(lines), skipped=file.size, filename=file.filename)

    @strawberry.mutation
    def store(self, info: Info, path: str, owner: str, content: File) -> int:
        assert isinstance(content, Upload)
        info.context.stage.seen += [content.path, content.path.read_bytes()]
        return content.size

    @strawberry.mutation
    async def waits(self, info: Info) -> str:
        await info.context.stage.wait()
        return "done"


@strawberry.type
class Bundle:
    items: list[JSON]


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def reply(
        self,
        info: Info,
        text: str,
        conversation_id: strawberry.ID | None = None,
        external_user: str = "nobody",
        after: int = 0,
    ) -> AsyncGenerator[TurnEvent, None]:
        """Says every word again. Some words do other things."""
        if conversation_id == "missing":
            raise NotFound("conversation", conversation_id)
        stage, turn = info.context.stage, strawberry.ID(str(UUID(int=4)))
        try:
            if after < 1:
                yield TurnStarted(turn_id=turn, sequence=1, model="scripted-1")
            for sequence, word in enumerate(text.split(), 2):
                if sequence <= after:
                    continue
                if word == "wait":
                    stage.entered.set()
                    await stage.go.wait()
                elif word == "fail":
                    raise ProviderFailed("openai", "Rate limit exceeded")
                elif word == "bug":
                    raise RuntimeError("the database password is hunter2")
                elif word == "give-up":
                    yield TurnFailed(turn_id=turn, sequence=sequence, code="provider_failed", reason="It gave up")
                    return
                else:
                    stage.produced += 1
                    yield TextAdded(turn_id=turn, sequence=sequence, text=word)
            last = len(text.split()) + 2
            yield TurnFinished(
                turn_id=turn,
                sequence=last,
                text=text,
                tokens=last - 2,
                conversation=Conversation(id=conversation_id or strawberry.ID(CHAT), title=text),
            )
        finally:
            stage.left.set()

    @strawberry.subscription
    async def flood(self, info: Info, size: int = 1000) -> AsyncGenerator[TurnEvent, None]:
        """As fast as it is read."""
        stage = info.context.stage
        try:
            while True:
                stage.produced += 1
                yield TextAdded(turn_id=strawberry.ID("1"), sequence=stage.produced, text="x" * size)
                await asyncio.sleep(0)
        finally:
            stage.left.set()

    @strawberry.subscription
    async def chunks(self) -> AsyncGenerator[JSON, None]:
        """A provider's own bytes, pretty-printed as some do."""
        yield JSON(orjson.Fragment(b'{\n  "n": 1\n}'))
        yield JSON(orjson.Fragment(b'{"n":2}'))

    @strawberry.subscription
    async def bundles(self) -> AsyncGenerator[Bundle, None]:
        """What came together."""
        yield Bundle(items=[JSON(orjson.Fragment(b'{"n":1}')), JSON({"n": 2})])
        yield Bundle(items=[])
        yield Bundle(items=[JSON({"n": 3})])

    @strawberry.subscription
    async def skills(self, broken: bool = False) -> AsyncGenerator[Skill, None]:
        yield Skill(slug="one", instructions="First.")
        if broken:
            raise RuntimeError("the database password is hunter2")
        yield Skill(slug="two", instructions="Second.")


schema = strawberry.Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    types=[TurnStarted, TextAdded, TurnFinished, TurnFailed],
    config=StrawberryConfig(scalar_map=SCALARS),
)
graph = schema._schema
