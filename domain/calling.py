"""Who an agent works for while it answers: told to tools, workers and servers that are called on the way."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from domain.identity import Principal

__all__ = ["CallSource", "Caller"]


class CallSource(StrEnum):
    CHAT_COMPLETIONS_API = "ChatCompletionsApi"
    SESSIONS_API = "SessionsApi"
    FUNCTIONS_API = "FunctionsApi"
    WEB_CHAT_CLIENT = "WebChatClient"


@dataclass(frozen=True, slots=True)
class Caller:
    principal: Principal
    source: CallSource = CallSource.CHAT_COMPLETIONS_API
    gateway_id: UUID | None = None
    # Who talks with the agent, in the words of whoever built it.
    external_user: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    # The same for every call of one conversation.
    conversation_token: str = ""
