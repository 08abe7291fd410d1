"""From queued documents to an index that finds them, as jobs that may run twice, and how far they are."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import models
from domain import collections, importing, rebuilding, sync_records
from domain.collections import IndexCounts
from domain.embedders import Embedders
from domain.identity import Principal
from domain.importing import Folder
from domain.indexing import BUILD, CHANNEL, INGEST, REBUILD, REEMBED, SWEEP, announce
from domain.jobs import Jobs, enqueue, is_waiting
from domain.notifications import Listener
from domain.storing import NewDocument, store
from errors import Conflict, PlatformError, ProviderRateLimited, ProviderUnavailable, Unavailable
from knowledge import index, read, reembed, sweep, vector_index
from knowledge.index import Batch
from models import database
from models.database import connection

__all__ = ["Indexed", "Ingestion", "IngestionOptions", "IngestionProgress"]

_logger = logging.getLogger(__name__)

# A watcher is told at most this often, and looks for itself when it hears nothing.
_PAUSE_SECONDS, _LOOK_SECONDS = 0.25, 5.0
_FILES_AT_ONCE = 500
_FORGET_SECONDS = 60
_FORGETTING_SECONDS = 3600
_COUNT_SECONDS = 5

# Trying again may help.
# How often documents are looked at that change all the time.
_LOOKS = 5
_PASSING = (ProviderRateLimited, ProviderUnavailable, Unavailable, OSError)


@dataclass(frozen=True, slots=True)
class IngestionOptions:
    jobs_at_once: int = 2
    takeover_seconds: float = 10
    # How long what a synced record says is kept after it last changed.
    sync_cache_days: float = 90
    # Folders of the server that may be indexed by their path.
    roots: tuple[Path, ...] = ()
    # Of collections that do not say otherwise.
    chunking: collections.Chunking = collections.DEFAULT_CHUNKS


@dataclass(frozen=True, slots=True)
class IngestionProgress:
    collection_id: UUID
    sequence: int
    at: datetime
    counts: IndexCounts
    is_complete: bool


@dataclass(frozen=True, slots=True)
class Indexed:
    """No collection when there was nothing to index."""

    collection: models.Collection | None
    files: int
    chunks: int
    duration_ms: float


class Ingestion:
    """`works`: whether this process does the jobs; every process can watch them."""

    def __init__(self, embedders: Embedders, options: IngestionOptions | None = None, *, works: bool = True) -> None:
        self._embedders, self.options = embedders, options or IngestionOptions()
        self._watchers: dict[UUID, set[asyncio.Event]] = {}
        self._listener = Listener({CHANNEL: self._heard}, resumed=self._wake_all)
        self.jobs = Jobs(
            {INGEST: self.ingest, SWEEP: self.sweep, REEMBED: self.reembed, REBUILD: self.rebuild, BUILD: self.build},
            at_once=self.options.jobs_at_once,
            takeover_seconds=self.options.takeover_seconds,
        )
        self._works = works
        self._count_again = 0.0
        self._forgetting: asyncio.Task[None] | None = None

    def open(self) -> None:
        self._listener.open()
        if self._works:
            self.jobs.open()
            self._forgetting = asyncio.create_task(self._keep_forgetting(), name="old records")

    async def close(self) -> None:
        if self._forgetting is not None:
            self._forgetting.cancel()
            await asyncio.gather(self._forgetting, return_exceptions=True)
        if self._works:
            await self.jobs.close()
        await self._listener.close()

    async def _keep_forgetting(self) -> None:
        while True:
            try:
                await sync_records.evict_older_than(self.options.sync_cache_days)
            except database.Unreachable as exc:
                _logger.warning("old records wait for the database: %s", exc)
            except Exception:  # One bad round must not end the rounds.
                _logger.exception("old records could not be forgotten")
            await asyncio.sleep(_FORGETTING_SECONDS)

    # ---------------------------------------------------------------- watching

    async def follow(self, principal: Principal, collection_id: str) -> AsyncGenerator[IngestionProgress, None]:
        """How far it is, now and whenever that changes, until nothing is left to do."""
        collection = await collections.find(principal, collection_id)
        with self._watch(collection.id) as changed:
            sequence, last = 0, None
            while True:
                changed.clear()
                began = time.perf_counter()
                counts, is_complete = await _state(collection.id)
                took = time.perf_counter() - began
                if (counts, is_complete) != last:
                    sequence, last = sequence + 1, (counts, is_complete)
                    yield IngestionProgress(collection.id, sequence, datetime.now(UTC), counts, is_complete)
                if is_complete:
                    return
                # Counting a million documents takes a while, and watching is not to take more than a part of the work.
                await asyncio.sleep(max(_PAUSE_SECONDS, 4 * took))
                try:
                    await asyncio.wait_for(changed.wait(), _LOOK_SECONDS)
                except TimeoutError:
                    continue

    @contextmanager
    def _watch(self, collection_id: UUID) -> Iterator[asyncio.Event]:
        changed = asyncio.Event()
        watchers = self._watchers.setdefault(collection_id, set())
        watchers.add(changed)
        try:
            yield changed
        finally:
            watchers.discard(changed)
            if not watchers:
                self._watchers.pop(collection_id, None)

    def _heard(self, payload: str) -> None:
        for changed in self._watchers.get(UUID(payload), ()):
            changed.set()

    def _wake_all(self) -> None:
        for watchers in self._watchers.values():
            for changed in watchers:
                changed.set()

    # ---------------------------------------------------------------- files of the server

    async def index_path(self, principal: Principal, wanted: Folder, name: str) -> Indexed:
        """A collection of this name made anew from what is there, and searchable when this returns."""
        paths = await importing.files_of(wanted, self.options.roots)
        began = time.perf_counter()
        documents = await asyncio.to_thread(_read_files, paths)
        if not documents:
            return Indexed(None, 0, 0, 0.0)
        collection = await collections.replace(principal, name, self.options.chunking)
        for start in range(0, len(documents), _FILES_AT_ONCE):
            await store(collection, documents[start : start + _FILES_AT_ONCE])
        async with aclosing(self.follow(principal, str(collection.id))) as progress:
            async for _ in progress:
                pass
        [chunks] = await collections.chunk_counts([collection.id])
        duration_ms = round((time.perf_counter() - began) * 1000, 1)
        return Indexed(collection, len(documents), chunks, duration_ms)

    # ---------------------------------------------------------------- jobs

    async def ingest(self, payload: bytes, is_last_try: bool = True) -> None:
        """Index some documents. One that fails keeps its reason, and the others do not wait for it."""
        ids = [UUID(bytes=payload[start : start + 16]) for start in range(0, len(payload), 16)]
        for batch in await index.claim(ids):
            await self._announce(batch.collection_id)
            try:
                await self._ingest(batch, is_last_try=is_last_try)
            finally:
                await self._announce(batch.collection_id)
            await self._build_if_due(batch.embedder_id)

    async def _build_if_due(self, embedder_id: UUID) -> None:
        async with connection() as bare:
            is_more_to_come = await is_waiting(bare, INGEST)
        now = time.monotonic()
        # Counting many vectors takes a while, and an import has many jobs.
        if is_more_to_come and now < self._count_again:
            return
        self._count_again = now + _COUNT_SECONDS
        fewest = vector_index.URGENT if is_more_to_come else vector_index.SMALLEST
        if await vector_index.is_due(embedder_id, fewest):
            async with connection() as bare:
                await enqueue(bare, BUILD, [embedder_id.bytes])

    async def _ingest(self, batch: Batch, *, is_last_try: bool, looks: int = _LOOKS) -> None:
        try:
            await index.index(batch, self._embedders.named(batch.embedder_name))
        except Conflict as exc:
            # What it went by has changed under its hands: a text that was to be copied was deleted, or there is another
            # embedder. It is looked at anew.
            if looks <= 1:
                return await self._one_by_one(batch, exc)
            for changed in await index.claim([id for source in batch.sources for id in source.documents]):
                await self._ingest(changed, is_last_try=is_last_try, looks=looks - 1)
        except PlatformError as exc:
            if isinstance(exc, _PASSING) and not is_last_try:
                raise
            await self._one_by_one(batch, exc)
        except Exception as exc:
            if not is_last_try:
                raise
            _logger.exception("documents could not be indexed")
            await self._one_by_one(batch, exc)

    async def _one_by_one(self, batch: Batch, error: Exception) -> None:
        """Which of them it was: the others are not to suffer for it."""
        parts = batch.each() if len(batch.sources) > 1 else []
        if not parts:
            await index.fail(batch, str(error) if isinstance(error, PlatformError) else "An internal error")
        for part in parts:
            await self._ingest(part, is_last_try=True)

    async def sweep(self, payload: bytes, is_last_try: bool = True) -> None:
        await sweep.sweep(UUID(bytes=payload))

    async def reembed(self, payload: bytes, is_last_try: bool = True) -> None:
        """Give every chunk of a collection a vector of its next embedder, then let that one answer."""
        collection_id, embedder_id = UUID(bytes=payload[:16]), UUID(bytes=payload[16:])
        row = await models.Embedder.get_or_none(id=embedder_id)
        if row is None:
            return
        while not await reembed.change_over(collection_id, embedder_id):
            while await reembed.embed_missing(collection_id, row, self._embedders.named(row.name)):
                await self._announce(collection_id)
        await self._build_if_due(embedder_id)
        async with connection() as bare:
            # Whoever asked a moment ago still looks into the old index.
            await enqueue(bare, SWEEP, [collection_id.bytes], after_seconds=_FORGET_SECONDS)
        await self._announce(collection_id)

    async def build(self, payload: bytes, is_last_try: bool = True) -> None:
        row = await models.Embedder.get_or_none(id=UUID(bytes=payload))
        if row is not None:
            await vector_index.build(row.id, row.dimension)

    async def rebuild(self, payload: bytes, is_last_try: bool = True) -> None:
        """Render the cached records of a sync category and make their chunks anew."""
        category = await models.SyncCategory.get_or_none(id=UUID(bytes=payload))
        if category is not None:
            await rebuilding.rebuild(category, self._embedders)
            await self._announce(category.collection_id)

    async def _announce(self, collection_id: UUID) -> None:
        async with connection() as bare:
            await announce(bare, collection_id)


async def _state(collection_id: UUID) -> tuple[IndexCounts, bool]:
    [counts] = await collections.counts([collection_id])
    changing = await models.Collection.filter(id=collection_id, deleted_at=None).values_list("next_embedder_id")
    return counts, counts.pending == 0 and all(next_id is None for (next_id,) in changing)


def _read_files(paths: Sequence[Path]) -> list[NewDocument]:
    """What cannot be read is left out, as what has another ending is."""
    documents = []
    for path in paths:
        try:
            found = read.document_of(path, str(path))
        except read.Unreadable as exc:
            _logger.info("not indexed: %s", exc)
            continue
        facts = {
            "source": str(path),
            "file_name": path.name,
            "extension": found.extension,
            "file_type": found.kind.value,
            "language": found.language,
            "size_bytes": found.size_bytes,
        }
        documents.append(NewDocument(name=str(path), text=found.text, title=path.name, metadata=facts))
    return documents
