"""One set per operation and per subscription event: what is asked for in one go is read in one statement.

Loaders see only ids that a row already led to, and rows are reached only through `visible_to`; so they do not check
again.
"""

from collections.abc import Callable, Coroutine, Sequence
from functools import cached_property
from typing import Any  # Tortoise's filters are keyword arguments of any field's type.
from uuid import UUID

from aiodataloader import DataLoader
from tortoise.expressions import Q
from tortoise.queryset import QuerySet

import models
from domain import budgets, chunks, collections, conversations, sync

__all__ = ["Loaders"]


class Loaders:
    """Made when first used: most operations need one or two of them."""

    @cached_property
    def conversation_by_id(self) -> DataLoader[UUID, models.Conversation | None]:
        return DataLoader(_by_id(models.Conversation.all()))

    @cached_property
    def message_by_id(self) -> DataLoader[UUID, models.Message | None]:
        return DataLoader(_by_id(models.Message.all()))

    @cached_property
    def messages_by_parent(self) -> DataLoader[tuple[UUID, UUID | None], list[models.Message]]:
        """Siblings, by conversation and parent."""
        return DataLoader(_siblings)

    @cached_property
    def message_ids_by_leaf(self) -> DataLoader[UUID, list[UUID]]:
        """A branch, by its last message."""
        return DataLoader(_branches)

    @cached_property
    def model_by_id(self) -> DataLoader[UUID, models.Model | None]:
        return DataLoader(_by_id(models.Model.all()))

    @cached_property
    def provider_by_id(self) -> DataLoader[UUID, models.Provider | None]:
        return DataLoader(_by_id(models.Provider.all()))

    @cached_property
    def targets_by_route_id(self) -> DataLoader[UUID, list[models.ModelRouteTarget]]:
        return DataLoader(_many_by(models.ModelRouteTarget.all().order_by("tier", "id"), "route_id"))

    @cached_property
    def turn_by_id(self) -> DataLoader[UUID, models.Turn | None]:
        return DataLoader(_by_id(models.Turn.all()))

    @cached_property
    def running_turn_by_conversation_id(self) -> DataLoader[UUID, models.Turn | None]:
        return DataLoader(_running_turns)

    @cached_property
    def usage_by_turn_id(self) -> DataLoader[UUID, models.UsageRecord | None]:
        return DataLoader(_by_id(models.UsageRecord.all(), field="turn_id"))

    @cached_property
    def budget_state_by_id(self) -> DataLoader[UUID, budgets.State | None]:
        return DataLoader(budgets.states)

    # ---------------------------------------------------------------- knowledge

    @cached_property
    def collection_by_id(self) -> DataLoader[UUID, models.Collection | None]:
        return DataLoader(_by_id(models.Collection.all()))

    @cached_property
    def embedder_by_id(self) -> DataLoader[UUID, models.Embedder | None]:
        return DataLoader(_by_id(models.Embedder.all()))

    @cached_property
    def index_counts_by_collection_id(self) -> DataLoader[UUID, collections.IndexCounts]:
        return DataLoader(collections.counts)

    @cached_property
    def chunk_count_by_collection_id(self) -> DataLoader[UUID, int]:
        return DataLoader(collections.chunk_counts)

    @cached_property
    def categories_by_collection_id(self) -> DataLoader[UUID, list[collections.CategoryCount]]:
        return DataLoader(collections.categories)

    @cached_property
    def measures_by_content_id(self) -> DataLoader[UUID, chunks.Measures]:
        return DataLoader(chunks.measures)

    @cached_property
    def text_by_content_id(self) -> DataLoader[UUID, str | None]:
        return DataLoader(chunks.texts)

    @cached_property
    def beginning_by_content_id(self) -> DataLoader[UUID, str]:
        return DataLoader(chunks.beginnings)

    @cached_property
    def visible_document_by_id(self) -> DataLoader[UUID, models.KnowledgeDocument | None]:
        """Unlike the others, what is led to may have been deleted."""
        rows = models.KnowledgeDocument.filter(deleted_at=None, collection__deleted_at=None)
        return DataLoader(_by_id(rows))

    @cached_property
    def retrievals_by_message_id(self) -> DataLoader[UUID, list[models.RetrievalLog]]:
        return DataLoader(_many_by(models.RetrievalLog.all().order_by("rank", "id"), "message_id"))

    @cached_property
    def sync_source_by_id(self) -> DataLoader[UUID, models.SyncSource | None]:
        return DataLoader(_by_id(models.SyncSource.all()))

    @cached_property
    def sync_category_by_id(self) -> DataLoader[UUID, models.SyncCategory | None]:
        return DataLoader(_by_id(models.SyncCategory.all()))

    @cached_property
    def sync_category_by_collection_id(self) -> DataLoader[UUID, models.SyncCategory | None]:
        return DataLoader(_by_id(models.SyncCategory.all(), field="collection_id"))

    @cached_property
    def sync_categories_by_source_id(self) -> DataLoader[UUID, list[models.SyncCategory]]:
        return DataLoader(_many_by(models.SyncCategory.all().order_by("name"), "source_id"))

    @cached_property
    def totals_by_sync_category_id(self) -> DataLoader[UUID, sync.CategoryTotals]:
        return DataLoader(sync.totals)


# A branch longer than this is read in pieces: nobody asks for more at once.
_BRANCH_MESSAGES = 10_000


def _by_id(rows: QuerySet[Any], field: str = "id") -> Callable[[list[UUID]], Coroutine[Any, Any, list[Any]]]:
    async def load(ids: list[UUID]) -> list[Any]:
        found = {getattr(row, field): row for row in await rows.filter(**{f"{field}__in": ids})}
        return [found.get(id) for id in ids]

    return load


def _many_by(rows: QuerySet[Any], field: str) -> Callable[[list[UUID]], Coroutine[Any, Any, list[Any]]]:
    async def load(ids: list[UUID]) -> list[Any]:
        found: dict[UUID, list[Any]] = {id: [] for id in ids}
        for row in await rows.filter(**{f"{field}__in": ids}):
            found[getattr(row, field)].append(row)
        return [found[id] for id in ids]

    return load


async def _siblings(keys: Sequence[tuple[UUID, UUID | None]]) -> list[list[models.Message]]:
    found: dict[tuple[UUID, UUID | None], list[models.Message]] = {key: [] for key in keys}
    conversation_ids = {conversation_id for conversation_id, _ in keys}
    of_parents = Q(parent_id__in=[parent for _, parent in keys if parent is not None])
    if any(parent is None for _, parent in keys):
        of_parents |= Q(parent_id__isnull=True)
    rows = models.Message.filter(of_parents, conversation_id__in=list(conversation_ids)).order_by("id")
    for row in await rows:
        if (key := (row.conversation_id, row.parent_id)) in found:
            found[key].append(row)
    return [found[key] for key in keys]


async def _branches(leaf_ids: Sequence[UUID]) -> list[list[UUID]]:
    return await conversations.paths_to(leaf_ids, limit=_BRANCH_MESSAGES)


async def _running_turns(conversation_ids: Sequence[UUID]) -> list[models.Turn | None]:
    rows = await models.Turn.filter(
        conversation_id__in=list(conversation_ids), status=models.TurnStatus.RUNNING
    ).order_by("id")
    found = {row.conversation_id: row for row in rows}
    return [found.get(id) for id in conversation_ids]
