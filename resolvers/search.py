from enum import StrEnum
from typing import Annotated

import strawberry

import models
from domain import retrieval
from domain.knowledge_status import KnowledgeStatus
from domain.retrieval import Found, Hit, SearchMethod, SearchOrder
from resolvers.context import Info
from resolvers.enums import described
from resolvers.pages import After, Before, First, Last, Offset, Page, PageArgs, page_of_rows
from resolvers.scalars import JSONObject


@described(
    "What a result stands for.",
    CHUNK="A chunk; a document may appear several times.",
    DOCUMENT="A document, by its best chunk.",
)
class ResultUnit(StrEnum):
    CHUNK = "CHUNK"
    DOCUMENT = "DOCUMENT"


@described("What a chunk came from.", DOCUMENT="A document.", SYNC_CATEGORY="The records of a sync category.")
class SourceKind(StrEnum):
    DOCUMENT = "DOCUMENT"
    SYNC_CATEGORY = "SYNC_CATEGORY"


@strawberry.input(description="A question to the knowledge of the workspace. Everything given must hold.")
class SearchInput:
    terms: list[str] = strawberry.field(
        description="What to look for, one to ten texts; what fits one of them well is found."
    )
    collection_ids: list[strawberry.ID] | None = strawberry.field(
        default=None, description="The collections to search; all of the workspace when left out."
    )
    collection_name: str | None = strawberry.field(
        default=None, description="The collection to search by its name, instead of ids."
    )
    document_ids: list[strawberry.ID] | None = strawberry.field(default=None, description="Only these documents.")
    tags: list[str] | None = strawberry.field(default=None, description="Only documents with all of these tags.")
    category: str | None = strawberry.field(default=None, description="Only documents of exactly this category.")
    reference: str | None = strawberry.field(default=None, description="Only documents with exactly this reference.")
    metadata: JSONObject | None = strawberry.field(
        default=None, description="Only chunks whose metadata holds all that this JSON object holds."
    )
    top: int = strawberry.field(default=5, description="How many results at most, up to 128.")
    min_score: float = strawberry.field(default=0.0, description="The least score of a result, between 0 and 1.")
    unit: ResultUnit = strawberry.field(
        default=ResultUnit.CHUNK,
        description="Whether a document may be found several times, or once by its best chunk.",
    )
    include_references: bool = strawberry.field(
        default=False, description="Whether documents that share a result's reference come with it."
    )
    method: SearchMethod = strawberry.field(
        default=SearchMethod.HYBRID, description="By meaning, by words, or by both, which finds most."
    )
    order: SearchOrder = strawberry.field(
        default=SearchOrder.RELEVANCE, description="What decides the order of the results that are found."
    )


async def search(info: Info, input: Annotated[SearchInput, strawberry.argument(description="The question.")]) -> Found:
    wanted = retrieval.Search(
        terms=tuple(input.terms),
        collection_ids=None if input.collection_ids is None else tuple(input.collection_ids),
        collection_name=input.collection_name,
        document_ids=None if input.document_ids is None else tuple(input.document_ids),
        tags=tuple(input.tags or ()),
        category=input.category,
        reference=input.reference,
        metadata=retrieval.check_filter(input.metadata),
        top=input.top,
        min_score=input.min_score,
        per_document=input.unit is ResultUnit.DOCUMENT,
        include_references=input.include_references,
        method=input.method,
        order=input.order,
    )
    return await info.context.services.retrieval.search(info.context.principal, wanted)


def result_count(root: strawberry.Parent[Found]) -> int:
    return len(root.hits)


def hits(root: strawberry.Parent[Found]) -> list[Hit]:
    return list(root.hits)


# ---------------------------------------------------------------- what was retrieved for answers


async def retrievals(
    info: Info,
    source_id: Annotated[
        strawberry.ID | None,
        strawberry.argument(description="Only from this source: a document, or the sync category of a record."),
    ] = None,
    first: First = None,
    after: After = None,
    last: Last = None,
    before: Before = None,
    offset: Offset = None,
) -> Page[models.RetrievalLog]:
    found = retrieval.logs_visible_to(info.context.principal)
    if source_id is not None:
        id = models.parse_id(source_id)
        found = found.filter(source_id=id) if id else found.filter(id__in=[])
    return await page_of_rows(found, PageArgs(first, after, last, before, offset), newest_by="id")


async def message_sources(root: strawberry.Parent[models.Message], info: Info) -> list[models.RetrievalLog]:
    return await info.context.loaders.retrievals_by_message_id.load(root.id)


def source_kind(root: strawberry.Parent[models.RetrievalLog]) -> SourceKind:
    return SourceKind.SYNC_CATEGORY if root.is_synced else SourceKind.DOCUMENT


async def retrieval_document(
    root: strawberry.Parent[models.RetrievalLog], info: Info
) -> models.KnowledgeDocument | None:
    return await info.context.loaders.visible_document_by_id.load(root.document_id)


async def knowledge(info: Info) -> KnowledgeStatus:
    return await info.context.services.retrieval.status(info.context.principal)
