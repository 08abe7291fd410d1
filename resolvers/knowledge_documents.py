from collections.abc import Awaitable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import strawberry
from strawberry import UNSET

import models
from domain import collections, knowledge_documents, storing
from domain.knowledge_documents import DocumentFilter
from domain.storing import NewDocument, Outcome
from errors import Invalid
from files import Upload as UploadedFile
from models import IndexState
from resolvers.context import Info
from resolvers.enums import described
from resolvers.pages import After, Before, First, Last, Offset, Page, PageArgs, page_in_order
from resolvers.scalars import JSONObject, Upload


@described(
    "An order of documents.",
    CREATED_AT_ASC="The oldest first.",
    CREATED_AT_DESC="The newest first.",
    UPDATED_AT_ASC="The longest unchanged first.",
    UPDATED_AT_DESC="The last changed first.",
    INDEXED_AT_ASC="The first indexed first.",
    INDEXED_AT_DESC="The last indexed first.",
    NAME_ASC="By name, from A to Z.",
    NAME_DESC="By name, from Z to A.",
)
class DocumentOrder(StrEnum):
    CREATED_AT_ASC = "CREATED_AT_ASC"
    CREATED_AT_DESC = "CREATED_AT_DESC"
    UPDATED_AT_ASC = "UPDATED_AT_ASC"
    UPDATED_AT_DESC = "UPDATED_AT_DESC"
    INDEXED_AT_ASC = "INDEXED_AT_ASC"
    INDEXED_AT_DESC = "INDEXED_AT_DESC"
    NAME_ASC = "NAME_ASC"
    NAME_DESC = "NAME_DESC"


@strawberry.input(description="Which documents to list. Everything given must hold.")
class KnowledgeDocumentFilter:
    expression: str | None = strawberry.field(
        default=None,
        description='A line like `-t tag -r reference -c "words in the text" -n name -i id`. Words without a switch'
        " are looked for in the name.",
    )
    states: list[IndexState] | None = strawberry.field(default=None, description="In one of these states.")
    tags: list[str] | None = strawberry.field(default=None, description="With all of these tags.")
    category: str | None = strawberry.field(default=None, description="Of exactly this category.")
    reference: str | None = strawberry.field(default=None, description="With exactly this reference.")


@strawberry.input(description="A document to put into a collection: a text, or a file.")
class DocumentInput:
    name: str | None = strawberry.field(
        default=None,
        description="Its name, up to 256 characters; the file's when left out. Its ending says what it is.",
    )
    text: str | None = strawberry.field(default=None, description="What it says.")
    file: Upload | None = strawberry.field(
        default=None, description="A file instead: text, Markdown, HTML, PDF, DOCX, source code."
    )
    reference: str | None = strawberry.field(
        default=None, description="What it shares with other documents that belong together, up to 64 characters."
    )
    category: str | None = strawberry.field(default=None, description="The shelf it stands on.")
    description: str | None = strawberry.field(default=None, description="What it is about.")
    tags: list[str] | None = strawberry.field(default=None, description="Its tags.")
    metadata: JSONObject | None = strawberry.field(default=None, description="Kept, and not searched.")


@strawberry.input(description="A document for a collection.")
class AddDocumentInput:
    collection_id: strawberry.ID | None = strawberry.field(
        default=None, description="The collection; the workspace's library when left out."
    )
    document: DocumentInput = strawberry.field(description="The document.")


@strawberry.input(description="A document for a collection, in the place of the one of its name.")
class UpsertDocumentInput:
    collection_id: strawberry.ID = strawberry.field(description="The collection.")
    document: DocumentInput = strawberry.field(description="The document.")


@strawberry.input(description="What to change of what is said about a document. What is left out stays.")
class UpdateDocumentInput:
    id: strawberry.ID = strawberry.field(description="The document.")
    in_library: bool = strawberry.field(default=False, description="Whether it must be in the library.")
    name: str | None = strawberry.field(default=UNSET, description="Its name from now on.")
    reference: str | None = strawberry.field(default=UNSET, description="Its reference; null for none.")
    category: str | None = strawberry.field(default=UNSET, description="Its category; null for none.")
    description: str | None = strawberry.field(default=UNSET, description="Its description; null for none.")
    tags: list[str] | None = strawberry.field(default=UNSET, description="All its tags; null for none.")
    metadata: JSONObject | None = strawberry.field(default=UNSET, description="All its metadata; null for none.")


@strawberry.input(description="A document.")
class KnowledgeDocumentInput:
    id: strawberry.ID = strawberry.field(description="The document.")
    collection_id: strawberry.ID | None = strawberry.field(
        default=None, description="The collection it must be in, for clients that name both."
    )
    in_library: bool = strawberry.field(default=False, description="Whether it must be in the library.")


@dataclass(frozen=True, slots=True)
class DocumentPayload:
    document: models.KnowledgeDocument


@dataclass(frozen=True, slots=True)
class UpsertDocumentPayload:
    document: models.KnowledgeDocument
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class DeleteDocumentPayload:
    deleted_id: UUID


async def knowledge_document(
    info: Info,
    id: Annotated[strawberry.ID, strawberry.argument(description="The document.")],
    collection_id: Annotated[
        strawberry.ID | None, strawberry.argument(description="The collection it must be in.")
    ] = None,
    in_library: Annotated[bool, strawberry.argument(description="Whether it must be in the library.")] = False,
) -> models.KnowledgeDocument:
    return await knowledge_documents.find(
        info.context.principal, id, collection_id=collection_id, in_library=in_library
    )


async def documents(
    root: strawberry.Parent[models.Collection],
    info: Info,
    first: First = None,
    after: After = None,
    last: Last = None,
    before: Before = None,
    offset: Offset = None,
    filter: Annotated[KnowledgeDocumentFilter | None, strawberry.argument(description="Which ones.")] = None,
    order_by: Annotated[DocumentOrder, strawberry.argument(description="In which order.")] = (
        DocumentOrder.CREATED_AT_DESC
    ),
) -> Page[models.KnowledgeDocument]:
    found = models.KnowledgeDocument.filter(collection_id=root.id, deleted_at=None)
    for wanted in _filters(filter):
        found = knowledge_documents.matching(found, wanted)
    column, _, direction = order_by.value.lower().rpartition("_")
    # What is not indexed yet stands where it came.
    or_else = "created_at" if column == "indexed_at" else None
    args = PageArgs(first, after, last, before, offset)
    return await page_in_order(found, args, by=column, descending=direction == "desc", or_else=or_else)


def _filters(filter: KnowledgeDocumentFilter | None) -> list[DocumentFilter]:
    if filter is None:
        return []
    plain = DocumentFilter(
        states=tuple(filter.states or ()),
        tags=tuple(filter.tags or ()),
        category=filter.category,
        reference=filter.reference,
    )
    return [plain, knowledge_documents.parse_expression(filter.expression)] if filter.expression else [plain]


# ---------------------------------------------------------------- changes


async def add_document(
    info: Info, input: Annotated[AddDocumentInput, strawberry.argument(description="The document.")]
) -> DocumentPayload:
    principal = info.context.principal
    if input.collection_id is None:
        found = await collections.library(principal, info.context.services.retrieval.chunking)
    else:
        found = await collections.find(principal, input.collection_id)
    return DocumentPayload(await storing.add(found, _new_document(input.document)))


async def upsert_document(
    info: Info, input: Annotated[UpsertDocumentInput, strawberry.argument(description="The document.")]
) -> UpsertDocumentPayload:
    found = await collections.find(info.context.principal, input.collection_id)
    return UpsertDocumentPayload(*await storing.upsert(found, _new_document(input.document)))


def _new_document(input: DocumentInput) -> NewDocument:
    file: UploadedFile | None = input.file
    if (input.text is None) == (file is None):
        raise Invalid("text", "must be given, or else file")
    name = input.name if input.name is not None else file.filename if file else ""
    return NewDocument(
        name=name,
        text=input.text,
        source=file.path if file else None,
        media_type=file.media_type if file else None,
        reference=input.reference,
        category=input.category,
        description=input.description,
        tags=tuple(input.tags or ()),
        metadata=input.metadata,
    )


async def update_document(
    info: Info, input: Annotated[UpdateDocumentInput, strawberry.argument(description="What to change.")]
) -> DocumentPayload:
    given = {name: getattr(input, name) for name in _CHANGEABLE}
    changes = {name: value for name, value in given.items() if value is not UNSET}
    found = await knowledge_documents.find(info.context.principal, input.id, in_library=input.in_library)
    return DocumentPayload(await knowledge_documents.change(found, changes))


_CHANGEABLE = ("name", "reference", "category", "description", "tags", "metadata")


async def delete_document(
    info: Info, input: Annotated[KnowledgeDocumentInput, strawberry.argument(description="Which one.")]
) -> DeleteDocumentPayload:
    found = await _named(info, input)
    await knowledge_documents.delete(found)
    return DeleteDocumentPayload(found.id)


async def _named(info: Info, input: KnowledgeDocumentInput) -> models.KnowledgeDocument:
    return await knowledge_documents.find(
        info.context.principal, input.id, collection_id=input.collection_id, in_library=input.in_library
    )


async def retry_document(
    info: Info, input: Annotated[KnowledgeDocumentInput, strawberry.argument(description="Which one.")]
) -> DocumentPayload:
    found = await _named(info, input)
    return DocumentPayload(await knowledge_documents.retry(found))


async def cancel_document(
    info: Info, input: Annotated[KnowledgeDocumentInput, strawberry.argument(description="Which one.")]
) -> DocumentPayload:
    found = await _named(info, input)
    return DocumentPayload(await knowledge_documents.cancel(found))


# ---------------------------------------------------------------- fields


async def text(root: strawberry.Parent[models.KnowledgeDocument], info: Info) -> str | None:
    found: str | None = await info.context.loaders.text_by_content_id.load(root.content_id)
    return found


async def preview(
    root: strawberry.Parent[models.KnowledgeDocument],
    info: Info,
    characters: Annotated[int, strawberry.argument(description="How long it may be, up to 1,000.")] = 40,
) -> str:
    if not 0 < characters <= 1000:
        raise Invalid("characters", "must be between 1 and 1,000")
    beginning: str = await info.context.loaders.beginning_by_content_id.load(root.content_id)
    return beginning if len(beginning) <= characters else beginning[:characters] + "..."


async def character_count(root: strawberry.Parent[models.KnowledgeDocument], info: Info) -> int:
    return (await info.context.loaders.measures_by_content_id.load(root.content_id)).characters


async def word_count(root: strawberry.Parent[models.KnowledgeDocument], info: Info) -> int:
    return (await info.context.loaders.measures_by_content_id.load(root.content_id)).words


async def approximate_token_count(root: strawberry.Parent[models.KnowledgeDocument], info: Info) -> int:
    return (await info.context.loaders.measures_by_content_id.load(root.content_id)).tokens


async def document_chunk_count(root: strawberry.Parent[models.KnowledgeDocument], info: Info) -> int:
    measures = await info.context.loaders.measures_by_content_id.load(root.content_id)
    return measures.chunks if root.state is IndexState.INDEXED else 0


def document_collection(
    root: strawberry.Parent[models.KnowledgeDocument], info: Info
) -> Awaitable[models.Collection | None]:
    return info.context.loaders.collection_by_id.load(root.collection_id)


async def sync_category(root: strawberry.Parent[models.KnowledgeDocument], info: Info) -> models.SyncCategory | None:
    return await info.context.loaders.sync_category_by_collection_id.load(root.collection_id)
