"""The graph: types, inputs and roots. `schema.graphql` beside this file is what it prints, and is read in review."""

import strawberry
from strawberry.schema.config import StrawberryConfig

from schema.access import Requires
from schema.budgets import BudgetMutations, BudgetQueries
from schema.catalog import CatalogQueries, Provider
from schema.catalog_entries import CatalogEntryQueries
from schema.collections import CollectionMutations, CollectionQueries, CollectionSubscriptions
from schema.completions import CompletionMutations, CompletionQueries, CompletionSubscriptions
from schema.conversations import ConversationMutations, ConversationQueries
from schema.gateways import GatewayMutations, GatewayQueries
from schema.knowledge_documents import KnowledgeDocumentMutations, KnowledgeDocumentQueries
from schema.mcp import McpMutations
from schema.memories import MemoryMutations, MemoryQueries
from schema.nodes import NodeQueries
from schema.providers import ProviderMutations
from schema.published import PublishedQueries
from schema.routes import ModelRouteMutations, ModelRouteQueries
from schema.scalars import SCALARS
from schema.search import SearchQueries
from schema.service import ServiceQueries
from schema.skills import SkillMutations, SkillQueries
from schema.sync import SyncMutations, SyncQueries
from schema.turns import TURN_EVENTS, TurnMutations, TurnQueries, TurnSubscriptions
from schema.usage import UsageQueries
from schema.workspaces import WorkspaceMutations, WorkspaceQueries

__all__ = ["schema"]


@strawberry.type(description="What can be read.")
class Query(
    NodeQueries,
    WorkspaceQueries,
    CatalogQueries,
    CatalogEntryQueries,
    ModelRouteQueries,
    ConversationQueries,
    TurnQueries,
    CollectionQueries,
    KnowledgeDocumentQueries,
    SearchQueries,
    GatewayQueries,
    SkillQueries,
    MemoryQueries,
    PublishedQueries,
    SyncQueries,
    UsageQueries,
    BudgetQueries,
    CompletionQueries,
    ServiceQueries,
):
    pass


@strawberry.type(description="What can be done.")
class Mutation(
    WorkspaceMutations,
    BudgetMutations,
    ConversationMutations,
    TurnMutations,
    CompletionMutations,
    CollectionMutations,
    KnowledgeDocumentMutations,
    GatewayMutations,
    SkillMutations,
    MemoryMutations,
    McpMutations,
    SyncMutations,
    ProviderMutations,
    ModelRouteMutations,
):
    pass


@strawberry.type(description="What can be watched.")
class Subscription(TurnSubscriptions, CollectionSubscriptions, CompletionSubscriptions):
    pass


schema = strawberry.Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    types=[Provider, Requires, *TURN_EVENTS],
    config=StrawberryConfig(scalar_map=SCALARS, enable_experimental_incremental_execution=True),
)
