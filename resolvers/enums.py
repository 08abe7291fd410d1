"""What the enums of rows and rules mean to customers; what they are of knows no graph."""

from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar  # An enum's values may be of any type.

import strawberry

import models
from domain.agents import QueryStrategy
from domain.identity import KeyKind, PrincipalKind, Scope
from domain.mcp_serving.collections import McpAccess, McpNaming, McpReferences
from domain.providers import ProviderWire
from domain.retrieval import SearchMethod, SearchOrder
from domain.service import ServiceHealth
from domain.storing import Outcome
from domain.sync import SyncSourceStatus
from domain.turns import WhenReaderLeaves
from domain.usage_reports import UsageGrouping
from models.budgets import BudgetPeriod
from models.collections import CollectionKind, IndexState
from models.gateways import MemoryFormat
from models.sync import RecoveryReason, RecoveryStatus

__all__ = ["described"]

EnumT = TypeVar("EnumT", bound=type[Enum])


def described(description: str, name: str | None = None, /, **members: str) -> Callable[[EnumT], EnumT]:
    """An enum of the graph, with a sentence for each of its members. `name` when the graph calls it otherwise."""

    def describe(enum: EnumT) -> EnumT:
        strawberry.enum(enum, name=name, description=description)
        assert {member.name for member in enum} == set(members), enum
        definition: Any = enum.__strawberry_definition__  # type: ignore[attr-defined]  # put there by Strawberry
        for value in definition.values:
            value.description = members[value.name]
        return enum

    return describe


_KEYS = {
    "OWNER": "Everything in the workspace, keys included.",
    "SK": "For servers, with everything of one account: conversations, models, usage, knowledge, memories, gateways,"
    " skills, settings, and keys that may do no more than this one.",
    "WSK": "For servers: the same as `SK`, without gateways, skills, settings and keys.",
    "PAK": "For pages of the domains it names.",
    "SSK": "For one sync source.",
    "AAK": "For the admin chatbot, on pages of the domains it names.",
}

described("What a key is for.", **_KEYS)(KeyKind)
described(
    "How somebody came in.",
    **_KEYS,
    LOCAL="Without a key, from this machine, in development.",
    ANONYMOUS="Without a key.",
)(PrincipalKind)
described(
    "What a key may do.",
    PUBLIC="What anybody may do, with a key or without.",
    CONVERSATIONS_READ="Read conversations, messages and turns.",
    CONVERSATIONS_WRITE="Ask, and begin, rename and delete conversations.",
    MODELS_READ="See which models there are and whether they can answer.",
    MODELS_WRITE="Set up providers and models, and choose the default.",
    USAGE_READ="See what was used and what it cost.",
    WORKSPACE_READ="See the workspace and its budgets.",
    WORKSPACE_WRITE="Rename the workspace and change its settings.",
    BUDGETS_WRITE="Set budgets.",
    KEYS_MANAGE="Make, list and revoke keys.",
    KNOWLEDGE_READ="Read and search collections.",
    KNOWLEDGE_WRITE="Fill, change and delete collections.",
    GATEWAYS_READ="See gateways and skills.",
    GATEWAYS_WRITE="Make, change and delete gateways and skills.",
    MEMORIES_READ="Read what is remembered of people.",
    MEMORIES_WRITE="Forget what is remembered of people.",
    SYNC="Push the records of one sync source.",
)(Scope)
described(
    "The protocol that a provider speaks.",
    OPENAI="OpenAI's chat completions, which nearly everybody speaks.",
    ANTHROPIC="Anthropic's messages.",
    GOOGLE="Google's Gemini API.",
)(ProviderWire)
described(
    "How far a turn is.",
    RUNNING="The answer is being made.",
    COMPLETED="The answer is whole.",
    CANCELLED="It was stopped by who asked; what was said is kept.",
    FAILED="The model's provider failed; what was said is kept.",
    INTERRUPTED="The process that made it ended; what was saved is kept.",
)(models.TurnStatus)
described(
    "What a reader does to the turn by leaving.",
    CANCEL="The answer is stopped, and what it costs.",
    CONTINUE="The answer goes on, to be read later.",
)(WhenReaderLeaves)
described(
    "Whether the service is configured so that it can answer.",
    HEALTHY="It is.",
    UNHEALTHY="It is not; `problems` say why.",
)(ServiceHealth)
described(
    "How a collection came to be.",
    STANDARD="Made by name.",
    LIBRARY="The one that every workspace has.",
    SYNC="Holds the records of one sync category.",
)(CollectionKind)
described(
    "How the search is made of what was said.",
    PLAIN="The question alone.",
    CONCATENATE="The last messages, joined.",
    USER_REWRITE="The model writes it from the user's messages.",
    FULL_REWRITE="The model writes it from all messages.",
    QUERY_FUNCTION="The model searches by itself, with a tool, when it wants to.",
)(QueryStrategy)
described(
    "Where a document is on its way into the index.",
    QUEUED="It waits for its turn.",
    INDEXING="It is being read, split and embedded.",
    INDEXED="It is found.",
    FAILED="It could not be read or embedded; `failure` says why.",
    CANCELLED="It was stopped before it was indexed.",
)(IndexState)
described(
    "What became of the document of that name.",
    CREATED="There was none; now there is.",
    MODIFIED="It is another now.",
    UNCHANGED="It was the same already.",
)(Outcome)
described(
    "How chunks are found.",
    HYBRID="By meaning and by words, joined by rank.",
    MEANING="By meaning alone.",
    WORDS="By words alone.",
)(SearchMethod)
described(
    "What decides the order of results.",
    RELEVANCE="The rank in both ways of finding, joined.",
    SCORE="How near the meaning is.",
)(SearchOrder)
described(
    "Whether a source has been heard of in the last five minutes.",
    CONNECTED="It has.",
    STALE="Not lately.",
    NEVER_CONNECTED="Never yet.",
)(SyncSourceStatus)
described(
    "What a record is needed for.",
    CACHE_MISS="It was asked for, and its content is gone.",
    REBUILD="Its chunks are to be made anew.",
)(RecoveryReason)
described(
    "Whether the source has answered.",
    PENDING="Not yet.",
    FULFILLED="It has.",
)(RecoveryStatus)

described(
    "What a memory holds.",
    TEXT="A fact that a model was told and thought worth keeping.",
    DATE_REMINDER="An appointment: its date and what it is about, as JSON.",
)(MemoryFormat)
described(
    "Over which time a budget counts.",
    TOTAL="For all time, or until it is reset.",
    DAY="For a day, in UTC.",
    MONTH="For a calendar month, in UTC.",
)(BudgetPeriod)
described(
    "What usage is added up by.",
    DAY="By day, in UTC; the first day first.",
    MODEL="By model and vendor; the most expensive first.",
    KEY="By key; the most expensive first.",
    GATEWAY="By gateway; the most expensive first.",
    USER="By user of your application; the most expensive first.",
)(UsageGrouping)
described(
    "How the tools for collections are named.",
    DEFAULT="By the collection: `handbook_search`, `handbook_write`, `handbook_delete`.",
    AGENT="By what is done: `read_handbook`, `write_handbook`, `delete_handbook`.",
)(McpNaming)
described(
    "What the tools for collections may do.",
    READ="Search.",
    WRITE="Also write and delete documents.",
)(McpAccess)
described(
    "Whether documents that share a result's reference come with it.",
    EXCLUDED="They do not.",
    INCLUDED="They do.",
)(McpReferences)
