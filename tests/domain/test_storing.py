import asyncio
from pathlib import Path

import pytest

import models
from domain import collections, knowledge_documents, storing
from domain.identity import Principal
from domain.importing import import_records
from domain.ingestion import Ingestion
from domain.storing import NewDocument, Outcome
from errors import Invalid, NotFound
from knowledge import read
from models import IndexState
from tests.knowing import fill, until_indexed


@pytest.fixture
async def handbook(principal: Principal) -> models.Collection:
    return await collections.create(principal, "Handbook")


async def test_says_what_became_of_a_name(handbook: models.Collection) -> None:
    first, created = await storing.upsert(handbook, NewDocument("a.md", "One."))
    _, same = await storing.upsert(handbook, NewDocument("a.md", "One."))
    _, tagged = await storing.upsert(handbook, NewDocument("a.md", "One.", tags=("new",)))
    second, changed = await storing.upsert(handbook, NewDocument("a.md", "Two."))

    assert [created, same, tagged, changed] == [
        Outcome.CREATED, Outcome.UNCHANGED, Outcome.MODIFIED, Outcome.MODIFIED,
    ]  # fmt: skip
    assert first.id == second.id


async def test_the_last_of_one_name_stays(handbook: models.Collection) -> None:
    stored = await storing.store(handbook, [NewDocument("a", "One."), NewDocument("b", "B."), NewDocument("a", "Two.")])

    assert [each.outcome for each in stored] == [Outcome.UNCHANGED, Outcome.CREATED, Outcome.CREATED]
    document = await models.KnowledgeDocument.get(id=stored[0].document_id).prefetch_related("content")
    assert document.content.text == "Two."


async def test_keeps_equal_texts_once(ingestion: Ingestion, principal: Principal) -> None:
    collection = await fill(
        ingestion, principal, NewDocument("a", "The same words."), NewDocument("b", "The same words.")
    )

    assert await models.Content.filter(collection_id=collection.id).count() == 1
    assert await models.Chunk.filter(collection_id=collection.id).count() == 1
    assert await models.KnowledgeDocument.filter(collection_id=collection.id, state=IndexState.INDEXED).count() == 2


async def test_one_name_once_in_a_collection_and_twice_in_the_library(
    principal: Principal, handbook: models.Collection
) -> None:
    library = await collections.library(principal)
    await storing.add(handbook, NewDocument("a", "One."))

    with pytest.raises(Invalid, match="taken by another document"):
        await storing.add(handbook, NewDocument("a", "Two."))
    one, two = [await storing.add(library, NewDocument("a", "One.")) for _ in range(2)]

    assert one.id != two.id


async def test_the_library_is_made_once(principal: Principal) -> None:
    made = await asyncio.gather(*(collections.library(principal) for _ in range(5)))

    assert len({library.id for library in made}) == 1


async def test_upserts_of_one_name_at_once_leave_one(handbook: models.Collection) -> None:
    await asyncio.gather(*(storing.upsert(handbook, NewDocument("a", f"Version {n}.")) for n in range(8)))

    assert await models.KnowledgeDocument.filter(collection_id=handbook.id, deleted_at=None).count() == 1


async def test_stores_nothing_in_a_deleted_collection(handbook: models.Collection) -> None:
    await collections.delete(handbook)

    with pytest.raises(NotFound):
        await storing.upsert(handbook, NewDocument("a", "One."))


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        (NewDocument(" ", "One."), "name must not be empty"),
        (NewDocument("n" * 257, "One."), "name must not be longer"),
        (NewDocument("a", " \n"), "text must not be empty"),
        (NewDocument("a", "One.", reference="r" * 65), "reference must not be longer"),
        (NewDocument("a", "One.", metadata=["no object"]), "metadata must be a JSON object"),
    ],
)
async def test_says_what_is_wrong(handbook: models.Collection, document: NewDocument, complaint: str) -> None:
    with pytest.raises(Invalid, match=complaint):
        await storing.upsert(handbook, document)


async def test_a_file_that_is_too_large_is_not_even_read(handbook: models.Collection, tmp_path: Path) -> None:
    path = tmp_path / "large.pdf"
    with path.open("wb") as file:
        file.truncate(read.Limits().file_bytes + 1)

    with pytest.raises(Invalid, match="file must not be larger"):
        await storing.add(handbook, NewDocument("large.pdf", source=path))


async def test_leaves_out_what_postgres_cannot_keep(handbook: models.Collection) -> None:
    stored = await storing.add(handbook, NewDocument("a\0b", "One\0Two", metadata={"key": "v\0w"}, tags=("t\0u",)))

    assert (stored.name, stored.metadata, stored.tags) == ("ab", {"key": "vw"}, ["tu"])


async def test_imports_lines_twice(handbook: models.Collection, tmp_path: Path) -> None:
    lines = tmp_path / "documents.jsonl"
    lines.write_text("".join(f'{{"docid": "doc {n}", "text": "Text {n}.", "__tags": ["x"]}}\n' for n in range(2500)))

    first = await import_records(handbook, lines)
    second = await import_records(handbook, lines)

    assert (first.enqueued, first.skipped) == (2500, 0)
    assert (second.enqueued, second.skipped) == (0, 2500)
    assert await models.KnowledgeDocument.filter(collection_id=handbook.id).count() == 2500


async def test_a_wrong_line_stops_the_import_before_it_begins(handbook: models.Collection, tmp_path: Path) -> None:
    lines = tmp_path / "documents.jsonl"
    lines.write_text('{"docid": "a", "text": "One."}\n{"docid": "b"\n{"text": "No name."}\n')

    with pytest.raises(Invalid, match=r"line 2 .*line 3 has no docid"):
        await import_records(handbook, lines)

    assert await models.KnowledgeDocument.filter(collection_id=handbook.id).count() == 0


async def test_deletes_what_the_file_does_not_name(handbook: models.Collection, tmp_path: Path) -> None:
    lines = tmp_path / "documents.jsonl"
    lines.write_text('{"docid": "a", "text": "One."}\n')
    await storing.store(handbook, [NewDocument("a", "One."), NewDocument("b", "Two.")])

    imported = await import_records(handbook, lines, delete_others=True)

    assert (imported.enqueued, imported.skipped, imported.deleted) == (0, 1, 1)


async def test_filters_by_a_line(principal: Principal, handbook: models.Collection) -> None:
    await storing.store(
        handbook,
        [
            NewDocument("cars/civic", "Oil every year.", tags=("cars", "japan"), reference="civic"),
            NewDocument("cars/golf", "Oil and filter.", tags=("cars",)),
            NewDocument("bikes/trek", "Chain oil.", tags=("bikes",)),
        ],
    )
    rows = models.KnowledgeDocument.filter(collection_id=handbook.id).order_by("name")

    async def names(line: str) -> list[str]:
        wanted = knowledge_documents.parse_expression(line)
        return [row.name for row in await knowledge_documents.matching(rows, wanted)]

    assert await names("-t cars") == ["cars/civic", "cars/golf"]
    assert await names('-t "cars" -n golf') == ["cars/golf"]
    assert await names("-r civic") == ["cars/civic"]
    assert await names('-c "oil and"') == ["cars/golf"]
    assert await names("CARS") == ["cars/civic", "cars/golf"]
    civic = await rows.get(name="cars/civic")
    assert await names(f"-i {str(civic.id)[20:]}") == ["cars/civic"]
    with pytest.raises(Invalid, match="not closed"):
        await names('-n "golf')


async def test_a_failed_document_keeps_its_reason_and_is_tried_again(
    ingestion: Ingestion, principal: Principal, handbook: models.Collection
) -> None:
    await storing.store(
        handbook, [NewDocument("bad.pdf", source=b"%PDF-1.4 no more of it"), NewDocument("good.txt", "Words.")]
    )

    await until_indexed(ingestion, principal, handbook)

    bad = await models.KnowledgeDocument.get(name="bad.pdf")
    assert bad.state is IndexState.FAILED
    assert "bad.pdf" in (bad.failure or "")
    assert (await models.KnowledgeDocument.get(name="good.txt")).state is IndexState.INDEXED
    await ingestion.close()
    assert (await knowledge_documents.retry(bad)).state is IndexState.QUEUED
