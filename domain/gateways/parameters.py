"""What can be set on a gateway. The names are those of its wire; absent is what stands here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any  # Tools and schemas are open JSON.

from domain.agents import QueryStrategy

__all__ = [
    "INTEGRATED",
    "BashOptions",
    "BuiltinFunction",
    "BuiltinOptions",
    "ContextOverflow",
    "Flag",
    "ImageQuality",
    "Media",
    "Moderation",
    "Parameters",
    "ProtocolFunction",
    "QueryWindows",
    "RemoteSource",
    "Routing",
    "Sentinel",
    "ToolExclusion",
    "WebSearchMode",
]

# The address of a gateway whose model is one that is configured here.
INTEGRATED = "@integrated"


class Flag(StrEnum):
    NO_SYSTEM_INSTRUCT = "NO_SYSTEM_INSTRUCT"
    NO_TEMPERATURE = "NO_TEMPERATURE"
    THINKING_PROCESS = "THINKING_PROCESS"
    NO_ASSISTANT_PREFILLING = "NO_ASSISTANT_PREFILLING"
    RETURN_REASONING_TOKENS = "RETURN_REASONING_TOKENS"
    DISABLE_MULTI_MODAL_INPUT = "DISABLE_MULTI_MODAL_INPUT"
    DIFFUSING_STREAM = "DIFFUSING_STREAM"
    OPEN_AI_STRICT_JSON = "OPEN_AI_STRICT_JSON"
    STRUCTURED_OUTPUT_SUPPORT = "STRUCTURED_OUTPUT_SUPPORT"
    PRESERVE_THINKING_TOKENS = "PRESERVE_THINKING_TOKENS"
    NO_STOP_PARAMETER = "NO_STOP_PARAMETER"
    NO_REASONING_EFFORT = "NO_REASONING_EFFORT"
    REWRITE_TOOL_CALLS_AS_USER_MESSAGES = "REWRITE_TOOL_CALLS_AS_USER_MESSAGES"
    DISABLE_REASONING_SUMMARY = "DISABLE_REASONING_SUMMARY"
    DISABLE_REASONING_DETAILS = "DISABLE_REASONING_DETAILS"
    INCLUDE_STORED_REASONING = "INCLUDE_STORED_REASONING"
    STRICT_USER_ASSISTANT_TURNS = "STRICT_USER_ASSISTANT_TURNS"


class ContextOverflow(StrEnum):
    THROW = "THROW"
    TRUNCATE = "TRUNCATE"


class Media(StrEnum):
    IMAGE = "IMAGE"
    AUDIO = "AUDIO"
    VIDEO = "VIDEO"
    FILE = "FILE"
    OTHER_FILES = "OTHER_FILES"
    ALL = "ALL"


class BuiltinFunction(StrEnum):
    WEB_SEARCH = "WEB_SEARCH"
    CODE = "CODE"
    OPEN_URL = "OPEN_URL"
    REMEMBER = "REMEMBER"
    IMAGE_GENERATION = "IMAGE_GENERATION"
    X_POSTS_SEARCH = "X_POSTS_SEARCH"
    GENERATE_DOCUMENT = "GENERATE_DOCUMENT"
    GENERATE_WEB_PAGE = "GENERATE_WEB_PAGE"
    ADVANCED_WEB_USAGE = "ADVANCED_WEB_USAGE"
    REQUEST = "REQUEST"
    CALENDAR = "CALENDAR"


class ToolExclusion(StrEnum):
    WHITE_LIST = "WHITE_LIST"
    BLACK_LIST = "BLACK_LIST"


class WebSearchMode(StrEnum):
    FULL = "FULL"
    SUMMARIZED = "SUMMARIZED"


class ImageQuality(StrEnum):
    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    HIGHEST = "HIGHEST"


@dataclass(frozen=True, slots=True)
class RemoteSource:
    """A text, or an MCP server, at an address. What its headers say is secret."""

    name: str
    url: str
    description: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    # Seconds for which what was fetched is used again.
    cache_duration: int = 600


@dataclass(frozen=True, slots=True)
class ProtocolFunction:
    """A tool that is called over HTTP. What its headers say is secret."""

    name: str
    description: str
    callback_url: str
    content_format: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BashOptions:
    allow_data_persistence: bool = False
    tool_list: tuple[str, ...] = ()
    tool_exclusion_mode: ToolExclusion = ToolExclusion.WHITE_LIST


@dataclass(frozen=True, slots=True)
class QueryWindows:
    rewrite_context_size: int = 3
    concatenate_context_size: int = 3


@dataclass(frozen=True, slots=True)
class Sentinel:
    enabled_functions: tuple[BuiltinFunction, ...] = ()


@dataclass(frozen=True, slots=True)
class BuiltinOptions:
    web_search_mode: WebSearchMode = WebSearchMode.FULL
    web_search_max_results: int = 10
    image_generation_max_results: int = 1
    image_generation_quality: ImageQuality = ImageQuality.MEDIUM
    image_generation_allow_mature_content: bool = False
    image_generation_allow_reference_usage: bool = False
    image_generation_model_name: str | None = None
    include_all_memory_context: bool = False


@dataclass(frozen=True, slots=True)
class Moderation:
    """From 0 (off) to 10: a category that scores as high as its threshold is refused."""

    violence_threshold: int = 0
    sexual_explicit_threshold: int = 0
    political_threshold: int = 0
    dangerous_content_threshold: int = 0
    jailbreak_threshold: int = 0


@dataclass(frozen=True, slots=True)
class Routing:
    """Which model answers easy, middling and hard requests."""

    low_complexity_model_name: str
    medium_complexity_model_name: str
    high_complexity_model_name: str
    low_complexity_model_reasoning_effort: str | None = None
    medium_complexity_model_reasoning_effort: str | None = None
    high_complexity_model_reasoning_effort: str | None = None


@dataclass(frozen=True, slots=True)
class Parameters:
    base_address: str
    model_name: str
    api_key: str | None = None
    # Told and looked up.
    system_instruction: str | None = None
    system_instructions_sources: tuple[RemoteSource, ...] = ()
    skills: tuple[str, ...] = ()
    hide_tools_without_skill: bool = False
    always_visible_tools: tuple[str, ...] = ()
    knowledge_collections: tuple[str, ...] = ()
    knowledge_base_maximum_results: int = 5
    knowledge_base_minimum_score: float = 0.2
    knowledge_use_references: bool = False
    knowledge_use_meta_descriptions: bool = False
    query_strategy: QueryStrategy = QueryStrategy.PLAIN
    query_strategy_parameters: QueryWindows = field(default_factory=QueryWindows)
    # Sampling and shape.
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    stop: str | None = None
    max_completion_tokens: int | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    user_prompt_template: str | None = None
    assistant_prefill: str | None = None
    include_prefilling_in_messages: bool = False
    additional_settings: Mapping[str, Any] | None = None
    # Limits.
    context_maximum_size: int | None = None
    context_overflow_action: ContextOverflow = ContextOverflow.THROW
    tool_context_count: int | None = None
    flags: tuple[Flag, ...] = ()
    # Done by the caller, and done here.
    tools: tuple[Mapping[str, Any], ...] | None = None
    protocol_functions: tuple[ProtocolFunction, ...] = ()
    protocol_function_sources: tuple[str, ...] = ()
    mcp_sources: tuple[RemoteSource, ...] = ()
    enable_bash: bool = False
    bash_options: BashOptions | None = None
    sentinel_options: Sentinel | None = None
    builtin_functions_options: BuiltinOptions | None = None
    known_tool_handler_name: str | None = None
    tool_invocation_explanations: bool = False
    # Before and around the model.
    worker_script_source: str | None = None
    enabled_multimodal_features: tuple[Media, ...] = ()
    moderation_parameters: Moderation | None = None
    model_routing_parameters: Routing | None = None

    def has(self, flag: Flag) -> bool:
        return flag in self.flags
