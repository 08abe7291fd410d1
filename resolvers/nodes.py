"""Anything by its id: the id itself says what it is of."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any  # Rows of every table.
from uuid import UUID

import strawberry
from tortoise.queryset import QuerySet

import models
from domain import (
    budgets,
    catalog,
    collections,
    conversations,
    issuing,
    knowledge_documents,
    memories,
    providers,
    retrieval,
    routes,
    skills,
    sync,
)
from domain.gateways import rows as gateways
from domain.identity import Principal, Scope
from errors import Invalid
from models import Kind
from resolvers.context import Info

_MOST_IDS = 100


def _of_workspace(row: Any) -> Callable[[Principal], QuerySet[Any]]:
    return lambda principal: row.filter(workspace_id=principal.workspace_id)


# What each kind of id leads to, and what it takes to see it.
_WAYS: Mapping[Kind, tuple[Scope, Callable[[Principal], QuerySet[Any]]]] = {
    Kind.WORKSPACE: (Scope.WORKSPACE_READ, lambda principal: models.Workspace.filter(id=principal.workspace_id)),
    Kind.API_KEY: (Scope.KEYS_MANAGE, issuing.manageable_by),
    Kind.BUDGET: (Scope.WORKSPACE_READ, budgets.visible_to),
    Kind.PROVIDER: (Scope.MODELS_READ, providers.visible_to),
    Kind.MODEL: (Scope.MODELS_READ, catalog.visible_to),
    Kind.MODEL_ROUTE: (Scope.MODELS_READ, routes.visible_to),
    Kind.CONVERSATION: (Scope.CONVERSATIONS_READ, conversations.visible_to),
    Kind.MESSAGE: (Scope.CONVERSATIONS_READ, _of_workspace(models.Message)),
    Kind.EMBEDDER: (Scope.KNOWLEDGE_READ, collections.embedders_visible_to),
    Kind.COLLECTION: (Scope.KNOWLEDGE_READ, collections.visible_to),
    Kind.KNOWLEDGE_DOCUMENT: (Scope.KNOWLEDGE_READ, knowledge_documents.visible_to),
    Kind.RETRIEVAL_LOG: (Scope.KNOWLEDGE_READ, retrieval.logs_visible_to),
    Kind.SYNC_SOURCE: (Scope.KNOWLEDGE_READ, sync.sources_visible_to),
    Kind.SYNC_CATEGORY: (Scope.KNOWLEDGE_READ, _of_workspace(models.SyncCategory)),
    Kind.SYNC_RECORD: (Scope.KNOWLEDGE_READ, _of_workspace(models.SyncRecord)),
    Kind.RECOVERY_REQUEST: (Scope.KNOWLEDGE_READ, _of_workspace(models.RecoveryRequest)),
    Kind.GATEWAY: (Scope.GATEWAYS_READ, gateways.visible_to),
    Kind.SKILL: (Scope.GATEWAYS_READ, skills.visible_to),
    Kind.MEMORY: (Scope.MEMORIES_READ, memories.visible_to),
    Kind.TURN: (Scope.CONVERSATIONS_READ, _of_workspace(models.Turn)),
}


async def node(
    info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="Any id that this graph gave out.")]
) -> Any:
    [found] = await _find(info.context.principal, [id])
    return found


async def nodes(
    info: Info, ids: Annotated[list[strawberry.ID], strawberry.argument(description="Up to 100 ids.")]
) -> list[Any]:
    if len(ids) > _MOST_IDS:
        raise Invalid("ids", f"must not be more than {_MOST_IDS}")
    return await _find(info.context.principal, ids)


async def _find(principal: Principal, ids: list[strawberry.ID]) -> list[Any]:
    """One statement per kind. What may not be seen is not there."""
    wanted = [models.parse_id(id) for id in ids]
    by_kind: dict[Kind, list[UUID]] = {}
    for id in wanted:
        if id is not None and (kind := models.kind_of(id)) is not None and kind in _WAYS:
            by_kind.setdefault(kind, []).append(id)
    found: dict[UUID, Any] = {}
    for kind, kind_ids in by_kind.items():
        scope, visible_to = _WAYS[kind]
        if scope in principal.scopes:
            found |= {row.id: row for row in await visible_to(principal).filter(id__in=kind_ids)}
    return [found.get(id) if id else None for id in wanted]
