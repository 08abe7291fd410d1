from enum import StrEnum
from uuid import UUID

from tortoise import fields
from tortoise.models import Model as Row

from models import ids
from models.columns import optional_text
from models.workspaces import Workspace

__all__ = [
    "Chunk",
    "Collection",
    "CollectionKind",
    "Content",
    "Embedder",
    "IndexState",
    "KnowledgeDocument",
    "RetrievalLog",
]


class CollectionKind(StrEnum):
    STANDARD = "STANDARD"
    LIBRARY = "LIBRARY"
    SYNC = "SYNC"


class IndexState(StrEnum):
    QUEUED = "QUEUED"
    INDEXING = "INDEXING"
    INDEXED = "INDEXED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


# What turns text into vectors. Vectors of different embedders cannot be compared, so each has an index of its own.
class Embedder(Row):
    id = fields.UUIDField(primary_key=True, default=ids.embedder_id)
    workspace: fields.ForeignKeyRelation[Workspace] = fields.ForeignKeyField("models.Workspace", related_name=False)
    workspace_id: UUID
    name = fields.CharField(max_length=128)
    provider = fields.CharField(max_length=64)
    model = fields.TextField()
    dimension = fields.IntField()
    is_default = fields.BooleanField(default=False)
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "embedders"
        unique_together = (("workspace", "name"),)


class Collection(Row):
    id = fields.UUIDField(primary_key=True, default=ids.collection_id)
    workspace: fields.ForeignKeyRelation[Workspace] = fields.ForeignKeyField("models.Workspace", related_name=False)
    workspace_id: UUID
    kind = fields.CharEnumField(CollectionKind, default=CollectionKind.STANDARD, max_length=16)
    name = fields.TextField()
    context = optional_text()
    tags: fields.Field[list[str]] = fields.JSONField(default=list)
    metadata: fields.Field[dict[str, object]] = fields.JSONField(default=dict)
    # The embedder that answers, and the one whose index is being built to take its place.
    embedder: fields.ForeignKeyRelation[Embedder] = fields.ForeignKeyField(
        "models.Embedder", related_name=False, on_delete=fields.RESTRICT
    )
    embedder_id: UUID
    next_embedder: fields.ForeignKeyNullableRelation[Embedder] = fields.ForeignKeyField(
        "models.Embedder", related_name=False, null=True, on_delete=fields.RESTRICT
    )
    next_embedder_id: UUID | None
    # How its texts are cut. Kept here, because cutting again must give the same pieces.
    chunk_characters = fields.IntField()
    chunk_overlap = fields.IntField()
    created_at = fields.DatetimeField(auto_now_add=True)
    updated_at = fields.DatetimeField(auto_now_add=True)
    # Rows of a deleted collection go later; nothing finds it from this moment on.
    deleted_at = fields.DatetimeField(null=True)

    class Meta:
        table = "collections"
        indexes = [("workspace_id", "id")]


# What documents of one collection say. Those that say the same share it: it is cut and embedded once.
class Content(Row):
    id = fields.UUIDField(primary_key=True, default=ids.content_id)
    workspace_id = fields.UUIDField()
    collection: fields.ForeignKeyRelation[Collection] = fields.ForeignKeyField("models.Collection", related_name=False)
    collection_id: UUID
    digest = fields.CharField(max_length=64)
    # The name it first came under, from which its format is known.
    name = fields.TextField()
    media_type = optional_text()
    # Named at the top of each of its chunks, where the name helps to find it.
    title = optional_text()
    # A file as it came, until it has been read.
    source = fields.BinaryField(null=True)
    text = optional_text()
    characters = fields.IntField(default=0)
    words = fields.IntField(default=0)
    # Not known before it has been cut.
    chunk_count = fields.IntField(null=True)
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "contents"
        unique_together = (("collection", "digest"),)


class KnowledgeDocument(Row):
    id = fields.UUIDField(primary_key=True, default=ids.knowledge_document_id)
    workspace: fields.ForeignKeyRelation[Workspace] = fields.ForeignKeyField("models.Workspace", related_name=False)
    workspace_id: UUID
    collection: fields.ForeignKeyRelation[Collection] = fields.ForeignKeyField("models.Collection", related_name=False)
    collection_id: UUID
    content: fields.ForeignKeyRelation[Content] = fields.ForeignKeyField("models.Content", related_name=False)
    content_id: UUID
    # What it is known by in its collection, where names are unique; a library may hold two of the same name.
    key = optional_text()
    name = fields.TextField()
    reference = optional_text()
    category = optional_text()
    description = optional_text()
    tags: fields.Field[list[str]] = fields.JSONField(default=list)
    metadata: fields.Field[dict[str, object]] = fields.JSONField(default=dict)
    state = fields.CharEnumField(IndexState, default=IndexState.QUEUED, max_length=16)
    failure = optional_text()
    created_at = fields.DatetimeField(auto_now_add=True)
    updated_at = fields.DatetimeField(auto_now_add=True)
    indexed_at = fields.DatetimeField(null=True)
    deleted_at = fields.DatetimeField(null=True)

    class Meta:
        table = "knowledge_documents"
        indexes = [("collection_id", "created_at", "id"), ("content_id",)]


# A piece of a content. Its vectors stand in `chunk_vectors` and its words in a column that only Postgres reads.
class Chunk(Row):
    id = fields.UUIDField(primary_key=True, default=ids.chunk_id)
    workspace_id = fields.UUIDField()
    collection_id = fields.UUIDField()
    content: fields.ForeignKeyRelation[Content] = fields.ForeignKeyField("models.Content", related_name=False)
    content_id: UUID
    position = fields.IntField()
    # The titles it stands under: searched and embedded with it, but no part of it.
    heading = fields.TextField(default="")
    text = fields.TextField()
    digest = fields.CharField(max_length=32)
    start_line = fields.IntField(null=True)
    end_line = fields.IntField(null=True)
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "chunks"
        unique_together = (("content", "position"),)


# One chunk that was given to a model for one question. It outlives the chunk.
class RetrievalLog(Row):
    id = fields.UUIDField(primary_key=True, default=ids.retrieval_log_id)
    workspace: fields.ForeignKeyRelation[Workspace] = fields.ForeignKeyField("models.Workspace", related_name=False)
    workspace_id: UUID
    query = fields.TextField()
    chunk_id = fields.UUIDField()
    chunk_text = fields.TextField()
    document_id = fields.UUIDField()
    document_name = fields.TextField()
    # The document, or the sync category of the record.
    source_id = fields.UUIDField()
    is_synced = fields.BooleanField(default=False)
    score = fields.FloatField()
    rank = fields.IntField()
    # Who asked: the kind of agent, and the conversation or session it was in.
    agent = fields.CharField(max_length=32)
    session_id = fields.UUIDField(null=True)
    message_id = fields.UUIDField(null=True)
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "retrieval_logs"
        indexes = [("workspace_id", "source_id", "id"), ("message_id",)]
