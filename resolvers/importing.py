from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import strawberry

import models
from domain import collections, importing
from files import Blob
from files import Upload as UploadedFile
from resolvers.context import Info
from resolvers.enums import described
from resolvers.scalars import Upload


@described(
    "What an import does to the documents that its file does not name.",
    UPSERT="They stay.",
    SYNC="They are deleted.",
)
class ImportMode(StrEnum):
    UPSERT = "UPSERT"
    SYNC = "SYNC"


@strawberry.input(description="Documents from a file with one JSON object in each line.")
class ImportDocumentsInput:
    collection_id: strawberry.ID = strawberry.field(description="The collection.")
    file: Upload = strawberry.field(
        description="Lines with `docid`, `text`, `__ref`, `__tags` and `__meta`. A document of the same"
        " name is replaced."
    )
    mode: ImportMode = strawberry.field(
        default=ImportMode.UPSERT, description="What becomes of the documents that the file does not name."
    )


@strawberry.input(description="Files of the server to make a collection of.")
class IndexPathInput:
    path: str = strawberry.field(description="A file or folder below one of those that the operator allows.")
    collection_name: str = strawberry.field(
        description="The collection's name; one that has it already is replaced as a whole."
    )
    extensions: list[str] | None = strawberry.field(
        default=None, description="Which files of a folder, as `.md`; those of texts and source code when left out."
    )
    exclude_patterns: list[str] | None = strawberry.field(
        default=None, description="Which files and folders not, as `*/build/*`, in place of the usual ones."
    )


@dataclass(frozen=True, slots=True)
class ImportDocumentsPayload:
    collection: models.Collection
    enqueued: int
    skipped: int
    deleted: int


@dataclass(frozen=True, slots=True)
class IndexPathPayload:
    collection: models.Collection | None
    collection_name: str
    files: int
    chunks: int
    duration_ms: float


async def import_documents(
    info: Info, input: Annotated[ImportDocumentsInput, strawberry.argument(description="The file.")]
) -> ImportDocumentsPayload:
    found = await collections.find(info.context.principal, input.collection_id)
    file: UploadedFile = input.file
    done = await importing.import_records(found, file.path, delete_others=input.mode is ImportMode.SYNC)
    return ImportDocumentsPayload(found, done.enqueued, done.skipped, done.deleted)


async def index_path(
    info: Info, input: Annotated[IndexPathInput, strawberry.argument(description="What to index.")]
) -> IndexPathPayload:
    wanted = importing.Folder(
        input.path,
        extensions=None if input.extensions is None else tuple(input.extensions),
        exclude=None if input.exclude_patterns is None else tuple(input.exclude_patterns),
    )
    done = await info.context.services.ingestion.index_path(info.context.principal, wanted, input.collection_name)
    return IndexPathPayload(done.collection, input.collection_name, done.files, done.chunks, done.duration_ms)


async def export(root: strawberry.Parent[models.Collection]) -> Blob:
    return importing.export(root)
