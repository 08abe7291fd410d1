import strawberry

import models
from domain.identity import Scope
from resolvers import search as resolve
from schema.access import root_field
from schema.collections import Collection, Embedder
from schema.knowledge_documents import Chunk, KnowledgeDocument
from schema.nodes import Connection, Node
from schema.scalars import DateTime
from schema.service import ServiceHealth


@strawberry.type(description="A chunk that was found.")
class RetrievedChunk:
    chunk: Chunk = strawberry.field(description="The chunk.")
    score: float = strawberry.field(
        description="How near its meaning is to the nearest term: the cosine of the two vectors, between 0 and 1."
    )
    relevance: float = strawberry.field(
        description="Where meaning and words together put it; only good to compare results of one search."
    )
    rank: int = strawberry.field(description="Its place, from 1.")
    references: list[KnowledgeDocument] = strawberry.field(
        description="The other documents of its collection that share its document's reference, if asked for."
    )


@strawberry.type(description="What was found.")
class SearchResult:
    query: str = strawberry.field(description="What was looked for; several terms are separated by line ends.")
    collection: Collection | None = strawberry.field(description="The collection, when one was searched.")
    collections: list[Collection] = strawberry.field(description="The collections that were searched.")
    results = strawberry.field(resolver=resolve.hits, graphql_type=list[RetrievedChunk], description="The best first.")
    result_count = strawberry.field(resolver=resolve.result_count, graphql_type=int, description="How many there are.")
    duration_ms: float = strawberry.field(description="How long it took, in milliseconds.")


@strawberry.type(description="A chunk that a model was given for one answer. It stays on record when the chunk goes.")
class Retrieval(Node):
    query: str = strawberry.field(description="What was looked for.")
    chunk_id: strawberry.ID = strawberry.field(description="The chunk it was.")
    chunk_text: str = strawberry.field(name="text", description="What it said.")
    document_id: strawberry.ID = strawberry.field(description="The document it was of.")
    document_name: str = strawberry.field(description="The name the document had.")
    source_id: strawberry.ID = strawberry.field(description="The document, or the sync category of the record.")
    source_kind = strawberry.field(
        resolver=resolve.source_kind, graphql_type=resolve.SourceKind, description="Which of the two it is."
    )
    score: float = strawberry.field(description="How near it was, between 0 and 1.")
    rank: int = strawberry.field(description="Its place among what was found, from 1.")
    agent: str = strawberry.field(description="The kind of agent that asked.")
    session_id: strawberry.ID | None = strawberry.field(description="The conversation or session it was asked in.")
    message_id: strawberry.ID | None = strawberry.field(description="The answer it was for.")
    created_at: DateTime = strawberry.field(description="When it was found.")
    document = strawberry.field(
        resolver=resolve.retrieval_document,
        graphql_type=KnowledgeDocument | None,
        description="The document, as long as it is there.",
    )

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return isinstance(value, models.RetrievalLog)


@strawberry.type(description="What this installation knows, and how it finds it.")
class KnowledgeStatus:
    health: ServiceHealth = strawberry.field(description="Whether anything keeps it from working.")
    is_enabled: bool = strawberry.field(description="Whether it is switched on.")
    problems: list[str] = strawberry.field(description="What is wrong, for the operator.")
    data_directory: str = strawberry.field(description="Where it is kept.")
    embedder: Embedder | None = strawberry.field(description="What new collections are embedded by.")
    chunk_characters: int = strawberry.field(description="How long the pieces of a text may be in a new collection.")
    chunk_overlap: int = strawberry.field(description="How many characters a piece repeats of the one before it.")
    default_top: int = strawberry.field(description="How many results a search gives when it does not say.")
    collections: int = strawberry.field(description="How many collections the workspace has, of any kind.")
    documents: int = strawberry.field(description="How many documents they have.")
    indexed: int = strawberry.field(description="How many of the documents are found.")
    pending: int = strawberry.field(description="How many are still to be indexed.")
    failed: int = strawberry.field(description="How many could not be indexed.")
    chunks: int = strawberry.field(description="How many chunks the documents have.")
    last_activity_at: DateTime | None = strawberry.field(description="When a document was last indexed, or changed.")


@strawberry.type
class SearchQueries:
    search = root_field(
        resolve.search,
        SearchResult,
        needs=Scope.KNOWLEDGE_READ,
        description="Find what the workspace knows, by meaning and by words.",
    )
    retrievals = root_field(
        resolve.retrievals,
        Connection[Retrieval],
        needs=Scope.KNOWLEDGE_READ,
        description="What was given to models for their answers, newest first.",
    )
    knowledge = root_field(
        resolve.knowledge,
        KnowledgeStatus,
        needs=Scope.KNOWLEDGE_READ,
        description="How much there is to know, and whether it can be found.",
    )
