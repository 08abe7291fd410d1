import asyncio
import signal
import sys
from contextlib import aclosing
from pathlib import Path
from typing import Any  # Credentials are an open dictionary.
from uuid import UUID

import numpy as np
import orjson
import pytest

import models
from domain import collections, importing, storing
from domain.collections import Chunking
from domain.embedders import Embedders
from domain.identity import Principal
from domain.importing import Folder
from domain.ingestion import Ingestion, IngestionOptions
from domain.retrieval import Retrieval, Search
from domain.storing import NewDocument
from engine.embeddings import Purpose, Vectors
from engine.wordllama import WordLlama
from errors import NotFound, ProviderFailed, ProviderUnavailable
from knowledge import index, rows, vector_index
from models import IndexState
from models.database import connection, transaction
from tests.conftest import EMBEDDERS, ShortVectors
from tests.knowing import fill, until_indexed

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
async def handbook(principal: Principal) -> models.Collection:
    return await collections.create(principal, "Handbook")


async def count(sql: str) -> int:
    async with connection() as bare:
        found: int = await bare.fetchval(sql)
    return found


async def test_goes_on_after_a_kill(
    database: dict[str, Any], principal: Principal, handbook: models.Collection, retrieval: Retrieval
) -> None:
    """Whoever takes over a dead process's work ends it, and nothing is there twice."""
    documents = [NewDocument(f"{n}.txt", f"Document {n} speaks of subject {n}. " * 40) for n in range(3_000)]
    for start in range(0, len(documents), 500):
        await storing.store(handbook, documents[start : start + 500])
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.indexing_process", orjson.dumps(database).decode(), cwd=ROOT
    )
    watcher = Ingestion(EMBEDDERS, works=False)
    watcher.open()
    async with aclosing(watcher.follow(principal, str(handbook.id))) as progress:
        async for step in progress:
            if step.counts.indexed > 100:
                worker.send_signal(signal.SIGKILL)
                break
    await worker.wait()
    assert (await collections.counts([handbook.id]))[0].pending > 0

    heir = Ingestion(EMBEDDERS, IngestionOptions(takeover_seconds=2))
    heir.open()
    events = await until_indexed(heir, principal, handbook)
    await heir.close()
    await watcher.close()

    assert events[-1].counts.indexed == 3_000
    assert await count("SELECT count(*) FROM contents WHERE chunk_count IS NULL") == 0
    assert await count("SELECT sum(chunk_count) FROM contents") == await count("SELECT count(*) FROM chunks")
    assert await count("SELECT count(*) FROM chunks") == await count("SELECT count(*) FROM chunk_vectors")
    found = await retrieval.search(principal, Search(("subject 2718",), top=1))
    assert found.hits[0].chunk.document.name == "2718.txt"


async def test_a_job_that_runs_twice_changes_nothing(
    ingestion: Ingestion, principal: Principal, handbook: models.Collection
) -> None:
    stored = await storing.store(handbook, [NewDocument("a", "Words about something. " * 100)])
    payload = stored[0].document_id.bytes

    await asyncio.gather(*(ingestion.ingest(payload) for _ in range(4)))
    await until_indexed(ingestion, principal, handbook)

    assert await count("SELECT count(*) FROM chunks") == await count("SELECT sum(chunk_count) FROM contents")
    assert (await models.KnowledgeDocument.get(id=stored[0].document_id)).state is IndexState.INDEXED


async def test_leaving_gives_the_work_back(principal: Principal, handbook: models.Collection) -> None:
    slow = Slow()
    first = Ingestion(Embedders([slow]))
    await use_short_vectors(principal, handbook)
    await storing.store(handbook, [NewDocument("a", "Words.")])
    first.open()
    await asyncio.wait_for(slow.began.wait(), 10)
    await first.close()

    second = Ingestion(EMBEDDERS)
    second.open()
    events = await asyncio.wait_for(until_indexed(second, principal, handbook), 20)
    await second.close()

    assert events[-1].counts.indexed == 1


async def test_cancelling_stops_what_waits(principal: Principal, handbook: models.Collection) -> None:
    ingestion = Ingestion(EMBEDDERS)
    await storing.store(handbook, [NewDocument(f"{n}", f"Text {n}.") for n in range(20)])

    cancelled = await collections.cancel(handbook)
    ingestion.open()
    events = await until_indexed(ingestion, principal, handbook)
    retried = await collections.retry(handbook)
    events = await until_indexed(ingestion, principal, handbook)
    await ingestion.close()

    assert (cancelled, retried) == (20, 20)
    assert events[-1].counts.indexed == 20


async def test_one_document_does_not_fail_for_another(principal: Principal, handbook: models.Collection) -> None:
    ingestion = Ingestion(Embedders([Picky()]))
    await use_short_vectors(principal, handbook)
    await storing.store(handbook, [NewDocument("good", "Good words."), NewDocument("bad", "Poison.")])

    ingestion.open()
    await until_indexed(ingestion, principal, handbook)
    await ingestion.close()

    states = {row.name: (row.state, row.failure) for row in await models.KnowledgeDocument.all()}
    assert states == {
        "good": (IndexState.INDEXED, None),
        "bad": (IndexState.FAILED, "short: this text is refused"),
    }


async def test_a_vendor_that_comes_back_is_asked_again(principal: Principal, handbook: models.Collection) -> None:
    flaky = Flaky()
    ingestion = Ingestion(Embedders([flaky]))
    await use_short_vectors(principal, handbook)
    await storing.store(handbook, [NewDocument("a", "Words.")])

    ingestion.open()
    events = await asyncio.wait_for(until_indexed(ingestion, principal, handbook), 20)
    await ingestion.close()

    assert events[-1].counts.indexed == 1
    assert flaky.calls == 2


async def test_a_long_document_is_written_some_at_a_time(
    ingestion: Ingestion, principal: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "_CHUNKS_AT_ONCE", 2)

    await fill(ingestion, principal, NewDocument("a", "".join(f"Sentence {n} of many. " for n in range(1_000))))

    positions = [chunk.position for chunk in await models.Chunk.all().order_by("position")]
    assert len(positions) > 4
    assert positions == list(range(len(positions)))
    assert await count("SELECT count(*) FROM chunk_vectors") == await count("SELECT sum(chunk_count) FROM contents")


async def test_vectors_are_kept_as_they_were_made(principal: Principal, handbook: models.Collection) -> None:
    await use_short_vectors(principal, handbook)
    ingestion = Ingestion(EMBEDDERS)
    ingestion.open()
    await storing.store(handbook, [NewDocument("a", "Words."), NewDocument("b", "Other words.")])
    await until_indexed(ingestion, principal, handbook)
    await ingestion.close()

    async with connection() as bare:
        rows = await bare.fetch(
            "SELECT c.text, v.embedding::real[] AS vector FROM chunk_vectors v JOIN chunks c ON c.id = v.chunk_id"
        )
    made = await ShortVectors().embed([row["text"] for row in rows])
    assert len(rows) == 2
    assert np.array([row["vector"] for row in rows], np.float32).tolist() == made.tolist()


async def test_what_is_deleted_while_it_is_embedded_is_not_written(
    ingestion: Ingestion, principal: Principal, handbook: models.Collection
) -> None:
    await storing.store(handbook, [NewDocument("a", "Words.")])
    content = await models.Content.get(collection_id=handbook.id)
    target = rows.Target(principal.workspace_id, handbook.id, handbook.embedder_id)
    piece = rows.Piece(models.new_id(models.Kind.CHUNK), content.id, 0, "", "Words.", "digest", 1, 1)
    found = await rows.embedded(target, [piece], WordLlama())
    await content.delete()

    async with transaction(), connection() as bare:
        await rows.add(bare, target, found)

    assert await count("SELECT count(*) FROM chunks") == 0


async def test_an_index_is_due_once(ingestion: Ingestion, principal: Principal) -> None:
    collection = await fill(ingestion, principal, NewDocument("a", "One."), NewDocument("b", "Two."))
    embedder = await models.Embedder.get(id=collection.embedder_id)

    assert not await vector_index.is_due(embedder.id, 3)
    assert await vector_index.is_due(embedder.id, 2)
    await vector_index.build(embedder.id, embedder.dimension)
    assert not await vector_index.is_due(embedder.id, 2)


async def test_what_is_deleted_leaves_nothing_behind(ingestion: Ingestion, principal: Principal) -> None:
    collection = await fill(ingestion, principal, NewDocument("a", "One."), NewDocument("b", "Two."))
    await collections.delete(collection)

    await ingestion.sweep(collection.id.bytes)

    for table in ("collections", "knowledge_documents", "contents", "chunks", "chunk_vectors"):
        assert await count(f"SELECT count(*) FROM {table}") == 0, table


async def test_a_text_embedded_before_is_not_embedded_again(principal: Principal) -> None:
    counting = Counting()
    ingestion = Ingestion(Embedders([counting]))
    ingestion.open()
    for name in ("one", "two"):
        collection = await collections.create(principal, name)
        await use_short_vectors(principal, collection)
        await storing.store(collection, [NewDocument("a", "The same words.")])
        await until_indexed(ingestion, principal, collection)
    await ingestion.close()

    assert counting.texts == 1
    assert await count("SELECT count(*) FROM chunk_vectors") == 2


async def test_a_text_that_was_to_be_copied_may_be_deleted_meanwhile(principal: Principal) -> None:
    """As when a collection is made anew: the old one is swept while the same words are indexed for the new one."""
    sweeping = Sweeping()
    ingestion = Ingestion(Embedders([sweeping]))
    ingestion.open()
    same, other = ("The same words. " * 6).strip(), ("Other words. " * 7).strip()
    sizes = Chunking(100, 0)
    old = await collections.create(principal, "old", chunking=sizes)
    new = await collections.create(principal, "new", chunking=sizes)
    for collection in (old, new):
        await use_short_vectors(principal, collection)
    await storing.store(old, [NewDocument("a", same)])
    await until_indexed(ingestion, principal, old)
    sweeping.swept = old.id

    await storing.store(new, [NewDocument("a", f"{same}\n\n{other}")])
    await until_indexed(ingestion, principal, new)
    await ingestion.close()

    documents = await models.KnowledgeDocument.filter(collection_id=new.id)
    assert {document.state for document in documents} == {models.IndexState.INDEXED}
    assert await count("SELECT count(*) FROM chunk_vectors") == 2


# ---------------------------------------------------------------- files of the server


async def test_indexes_a_folder(
    principal: Principal, workspace: models.Workspace, retrieval: Retrieval, tmp_path: Path
) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "app.py").write_text("def greet(name):\n    return f'Hello {name}'\n")
    (tmp_path / "src" / "notes.md").write_text("# Notes\n\nThe greeting is friendly.\n")
    (tmp_path / "src" / "image.png").write_bytes(b"\x89PNG")
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "left.js").write_text("module.exports = 1\n")
    ingestion = Ingestion(EMBEDDERS, IngestionOptions(roots=(tmp_path,)))
    ingestion.open()

    first = await ingestion.index_path(principal, Folder(str(tmp_path)), "code")
    again = await ingestion.index_path(principal, Folder(str(tmp_path)), "code")
    await ingestion.close()

    assert (first.files, first.chunks, again.files, again.chunks) == (2, 2, 2, 2)
    assert again.collection is not None
    found = await retrieval.search(principal, Search(("greet",), collection_name="code"))
    hit = next(hit for hit in found.hits if hit.chunk.document.metadata["file_name"] == "app.py")
    assert hit.chunk.text.startswith("File: app.py\n\ndef greet")
    assert hit.chunk.metadata["extension"] == ".py"
    assert await collections.visible_to(principal).filter(name="code").count() == 1


async def test_leads_nowhere_but_below_its_roots(principal: Principal, tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (outside / "secret.md").write_text("A secret.")
    (inside / "link.md").symlink_to(outside / "secret.md")
    (inside / "door").symlink_to(outside)

    assert await importing.files_of(Folder(str(inside)), [inside]) == []
    for path in (outside, inside / "door" / "secret.md", inside / ".." / "outside", inside / "missing"):
        with pytest.raises(NotFound):
            await importing.files_of(Folder(str(path)), [inside])
    with pytest.raises(NotFound):
        await importing.files_of(Folder(str(inside)), [])


# ---------------------------------------------------------------- embedders that behave badly


async def short_embedder(principal: Principal) -> Any:
    return (await models.Embedder.get(workspace_id=principal.workspace_id, name="short-8")).id


async def use_short_vectors(principal: Principal, collection: models.Collection) -> None:
    collection.embedder_id = await short_embedder(principal)
    await collection.save(update_fields=["embedder_id"])


class Slow(ShortVectors):
    def __init__(self) -> None:
        self.began = asyncio.Event()

    async def embed(self, texts: Any, purpose: Purpose = Purpose.DOCUMENT) -> Vectors:
        self.began.set()
        await asyncio.Event().wait()
        raise AssertionError


class Picky(ShortVectors):
    async def embed(self, texts: Any, purpose: Purpose = Purpose.DOCUMENT) -> Vectors:
        if any("Poison" in text for text in texts):
            raise ProviderFailed("short", "this text is refused")
        return await super().embed(texts, purpose)


class Flaky(ShortVectors):
    calls = 0

    async def embed(self, texts: Any, purpose: Purpose = Purpose.DOCUMENT) -> Vectors:
        self.calls += 1
        if self.calls == 1:
            raise ProviderUnavailable("short", "away")
        return await super().embed(texts, purpose)


class Sweeping(ShortVectors):
    """Takes so long that a collection is gone meanwhile."""

    swept: UUID | None = None

    async def embed(self, texts: Any, purpose: Purpose = Purpose.DOCUMENT) -> Vectors:
        if self.swept is not None:
            await models.Chunk.filter(collection_id=self.swept).delete()
        return await super().embed(texts, purpose)


class Counting(ShortVectors):
    texts = 0

    async def embed(self, texts: Any, purpose: Purpose = Purpose.DOCUMENT) -> Vectors:
        self.texts += len(texts)
        return await super().embed(texts, purpose)
