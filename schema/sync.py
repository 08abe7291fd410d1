from typing import Annotated

import strawberry

import models
from domain.identity import Scope
from domain.sync import SyncSourceStatus
from models import RecoveryReason, RecoveryStatus
from resolvers import sync as resolve
from schema.access import root_field
from schema.collections import Collection
from schema.knowledge_documents import KnowledgeDocument
from schema.nodes import Connection, Node
from schema.scalars import JSON, DateTime
from schema.workspaces import ApiKey

ARecord = Annotated["SyncRecord", strawberry.lazy("schema.sync")]
ASource = Annotated["SyncSource", strawberry.lazy("schema.sync")]


@strawberry.type(description="How much a category holds.")
class CategoryTotals:
    rows: int = strawberry.field(description="How many records.")
    shards: int = strawberry.field(description="How many chunks they make.")
    characters: int = strawberry.field(description="How many characters they have as text.")


@strawberry.type(description="A kind of records of one source.")
class SyncCategory(Node):
    name: str = strawberry.field(description="Its name in its source.")
    display_name: str = strawberry.field(description="How people call it.")
    columns: list[str] = strawberry.field(description="Which columns are indexed; all of them when there is none here.")
    last_synced_at: DateTime | None = strawberry.field(description="When records last came.")
    created_at: DateTime = strawberry.field(description="When it was registered.")
    updated_at: DateTime = strawberry.field(description="When it was last registered anew.")
    totals = strawberry.field(
        resolver=resolve.totals, graphql_type=CategoryTotals, description="How much it holds, indexed or not."
    )
    source = strawberry.field(resolver=resolve.category_source, graphql_type=ASource, description="Its source.")
    collection = strawberry.field(
        resolver=resolve.category_collection, graphql_type=Collection, description="Its records, as documents."
    )
    records = strawberry.field(
        resolver=resolve.records, graphql_type=Connection[ARecord], description="Its records, newest first."
    )

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return isinstance(value, models.SyncCategory)


@strawberry.type(description="A system of yours that pushes its records here.")
class SyncSource(Node):
    name: str = strawberry.field(description="Its name.")
    last_heartbeat_at: DateTime | None = strawberry.field(description="When it was last heard of.")
    created_at: DateTime = strawberry.field(description="When it was made.")
    status = strawberry.field(
        resolver=resolve.status, graphql_type=SyncSourceStatus, description="Whether it is connected."
    )
    categories = strawberry.field(
        resolver=resolve.categories, graphql_type=list[SyncCategory], description="Its categories, by name."
    )

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return isinstance(value, models.SyncSource)


@strawberry.type(description="One record, as its source knows it.")
class SyncRecord(Node):
    external_id: str = strawberry.field(description="Its id in the source.")
    updated_at: DateTime = strawberry.field(description="When it last changed.")
    characters: int = strawberry.field(description="How long it is as text.")
    shards: int = strawberry.field(description="How many chunks it makes.")
    is_cached: bool = strawberry.field(
        resolver=resolve.record_is_cached, description="Whether what it says is still here."
    )
    payload = strawberry.field(
        resolver=resolve.record_payload,
        graphql_type=JSON | None,
        description="What it says. When that is not here any more it is null, and the source is asked for it.",
    )
    document = strawberry.field(
        resolver=resolve.record_document, graphql_type=KnowledgeDocument | None, description="What is found of it."
    )

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return isinstance(value, models.SyncRecord)


@strawberry.type(description="A record that is needed again from its source.")
class RecoveryRequest(Node):
    external_id: str = strawberry.field(description="The record's id in the source.")
    reason: RecoveryReason = strawberry.field(description="What it is needed for.")
    status: RecoveryStatus = strawberry.field(description="Whether it has been answered.")
    created_at: DateTime = strawberry.field(description="When it was asked for.")
    fulfilled_at: DateTime | None = strawberry.field(description="When the source said it was done.")
    category = strawberry.field(
        resolver=resolve.request_category, graphql_type=SyncCategory, description="The record's category."
    )

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return isinstance(value, models.RecoveryRequest)


@strawberry.type(description="The source as it is now.")
class SyncSourcePayload:
    source: SyncSource = strawberry.field(description="The source.")


@strawberry.type(description="The source and its new key. Every other key of it has ended.")
class SyncSourceKeyPayload:
    source: SyncSource = strawberry.field(description="The source.")
    key: ApiKey = strawberry.field(description="What is kept of the key.")
    secret: str = strawberry.field(description="The key itself. It is never shown again.")


@strawberry.type(description="What is gone.")
class DeleteSyncSourcePayload:
    deleted_id: strawberry.ID = strawberry.field(description="The id it had.")


@strawberry.type(description="The category as it is now.")
class SyncCategoryPayload:
    category: SyncCategory = strawberry.field(description="The category.")
    was_created: bool = strawberry.field(description="Whether it is new.")


@strawberry.type(description="What became of the records. All of them are in one of the two numbers.")
class PushSyncRecordsPayload:
    category: SyncCategory = strawberry.field(description="The category, with its totals after the push.")
    stored: int = strawberry.field(description="How many are new or changed.")
    skipped: int = strawberry.field(
        description="How many said nothing new, or were followed by another of their id in the same push."
    )


@strawberry.type(description="What a rebuild has begun.")
class RebuildSyncCategoryPayload:
    category: SyncCategory = strawberry.field(description="The category.")
    recovery_requested: int = strawberry.field(description="How many records its source has been asked for.")


@strawberry.type(description="A record that was dealt with.")
class SyncRecordPayload:
    category: SyncCategory = strawberry.field(description="Its category.")
    external_id: str = strawberry.field(description="Its id in the source.")


@strawberry.type(description="The request as it is now.")
class RecoveryRequestPayload:
    request: RecoveryRequest = strawberry.field(description="The request.")


@strawberry.type
class SyncQueries:
    sync_source = root_field(
        resolve.sync_source, SyncSource, needs=Scope.SYNC, description="A source; a sync key has one only."
    )
    sync_sources = root_field(
        resolve.sync_sources,
        Connection[SyncSource],
        needs=Scope.KNOWLEDGE_READ,
        description="The workspace's sources, newest first.",
    )
    recovery_requests = root_field(
        resolve.recovery_requests,
        Connection[RecoveryRequest],
        needs=Scope.SYNC,
        description="What a source is asked for again, oldest first. Reading them changes nothing.",
    )


@strawberry.type
class SyncMutations:
    create_sync_source = root_field(
        resolve.create_sync_source,
        SyncSourceKeyPayload,
        needs=Scope.KEYS_MANAGE,
        description="Make a source, and its key.",
    )
    rotate_sync_source_key = root_field(
        resolve.rotate_sync_source_key,
        SyncSourceKeyPayload,
        needs=Scope.KEYS_MANAGE,
        description="Make another key for a source and end the one it has.",
    )
    delete_sync_source = root_field(
        resolve.delete_sync_source,
        DeleteSyncSourcePayload,
        needs=Scope.KEYS_MANAGE,
        description="Delete a source, its key and everything it has pushed.",
    )
    sync_heartbeat = root_field(
        resolve.sync_heartbeat, SyncSourcePayload, needs=Scope.SYNC, description="Say that a source is connected."
    )
    register_sync_category = root_field(
        resolve.register_sync_category,
        SyncCategoryPayload,
        needs=Scope.SYNC,
        description="Make a category, or change the one of that name.",
    )
    push_sync_records = root_field(
        resolve.push_sync_records,
        PushSyncRecordsPayload,
        needs=Scope.SYNC,
        description="Put records into a category. When one of them is wrong, none is stored.",
    )
    delete_sync_record = root_field(
        resolve.delete_sync_record,
        SyncRecordPayload,
        needs=Scope.SYNC,
        description="Delete a record. No answer sees it any more, from this moment on.",
    )
    evict_sync_record = root_field(
        resolve.evict_sync_record,
        SyncRecordPayload,
        needs=Scope.KNOWLEDGE_WRITE,
        description="Forget what a record says, and keep what is found of it.",
    )
    rebuild_sync_category = root_field(
        resolve.rebuild_sync_category,
        RebuildSyncCategoryPayload,
        needs=Scope.SYNC,
        description="Make all chunks of a category anew. Those there are answer until then; records that are not here"
        " any more are asked for again.",
    )
    fulfill_recovery_request = root_field(
        resolve.fulfill_recovery_request,
        RecoveryRequestPayload,
        needs=Scope.SYNC,
        description="Say that a record has been pushed again. When it has not been, it is taken for gone.",
    )
