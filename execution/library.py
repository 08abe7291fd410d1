"""Where documents are found: among the trusted, among those used last, or checked just now."""

from collections import OrderedDict
from typing import Generic, TypeVar

from graphql import GraphQLError, GraphQLSchema

from execution import documents, persisted
from execution.documents import Document
from execution.limits import Limits
from execution.operations import Operation, Refused, Request, Stage

__all__ = ["Library"]

Value = TypeVar("Value")


class Library:
    """`only_trusted` refuses every document but those that `trust` was given."""

    def __init__(self, schema: GraphQLSchema, limits: Limits, *, only_trusted: bool) -> None:
        self._schema, self._limits, self._only_trusted = schema, limits, only_trusted
        self._trusted_by_id: dict[str, Document] = {}
        self._trusted_by_text: dict[str, Document] = {}
        self._recent: _Recent[Document] = _Recent(limits.cached_documents, limits.cached_bytes)
        self._texts_by_hash: _Recent[str] = _Recent(limits.cached_documents, limits.cached_bytes)

    def __len__(self) -> int:
        """How many documents that nobody vouches for are held."""
        return len(self._recent)

    def trust(self, text: str, id: str | None = None) -> Document:
        document = self._trusted_by_text.get(text)
        if document is None:
            document = documents.check(self._schema, text, self._limits, trusted=True)
        self._trusted_by_text[text] = self._trusted_by_id[persisted.hash_of(text)] = document
        if id is not None:
            self._trusted_by_id[id] = document
        return document

    def find(self, request: Request) -> Operation:
        """The operation a request asks for; raises `Refused`."""
        if request.document_id is not None:
            return self._trusted(request.document_id).select(request.operation_name)
        digest = persisted.wanted_hash(request.extensions) if request.extensions else None
        if digest is not None:
            return self._by_hash(digest, request)
        if request.document is None:
            raise Refused(Stage.REQUEST, [GraphQLError("The request names no document.")])
        return self._by_text(request.document).select(request.operation_name)

    def _trusted(self, id: str) -> Document:
        document = self._trusted_by_id.get(id.removeprefix("sha256:"))
        if document is None:
            raise persisted.refused("PersistedDocumentNotFound")
        return document

    def _by_text(self, text: str) -> Document:
        document = self._recent.get(text) or self._trusted_by_text.get(text)
        if document is None:
            if self._only_trusted:
                raise persisted.refused("TrustedDocumentsOnly")
            document = documents.check(self._schema, text, self._limits)
            self._recent.put(text, document, len(text))
        return document

    def _by_hash(self, digest: str, request: Request) -> Operation:
        """Apollo's automatic persisted queries: a cache of what was sent before, and no reason to trust it."""
        trusted = self._trusted_by_id.get(digest)
        if trusted is not None:
            return trusted.select(request.operation_name)
        text = request.document
        if text is None:
            text = self._texts_by_hash.get(digest)
            if text is None:
                raise persisted.refused("PersistedQueryNotFound")
        elif persisted.hash_of(text) != digest:
            raise persisted.refused("PersistedQueryHashMismatch")
        operation = self._by_text(text).select(request.operation_name)
        self._texts_by_hash.put(digest, text, len(text))
        return operation


class _Recent(Generic[Value]):
    """What was used last, bounded by how many there are and by the length of the texts they stand for."""

    def __init__(self, count: int, size: int) -> None:
        self._count, self._size = count, size
        self._kept: OrderedDict[str, tuple[Value, int]] = OrderedDict()
        self._held = 0

    def get(self, key: str) -> Value | None:
        kept = self._kept.get(key)
        if kept is None:
            return None
        self._kept.move_to_end(key)
        return kept[0]

    def put(self, key: str, value: Value, size: int) -> None:
        before = self._kept.pop(key, None)
        self._held += size - (before[1] if before else 0)
        self._kept[key] = value, size
        while len(self._kept) > self._count or self._held > self._size:
            _, (_, freed) = self._kept.popitem(last=False)
            self._held -= freed

    def __len__(self) -> int:
        return len(self._kept)
