from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Annotated, Any  # A record's columns are open JSON.
from uuid import UUID

import strawberry
from strawberry import UNSET

import models
from domain import sync as rules
from domain import sync_records
from domain.sync import CategoryTotals, SyncSourceStatus
from models import RecoveryStatus
from resolvers.context import Info
from resolvers.pages import After, Before, First, Last, Offset, Page, PageArgs, page_in_order, page_of_rows
from resolvers.scalars import JSONObject

SourceId = Annotated[
    strawberry.ID | None,
    strawberry.argument(description="The source; the key's own when left out, which is the only one a sync key has."),
]


@strawberry.input(description="A source to make.")
class CreateSyncSourceInput:
    name: str = strawberry.field(description="Its name, of which there is one in a workspace.")


@strawberry.input(description="A source.")
class SyncSourceInput:
    source_id: strawberry.ID | None = strawberry.field(
        default=None, description="The source; the key's own when left out."
    )


@strawberry.input(description="A kind of records, made or changed.")
class RegisterSyncCategoryInput:
    name: str = strawberry.field(
        description="Its name in its source: letters, digits, `.`, `_`, `-`, `:` and spaces, up to 128 characters."
    )
    display_name: str | None = strawberry.field(default=UNSET, description="How people call it; its name at first.")
    columns: list[str] | None = strawberry.field(
        default=UNSET,
        description="Which columns of a record are indexed, in this order; all of them when none is named."
        " Other columns make all chunks of the category anew.",
    )
    source_id: strawberry.ID | None = strawberry.field(
        default=None, description="The source; the key's own when left out."
    )


@strawberry.input(description="Records of one category.")
class PushSyncRecordsInput:
    category: str = strawberry.field(description="The category's name.")
    records: list[JSONObject] = strawberry.field(
        description="At least one. Each has an `id` and the columns beside it; a record of the same id is replaced."
    )
    source_id: strawberry.ID | None = strawberry.field(
        default=None, description="The source; the key's own when left out."
    )


@strawberry.input(description="One record.")
class SyncRecordInput:
    category: str = strawberry.field(description="The category's name.")
    external_id: str = strawberry.field(description="The record's own id.")
    source_id: strawberry.ID | None = strawberry.field(
        default=None, description="The source; the key's own when left out."
    )


@strawberry.input(description="One category.")
class SyncCategoryInput:
    category: str = strawberry.field(description="The category's name.")
    source_id: strawberry.ID | None = strawberry.field(
        default=None, description="The source; the key's own when left out."
    )


@strawberry.input(description="A recovery request that has been answered.")
class FulfillRecoveryRequestInput:
    id: strawberry.ID = strawberry.field(description="The request.")
    source_id: strawberry.ID | None = strawberry.field(
        default=None, description="The source; the key's own when left out."
    )


@dataclass(frozen=True, slots=True)
class SyncSourcePayload:
    source: models.SyncSource


@dataclass(frozen=True, slots=True)
class SyncSourceKeyPayload:
    source: models.SyncSource
    key: models.ApiKey
    secret: str


@dataclass(frozen=True, slots=True)
class DeleteSyncSourcePayload:
    deleted_id: UUID


@dataclass(frozen=True, slots=True)
class SyncCategoryPayload:
    category: models.SyncCategory
    was_created: bool


@dataclass(frozen=True, slots=True)
class PushSyncRecordsPayload:
    category: models.SyncCategory
    stored: int
    skipped: int


@dataclass(frozen=True, slots=True)
class RebuildSyncCategoryPayload:
    category: models.SyncCategory
    recovery_requested: int


@dataclass(frozen=True, slots=True)
class SyncRecordPayload:
    category: models.SyncCategory
    external_id: str


@dataclass(frozen=True, slots=True)
class RecoveryRequestPayload:
    request: models.RecoveryRequest


async def sync_source(info: Info, id: SourceId = None) -> models.SyncSource:
    return await rules.source_of(info.context.principal, id)


async def sync_sources(
    info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
) -> Page[models.SyncSource]:
    found = rules.sources_visible_to(info.context.principal)
    return await page_of_rows(found, PageArgs(first, after, last, before), newest_by="id")


async def recovery_requests(
    info: Info,
    source_id: SourceId = None,
    status: Annotated[
        RecoveryStatus | None, strawberry.argument(description="Pending ones, or fulfilled ones; null for all.")
    ] = RecoveryStatus.PENDING,
    first: First = None,
    after: After = None,
    offset: Offset = None,
) -> Page[models.RecoveryRequest]:
    source = await rules.source_of(info.context.principal, source_id)
    found = models.RecoveryRequest.filter(category__source_id=source.id)
    if status is not None:
        found = found.filter(status=status)
    args = PageArgs(first, after, None, None, offset)
    return await page_in_order(found, args, by="created_at", descending=False)


# ---------------------------------------------------------------- changes


async def create_sync_source(
    info: Info, input: Annotated[CreateSyncSourceInput, strawberry.argument(description="The source.")]
) -> SyncSourceKeyPayload:
    return SyncSourceKeyPayload(*await rules.create_source(info.context.principal, input.name))


async def rotate_sync_source_key(
    info: Info, input: Annotated[SyncSourceInput, strawberry.argument(description="Whose key.")]
) -> SyncSourceKeyPayload:
    return SyncSourceKeyPayload(*await rules.rotate_key(info.context.principal, input.source_id))


async def delete_sync_source(
    info: Info, input: Annotated[SyncSourceInput, strawberry.argument(description="Which one.")]
) -> DeleteSyncSourcePayload:
    return DeleteSyncSourcePayload(await rules.delete_source(info.context.principal, input.source_id))


async def sync_heartbeat(
    info: Info,
    input: Annotated[SyncSourceInput | None, strawberry.argument(description="Which source.")] = None,
) -> SyncSourcePayload:
    source = await rules.source_of(info.context.principal, input.source_id if input else None)
    return SyncSourcePayload(await rules.heartbeat(source))


async def register_sync_category(
    info: Info, input: Annotated[RegisterSyncCategoryInput, strawberry.argument(description="The category.")]
) -> SyncCategoryPayload:
    category, was_created = await rules.register_category(
        info.context.principal,
        input.source_id,
        input.name,
        display_name=None if input.display_name is UNSET else input.display_name,
        columns=None if input.columns is UNSET else input.columns or [],
    )
    return SyncCategoryPayload(category, was_created)


async def push_sync_records(
    info: Info, input: Annotated[PushSyncRecordsInput, strawberry.argument(description="The records.")]
) -> PushSyncRecordsPayload:
    category = await rules.find_category(info.context.principal, input.source_id, input.category)
    done = await sync_records.push(category, input.records)
    return PushSyncRecordsPayload(category, done.stored, done.skipped)


async def delete_sync_record(
    info: Info, input: Annotated[SyncRecordInput, strawberry.argument(description="Which one.")]
) -> SyncRecordPayload:
    category = await rules.find_category(info.context.principal, input.source_id, input.category)
    await sync_records.delete(category, input.external_id)
    return SyncRecordPayload(category, input.external_id)


async def evict_sync_record(
    info: Info, input: Annotated[SyncRecordInput, strawberry.argument(description="Which one.")]
) -> SyncRecordPayload:
    category = await rules.find_category(info.context.principal, input.source_id, input.category)
    await sync_records.evict(category, input.external_id)
    return SyncRecordPayload(category, input.external_id)


async def rebuild_sync_category(
    info: Info, input: Annotated[SyncCategoryInput, strawberry.argument(description="Which one.")]
) -> RebuildSyncCategoryPayload:
    category = await rules.find_category(info.context.principal, input.source_id, input.category)
    return RebuildSyncCategoryPayload(category, await sync_records.rebuild(category))


async def fulfill_recovery_request(
    info: Info, input: Annotated[FulfillRecoveryRequestInput, strawberry.argument(description="Which one.")]
) -> RecoveryRequestPayload:
    return RecoveryRequestPayload(await rules.fulfill(info.context.principal, input.source_id, input.id))


# ---------------------------------------------------------------- fields


def status(root: strawberry.Parent[models.SyncSource]) -> SyncSourceStatus:
    return rules.status_of(root)


def categories(root: strawberry.Parent[models.SyncSource], info: Info) -> Awaitable[list[models.SyncCategory]]:
    return info.context.loaders.sync_categories_by_source_id.load(root.id)


def totals(root: strawberry.Parent[models.SyncCategory], info: Info) -> Awaitable[CategoryTotals]:
    return info.context.loaders.totals_by_sync_category_id.load(root.id)


async def category_source(root: strawberry.Parent[models.SyncCategory], info: Info) -> models.SyncSource | None:
    return await info.context.loaders.sync_source_by_id.load(root.source_id)


async def category_collection(root: strawberry.Parent[models.SyncCategory], info: Info) -> models.Collection | None:
    return await info.context.loaders.collection_by_id.load(root.collection_id)


async def records(
    root: strawberry.Parent[models.SyncCategory],
    info: Info,
    first: First = None,
    after: After = None,
    last: Last = None,
    before: Before = None,
    offset: Offset = None,
) -> Page[models.SyncRecord]:
    found = models.SyncRecord.filter(category_id=root.id)
    return await page_of_rows(found, PageArgs(first, after, last, before, offset), newest_by="id")


async def record_payload(root: strawberry.Parent[models.SyncRecord], info: Info) -> Any:
    """Asking for a record that is not here any more asks its source for it."""
    if root.payload is None:
        await sync_records.request_recovery(root.workspace_id, root.category_id, [root.external_id])
    return root.payload


def record_is_cached(root: strawberry.Parent[models.SyncRecord]) -> bool:
    return root.payload is not None


async def record_document(root: strawberry.Parent[models.SyncRecord], info: Info) -> models.KnowledgeDocument | None:
    return await info.context.loaders.visible_document_by_id.load(root.document_id)


async def request_category(root: strawberry.Parent[models.RecoveryRequest], info: Info) -> models.SyncCategory | None:
    return await info.context.loaders.sync_category_by_id.load(root.category_id)
