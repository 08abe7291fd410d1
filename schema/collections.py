import strawberry

import models
from domain.collections import CategoryCount as _CategoryCount
from domain.identity import Scope
from models import CollectionKind
from resolvers import collections as resolve
from resolvers import importing as resolve_importing
from resolvers import knowledge_documents as resolve_documents
from schema.access import root_field, root_subscription
from schema.knowledge_documents import KnowledgeDocument
from schema.nodes import Connection, Node
from schema.scalars import DateTime, File
from subscriptions import ingestion as subscribe


@strawberry.type(description="Turns texts into vectors. Vectors of different embedders cannot be compared.")
class Embedder(Node):
    name: str = strawberry.field(description="Names it and its vectors.")
    provider: str = strawberry.field(description="Who runs it.")
    model: str = strawberry.field(description="What the provider calls it.")
    dimension: int = strawberry.field(description="How many numbers a vector has.")
    is_default: bool = strawberry.field(description="Whether new collections use it.")

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return isinstance(value, models.Embedder)


@strawberry.type(description="How many documents are in which state.")
class IndexCounts:
    documents: int = strawberry.field(description="All of them.")
    pending: int = strawberry.field(description="Those that are still to be indexed: queued, or being indexed now.")
    queued: int = strawberry.field(description="Waiting.")
    indexing: int = strawberry.field(description="Being read, cut and embedded now.")
    indexed: int = strawberry.field(description="Found by searches.")
    failed: int = strawberry.field(description="Not indexed; each says why.")
    cancelled: int = strawberry.field(description="Not indexed, because somebody said so.")


@strawberry.type(description="How many documents stand on one shelf.")
class CategoryCount:
    category: str = strawberry.field(description="The category.")
    documents: int = strawberry.field(description="How many documents it has.")

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return isinstance(value, _CategoryCount)


@strawberry.type(description="A named set of documents that are searched together.")
class Collection(Node):
    name: str = strawberry.field(description="Its name.")
    kind: CollectionKind = strawberry.field(description="What made it.")
    context: str | None = strawberry.field(description="What it holds, for the models that answer from it.")
    tags: list[str] = strawberry.field(description="Its tags.")
    chunk_characters: int = strawberry.field(description="How long a piece of a text may be.")
    chunk_overlap: int = strawberry.field(description="How many characters a piece repeats of the one before it.")
    created_at: DateTime = strawberry.field(description="When it was made.")
    updated_at: DateTime = strawberry.field(description="When its name, context or tags last changed.")
    embedder = strawberry.field(resolver=resolve.embedder, graphql_type=Embedder, description="What it is embedded by.")
    next_embedder = strawberry.field(
        resolver=resolve.next_embedder,
        graphql_type=Embedder | None,
        description="What it will be embedded by as soon as every chunk is.",
    )
    counts = strawberry.field(
        resolver=resolve.counts, graphql_type=IndexCounts, description="How many documents are in which state."
    )
    chunk_count = strawberry.field(
        resolver=resolve.chunk_count, graphql_type=int, description="How many chunks its indexed documents have."
    )
    categories = strawberry.field(
        resolver=resolve.categories,
        graphql_type=list[CategoryCount],
        description="The categories of its documents, by name. Documents without one are in none.",
    )
    category_count = strawberry.field(
        resolver=resolve.category_count, graphql_type=int, description="How many categories its documents have."
    )
    documents = strawberry.field(
        resolver=resolve_documents.documents, graphql_type=Connection[KnowledgeDocument], description="What is in it."
    )
    export = strawberry.field(
        resolver=resolve_importing.export,
        graphql_type=File,
        description="All documents as JSON lines, in the form that `importDocuments` takes.",
    )

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return isinstance(value, models.Collection)


@strawberry.type(description="The collection as it is now.")
class CollectionPayload:
    collection: Collection = strawberry.field(description="The collection.")


@strawberry.type(description="What is gone.")
class DeleteCollectionPayload:
    deleted_id: strawberry.ID = strawberry.field(description="The id it had.")
    name: str = strawberry.field(description="The name it had.")


@strawberry.type(description="What a change was about.")
class DocumentsPayload:
    collection: Collection = strawberry.field(description="The collection.")
    documents: int = strawberry.field(description="How many documents it touched.")


@strawberry.type(description="A server's files, indexed.")
class IndexPathPayload:
    collection: Collection | None = strawberry.field(description="The collection; null when nothing was there.")
    collection_name: str = strawberry.field(description="Its name, as asked for.")
    files: int = strawberry.field(description="How many files were indexed.")
    chunks: int = strawberry.field(description="How many chunks they made.")
    duration_ms: float = strawberry.field(description="How long that took, in milliseconds.")


@strawberry.type(description="The documents of a file, put into their collection.")
class ImportDocumentsPayload:
    collection: Collection = strawberry.field(description="The collection.")
    enqueued: int = strawberry.field(description="How many documents are new or changed.")
    skipped: int = strawberry.field(description="How many lines said nothing new.")
    deleted: int = strawberry.field(description="How many documents were deleted because the file does not name them.")


@strawberry.type(description="How far a collection's documents are.")
class IngestionProgress:
    collection_id: strawberry.ID = strawberry.field(description="The collection.")
    sequence: int = strawberry.field(description="Counts the events of this subscription, from 1.")
    at: DateTime = strawberry.field(description="When it was so.")
    counts: IndexCounts = strawberry.field(description="How many documents are in which state.")
    is_complete: bool = strawberry.field(description="Whether nothing is left to do. It is the last event then.")


@strawberry.type
class CollectionQueries:
    collection = root_field(
        resolve.collection, Collection, needs=Scope.KNOWLEDGE_READ, description="One collection, by its id or its name."
    )
    collections = root_field(
        resolve.collections,
        Connection[Collection],
        needs=Scope.KNOWLEDGE_READ,
        description="The workspace's collections, newest first.",
    )
    library = root_field(
        resolve.library, Collection, needs=Scope.KNOWLEDGE_READ, description="The workspace's own collection."
    )
    embedders = root_field(
        resolve.embedders,
        Connection[Embedder],
        needs=Scope.KNOWLEDGE_READ,
        description="What turns texts into vectors here, newest first.",
    )


@strawberry.type
class CollectionMutations:
    create_collection = root_field(
        resolve.create_collection, CollectionPayload, needs=Scope.KNOWLEDGE_WRITE, description="Make a collection."
    )
    update_collection = root_field(
        resolve.update_collection, CollectionPayload, needs=Scope.KNOWLEDGE_WRITE, description="Change a collection."
    )
    delete_collection = root_field(
        resolve.delete_collection,
        DeleteCollectionPayload,
        needs=Scope.KNOWLEDGE_WRITE,
        description="Delete a collection and everything in it. No answer sees it any more, from this moment on.",
    )
    reset_collection = root_field(
        resolve.reset_collection,
        DocumentsPayload,
        needs=Scope.KNOWLEDGE_WRITE,
        description="Delete every document of a collection, and keep the collection.",
    )
    reindex_collection = root_field(
        resolve.reindex_collection,
        DocumentsPayload,
        needs=Scope.KNOWLEDGE_WRITE,
        description="Embed every document of a collection anew, or change to another embedder.",
    )
    retry_ingestion = root_field(
        resolve.retry_ingestion,
        DocumentsPayload,
        needs=Scope.KNOWLEDGE_WRITE,
        description="Try the failed and cancelled documents of a collection again.",
    )
    cancel_ingestion = root_field(
        resolve.cancel_ingestion,
        DocumentsPayload,
        needs=Scope.KNOWLEDGE_WRITE,
        description="Do not index what is still to be indexed of a collection.",
    )
    import_documents = root_field(
        resolve_importing.import_documents,
        ImportDocumentsPayload,
        needs=Scope.KNOWLEDGE_WRITE,
        description="Put many documents into a collection, from JSON lines. Nothing is stored when a line is wrong.",
    )
    index_path = root_field(
        resolve_importing.index_path,
        IndexPathPayload,
        needs=Scope.KNOWLEDGE_WRITE,
        description="Make a collection of a file or folder of the server, and wait until it is indexed.",
    )


@strawberry.type
class CollectionSubscriptions:
    ingestion = root_subscription(
        subscribe.ingestion,
        IngestionProgress,
        needs=Scope.KNOWLEDGE_READ,
        description="Watch the documents of a collection being indexed, until nothing is left to do.",
    )
