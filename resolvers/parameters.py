"""What can be set on a gateway, in words for those who set it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias  # Types that are made here have no names for mypy.

from domain.gateways.parameters import (
    BashOptions,
    BuiltinFunction,
    BuiltinOptions,
    ContextOverflow,
    Flag,
    ImageQuality,
    Media,
    Moderation,
    Parameters,
    ProtocolFunction,
    QueryWindows,
    RemoteSource,
    Routing,
    Sentinel,
    ToolExclusion,
    WebSearchMode,
)
from resolvers.enums import described
from resolvers.records import Records, Words

__all__ = ["RECORDS", "ParametersChanges", "ParametersInput", "RemoteSourceInput"]

described(
    "What is particular about a gateway's model, or about how it is to be asked.",
    "GatewayFlag",
    NO_SYSTEM_INSTRUCT="Instructions are given to the model as a message of the user.",
    NO_TEMPERATURE="The model is never told a temperature.",
    THINKING_PROCESS="The model thinks aloud in `<think>`; that is taken out of its answer, as reasoning.",
    NO_ASSISTANT_PREFILLING="The model does not let its answer be begun for it.",
    RETURN_REASONING_TOKENS="Who asks is shown the model's reasoning.",
    DISABLE_MULTI_MODAL_INPUT="Pictures, sounds and files are left out of what the model is given.",
    DIFFUSING_STREAM="The model rewrites its answer while it streams, instead of adding to it.",
    OPEN_AI_STRICT_JSON="A schema of the answer is given to the model as a strict one.",
    STRUCTURED_OUTPUT_SUPPORT="The model can be given a schema of its answer.",
    PRESERVE_THINKING_TOKENS="Earlier reasoning stays in the history that the model is given.",
    NO_STOP_PARAMETER="The model is never told where to stop.",
    NO_REASONING_EFFORT="The model is never told how hard to think.",
    REWRITE_TOOL_CALLS_AS_USER_MESSAGES="Earlier calls of tools are told to the model as text of the user.",
    DISABLE_REASONING_SUMMARY="No summary of the reasoning is asked for.",
    DISABLE_REASONING_DETAILS="The details of the reasoning are left out.",
    INCLUDE_STORED_REASONING="Reasoning that was kept is given to the model again.",
    STRICT_USER_ASSISTANT_TURNS="Messages are joined so that user and assistant take turns.",
)(Flag)
described(
    "What happens when more was said than a gateway takes.",
    THROW="The call is refused, before a model is asked.",
    TRUNCATE="The oldest messages are left out; at least one of the user stays.",
)(ContextOverflow)
described(
    "A kind of content that is no text.",
    "MediaKind",
    IMAGE="Pictures.",
    AUDIO="Sounds.",
    VIDEO="Films.",
    FILE="Documents that hold text.",
    OTHER_FILES="Other files.",
    ALL="Everything that is no text.",
)(Media)
described(
    "A tool that the server brings with it.",
    WEB_SEARCH="Search the web.",
    CODE="Run JavaScript.",
    OPEN_URL="Read pages of the web.",
    REMEMBER="Remember facts about the user, across conversations.",
    IMAGE_GENERATION="Make pictures.",
    X_POSTS_SEARCH="Search posts on X.",
    GENERATE_DOCUMENT="Make a PDF.",
    GENERATE_WEB_PAGE="Make a web page.",
    ADVANCED_WEB_USAGE="Search the web at length, for a task.",
    REQUEST="Send HTTP requests.",
    CALENDAR="Keep the user's appointments.",
)(BuiltinFunction)
described(
    "What a list of tools means to the shell.",
    WHITE_LIST="The tools of the list become commands of the shell.",
    BLACK_LIST="All tools but those of the list become commands of the shell.",
)(ToolExclusion)
described(
    "What a search of the web gives to the model.",
    FULL="Whole pages.",
    SUMMARIZED="What the search engine says of them.",
)(WebSearchMode)
described(
    "How good a picture is to be, and how expensive.",
    LOW="Quick and cheap.",
    MEDIUM="In between.",
    HIGH="Good.",
    HIGHEST="As good as there is.",
)(ImageQuality)

_MASKED = "Their values are secret: they are kept sealed and read as `********`. Sent back like that, they stay."

WORDS: Mapping[type, Words] = {
    RemoteSource: Words(
        "RemoteSource",
        "Something at an address: a text, or an MCP server.",
        {
            "name": "A name of your own for it.",
            "url": "Where it is: an `http` or `https` address that is reachable from the internet.",
            "description": "What it is.",
            "headers": f"Headers to send with each request to it, as an object of texts. {_MASKED}",
            "cache_duration": "For how many seconds what was fetched is used again; 600 unless said.",
        },
    ),
    ProtocolFunction: Words(
        "ProtocolFunction",
        "A tool that the server runs by calling an address of yours.",
        {
            "name": "What the model calls it: 3 to 64 letters, digits, `_`, `.` or `-`, unique among all tools.",
            "description": "What it does, for the model.",
            "callback_url": "Where it is called, with `POST`; or a search in a collection of yours, without leaving the"
            " server: `aivax://query-collection?collection-id=<id>&top=<n>&min=<score>`, and `&refs` to include"
            " documents that share a reference.",
            "content_format": "A JSON Schema of its arguments, which are an object; without one it takes none.",
            "headers": f"Headers to send with each call, as an object of texts. {_MASKED}",
        },
    ),
    BashOptions: Words(
        "BashOptions",
        "How the shell of a gateway works.",
        {
            "allow_data_persistence": "Whether its files stay, for each user of yours who is named in the request.",
            "tool_list": "Names of tools, for `toolExclusionMode`.",
            "tool_exclusion_mode": "What the list means; `WHITE_LIST` unless said.",
        },
    ),
    QueryWindows: Words(
        "QueryWindows",
        "How many messages a search is made of.",
        {
            "rewrite_context_size": "How many messages of the user the model rewrites into a search, from 1 to 100;"
            " 3 unless said. `FULL_REWRITE` takes twice as many, of both sides.",
            "concatenate_context_size": "How many messages `CONCATENATE` joins, from 1 to 100; 3 unless said.",
        },
    ),
    Sentinel: Words(
        "SentinelOptions",
        "Which of the server's own tools a gateway has.",
        {"enabled_functions": "These ones. What this server cannot do is refused, and the reason told."},
    ),
    BuiltinOptions: Words(
        "BuiltinOptions",
        "How the server's own tools work.",
        {
            "web_search_mode": "What a search of the web gives; `FULL` unless said.",
            "web_search_max_results": "How many pages it gives, from 1 to 25; 10 unless said.",
            "image_generation_max_results": "How many pictures a call makes, from 1 to 4; 1 unless said.",
            "image_generation_quality": "How good they are; `MEDIUM` unless said.",
            "image_generation_allow_mature_content": "Whether they may be for adults only, where the model makes such.",
            "image_generation_allow_reference_usage": "Whether pictures of the conversation may be used for them.",
            "image_generation_model_name": "Which model makes them; one that is configured unless said.",
            "include_all_memory_context": "Whether the model is told all that is remembered of the user. Otherwise it"
            " is told up to ten facts, and has a tool to find more.",
        },
    ),
    Moderation: Words(
        "ModerationThresholds",
        "From which score on a conversation is refused: from 1, the strictest, to 10. 0 switches a category off.",
        {
            "violence_threshold": "Violence.",
            "sexual_explicit_threshold": "Sexually explicit content.",
            "political_threshold": "Politics.",
            "dangerous_content_threshold": "What may harm people.",
            "jailbreak_threshold": "Attempts to make the model forget its instructions.",
        },
    ),
    Routing: Words(
        "ModelRouting",
        "Which model answers which requests. How complex one is, a small model says first; that is charged, too.",
        {
            "low_complexity_model_name": "Who answers easy requests.",
            "medium_complexity_model_name": "Who answers middling requests.",
            "high_complexity_model_name": "Who answers hard requests.",
            "low_complexity_model_reasoning_effort": "How hard to think about easy requests.",
            "medium_complexity_model_reasoning_effort": "How hard to think about middling requests.",
            "high_complexity_model_reasoning_effort": "How hard to think about hard requests.",
        },
    ),
    Parameters: Words(
        "GatewayParameters",
        "How a gateway answers: who is asked, what they are told, and what they may look up and do.",
        {
            "base_address": "`@integrated` for a model that is set up here, or the address of an API like OpenAI's.",
            "model_name": "Which model: its name here, such as `@openai/gpt-5-mini`, or what the provider calls it.",
            "api_key": "Your key with that provider. It is kept sealed, sent to the host it was saved for and to no"
            " other, and read as `********`. Sent back like that, it stays; at another host it has to be given anew.",
            "system_instruction": "What the model is told first.",
            "system_instructions_sources": "Texts from elsewhere that it is told as well, of at most 10 MB each.",
            "skills": "Skills that the model is offered, and loads when it needs them.",
            "hide_tools_without_skill": "Whether the model sees no tools but `alwaysVisibleTools` until it has loaded a"
            " skill, which brings its own.",
            "always_visible_tools": "Names of tools that are seen all the same.",
            "knowledge_collections": "Collections that are searched for what the user says.",
            "knowledge_base_maximum_results": "How many documents a search gives, from 1 to 128; 5 unless said.",
            "knowledge_base_minimum_score": "How near a document must be in meaning, from 0 to 1; 0.2 unless said.",
            "knowledge_use_references": "Whether documents of the same reference are given with each that is found.",
            "knowledge_use_meta_descriptions": "Whether the model reads the metadata of documents.",
            "query_strategy": "How searches are made of what was said; `PLAIN` unless said.",
            "query_strategy_parameters": "How many messages they are made of.",
            "temperature": "How free the model is in its choice of words, from 0 to 2.",
            "top_p": "Among how much of the likeliest words it chooses, from 0 to 1.",
            "presence_penalty": "How much it avoids words that were said, from -2 to 2.",
            "frequency_penalty": "How much it avoids words the more often they were said, from -2 to 2.",
            "stop": "A text at which it stops.",
            "max_completion_tokens": "How many tokens an answer has at most.",
            "reasoning_effort": "How hard it thinks, in the words of its provider: `none`, `low`, `medium`, `high`, …",
            "verbosity": "How much it says, in the words of its provider: `low`, `medium`, `high`.",
            "user_prompt_template": "What stands around each message of the user, which takes the place of `{prompt}`.",
            "assistant_prefill": "How the model's answer begins.",
            "include_prefilling_in_messages": "Whether who asks is given that beginning, and the text to stop at, too.",
            "additional_settings": "Members to add to each request to a provider of your own.",
            "context_maximum_size": "How many tokens may be said to the model, estimated at four characters each.",
            "context_overflow_action": "What happens when it is more; `THROW` unless said.",
            "tool_context_count": "How many of the last results of tools the model sees in full; null or 0 for all.",
            "flags": "What is particular about the model. Each counts once.",
            "tools": "Tools that who asks runs, defined as in OpenAI's API.",
            "protocol_functions": "Tools that the server runs by calling addresses of yours.",
            "protocol_function_sources": "Addresses that list more of them, as `{functions: […]}`.",
            "mcp_sources": "MCP servers, over streamable HTTP, whose tools the model has.",
            "enable_bash": "Whether the model has a shell, in a sandbox. Refused where the server has none.",
            "bash_options": "How that shell works.",
            "sentinel_options": "Which of the server's own tools it has.",
            "builtin_functions_options": "How those tools work.",
            "known_tool_handler_name": "How the model calls tools: `native`, as it was made to, which null means as"
            " well; or `react.v1.selfcall`, by text, for models that were not. Another name fails when the gateway is"
            " asked.",
            "tool_invocation_explanations": "Whether it says of each call of the server's tools why it makes it.",
            "worker_script_source": "An address of yours that hears each message and each call of a tool, and may"
            " change or stop it.",
            "enabled_multimodal_features": "What is turned into text before the model is asked.",
            "moderation_parameters": "Which conversations are refused; none when null.",
            "model_routing_parameters": "Which model answers which requests; always `modelName` when null.",
        },
        frozenset({"skills", "knowledge_collections"}),
    ),
}

RECORDS = Records(WORDS)

if TYPE_CHECKING:
    ParametersInput: TypeAlias = Any
    ParametersChanges: TypeAlias = Any
    RemoteSourceInput: TypeAlias = Any
else:
    ParametersInput = RECORDS.input(Parameters)
    ParametersChanges = RECORDS.changes(Parameters)
    RemoteSourceInput = RECORDS.input(RemoteSource)
