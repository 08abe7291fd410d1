from typing import TYPE_CHECKING, Annotated

import strawberry

import models
from domain.identity import Scope
from domain.storing import Outcome
from models import IndexState
from resolvers import chunks as resolve_chunks
from resolvers import knowledge_documents as resolve
from schema.access import root_field
from schema.nodes import Connection, Node
from schema.scalars import JSON, DateTime

if TYPE_CHECKING:
    from schema.collections import Collection
    from schema.sync import SyncCategory

ACollection = Annotated["Collection", strawberry.lazy("schema.collections")]
ASyncCategory = Annotated["SyncCategory", strawberry.lazy("schema.sync")]
ADocument = Annotated["KnowledgeDocument", strawberry.lazy("schema.knowledge_documents")]


@strawberry.type(description="A piece of a document, as long as its collection says.")
class Chunk:
    id: strawberry.ID = strawberry.field(description="Names it until the document says something else.")
    text: str = strawberry.field(description="What it says.")
    index: int = strawberry.field(description="Its place in the document, from 0.")
    character_count: int = strawberry.field(description="How long it is.")
    start_line: int | None = strawberry.field(description="The line of the document it begins in, from 1.")
    end_line: int | None = strawberry.field(description="The line it ends in.")
    external_id: str | None = strawberry.field(description="The id of the record it was made of, in a sync category.")
    metadata: JSON = strawberry.field(description="The document's metadata, and the chunk's own.")
    created_at: DateTime = strawberry.field(description="When it was made.")
    document: ADocument = strawberry.field(description="The document.")


@strawberry.type(description="Something to know, in one collection.")
class KnowledgeDocument(Node):
    name: str = strawberry.field(description="Its name.")
    reference: str | None = strawberry.field(description="What it shares with documents that belong together.")
    category: str | None = strawberry.field(description="The shelf it stands on.")
    description: str | None = strawberry.field(description="What it is about.")
    tags: list[str] = strawberry.field(description="Its tags.")
    metadata: JSON = strawberry.field(description="Whatever was given with it.")
    state: IndexState = strawberry.field(description="Where it is on its way into the index.")
    failure: str | None = strawberry.field(description="Why it could not be indexed.")
    created_at: DateTime = strawberry.field(description="When it came.")
    updated_at: DateTime = strawberry.field(description="When it, or what is said about it, last changed.")
    indexed_at: DateTime | None = strawberry.field(description="Since when it is found as it is now.")
    collection = strawberry.field(
        resolver=resolve.document_collection, graphql_type=ACollection, description="What it is in."
    )
    sync_category = strawberry.field(
        resolver=resolve.sync_category,
        graphql_type=ASyncCategory | None,
        description="The category of the record it was made of.",
    )
    text = strawberry.field(
        resolver=resolve.text, graphql_type=str | None, description="What it says; null until a file has been read."
    )
    preview = strawberry.field(resolver=resolve.preview, graphql_type=str, description="How it begins.")
    character_count = strawberry.field(
        resolver=resolve.character_count, graphql_type=int, description="How long it is."
    )
    word_count = strawberry.field(resolver=resolve.word_count, graphql_type=int, description="How many words it has.")
    approximate_token_count = strawberry.field(
        resolver=resolve.approximate_token_count,
        graphql_type=int,
        description="About how many tokens it makes: a fourth of its characters.",
    )
    chunk_count = strawberry.field(
        resolver=resolve.document_chunk_count, graphql_type=int, description="How many chunks it is found by."
    )
    chunks = strawberry.field(
        resolver=resolve_chunks.of_document, graphql_type=Connection[Chunk], description="Its pieces, in order."
    )

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return isinstance(value, models.KnowledgeDocument)


@strawberry.type(description="The document as it is now.")
class KnowledgeDocumentPayload:
    document: KnowledgeDocument = strawberry.field(description="The document.")


@strawberry.type(description="The document, and what became of it.")
class UpsertDocumentPayload:
    document: KnowledgeDocument = strawberry.field(description="The document.")
    outcome: Outcome = strawberry.field(description="Whether it is new, another than before, or the same.")


@strawberry.type(description="What is gone.")
class DeleteDocumentPayload:
    deleted_id: strawberry.ID = strawberry.field(description="The id it had.")


@strawberry.type
class KnowledgeDocumentQueries:
    knowledge_document = root_field(
        resolve.knowledge_document, KnowledgeDocument, needs=Scope.KNOWLEDGE_READ, description="One document."
    )
    chunks = root_field(
        resolve_chunks.chunks,
        Connection[Chunk],
        needs=Scope.KNOWLEDGE_READ,
        description="The chunks of a document, a sync category or a collection, by document and place."
        " None when it is not there.",
    )


@strawberry.type
class KnowledgeDocumentMutations:
    add_document = root_field(
        resolve.add_document,
        KnowledgeDocumentPayload,
        needs=Scope.KNOWLEDGE_WRITE,
        description="Put a document into a collection. It is queued, and found when it is `INDEXED`.",
    )
    upsert_document = root_field(
        resolve.upsert_document,
        UpsertDocumentPayload,
        needs=Scope.KNOWLEDGE_WRITE,
        description="Put a document into a collection, in the place of the one of its name.",
    )
    update_document = root_field(
        resolve.update_document,
        KnowledgeDocumentPayload,
        needs=Scope.KNOWLEDGE_WRITE,
        description="Change what is said about a document. What it says stays.",
    )
    delete_document = root_field(
        resolve.delete_document,
        DeleteDocumentPayload,
        needs=Scope.KNOWLEDGE_WRITE,
        description="Delete a document. No answer sees it any more, from this moment on.",
    )
    retry_document = root_field(
        resolve.retry_document,
        KnowledgeDocumentPayload,
        needs=Scope.KNOWLEDGE_WRITE,
        description="Try a document again that failed or was cancelled.",
    )
    cancel_document = root_field(
        resolve.cancel_document,
        KnowledgeDocumentPayload,
        needs=Scope.KNOWLEDGE_WRITE,
        description="Do not index a document that is still to be indexed.",
    )
