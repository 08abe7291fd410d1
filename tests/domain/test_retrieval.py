from uuid import UUID

import pytest

import models
from domain import collections, knowledge_documents
from domain import retrieval as retrievals
from domain.identity import Principal
from domain.ingestion import Ingestion
from domain.retrieval import Asked, Found, Retrieval, Search, SearchMethod, SearchOrder
from domain.storing import NewDocument
from errors import Invalid, NotFound
from models.database import connection
from tests.knowing import fill, until_indexed

BREAD = NewDocument("bread", "Bread is baked in a hot oven for forty minutes.", tags=("food",), reference="kitchen")
SOUP = NewDocument("soup", "Soup simmers slowly with onions and carrots.", tags=("food", "hot"), reference="kitchen")
ROCKET = NewDocument("rocket", "The XK-4417 rocket engine burns methane.", tags=("space",), metadata={"year": 2031})


def names(found: Found) -> list[str]:
    return [hit.chunk.document.name for hit in found.hits]


async def test_finds_by_meaning_and_by_words(ingestion: Ingestion, principal: Principal, retrieval: Retrieval) -> None:
    await fill(ingestion, principal, BREAD, SOUP, ROCKET)

    meaning = Search(("baking a loaf of bread dough",), method=SearchMethod.MEANING)
    by_meaning = await retrieval.search(principal, meaning)
    by_words = await retrieval.search(principal, Search(("XK-4417",), method=SearchMethod.WORDS))

    assert names(by_meaning)[0] == "bread"
    assert names(by_words) == ["rocket"]


async def test_several_terms_are_a_union(ingestion: Ingestion, principal: Principal, retrieval: Retrieval) -> None:
    await fill(ingestion, principal, BREAD, SOUP, ROCKET)

    found = await retrieval.search(principal, Search(("baking bread", "rocket engine"), top=2))

    assert sorted(names(found)) == ["bread", "rocket"]
    assert [hit.rank for hit in found.hits] == [1, 2]
    assert all(0 < hit.score <= 1 for hit in found.hits)


async def test_orders_by_score_when_asked(ingestion: Ingestion, principal: Principal, retrieval: Retrieval) -> None:
    await fill(ingestion, principal, BREAD, SOUP, ROCKET)

    found = await retrieval.search(principal, Search(("soup in the oven",), order=SearchOrder.SCORE))

    scores = [hit.score for hit in found.hits]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 3


async def test_keeps_to_the_least_score(ingestion: Ingestion, principal: Principal, retrieval: Retrieval) -> None:
    await fill(ingestion, principal, BREAD, SOUP, ROCKET)

    found = await retrieval.search(principal, Search(("Bread is baked in a hot oven",), min_score=0.6))

    assert names(found) == ["bread"]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"tags": ("food",)}, ["bread", "soup"]),
        ({"tags": ("food", "hot")}, ["soup"]),
        ({"reference": "kitchen"}, ["bread", "soup"]),
        ({"metadata": '{"year": 2031}'}, ["rocket"]),
        ({"metadata": '{"year": 2031, "chunk_index": 1}'}, []),
        ({"category": "none"}, []),
        ({"document_ids": ("no id",)}, []),
    ],
)
async def test_sieves_inside(
    ingestion: Ingestion, principal: Principal, retrieval: Retrieval, wanted: dict[str, object], expected: list[str]
) -> None:
    await fill(ingestion, principal, BREAD, SOUP, ROCKET)

    found = await retrieval.search(principal, Search(("hot engine",), **wanted))  # type: ignore[arg-type]  # parameters of many types

    assert sorted(names(found)) == expected


async def test_brings_what_shares_a_reference(ingestion: Ingestion, principal: Principal, retrieval: Retrieval) -> None:
    await fill(ingestion, principal, BREAD, SOUP, ROCKET)

    found = await retrieval.search(principal, Search(("bread oven",), top=1, include_references=True))

    assert [row.name for row in found.hits[0].references] == ["soup"]


async def test_one_result_per_document(ingestion: Ingestion, principal: Principal, retrieval: Retrieval) -> None:
    long = "\n\n".join(f"Paragraph {n} about sailing boats on the northern sea. " * 12 for n in range(10))
    await fill(ingestion, principal, NewDocument("boats", long), BREAD)

    chunks = await retrieval.search(principal, Search(("sailing boats",), top=2))
    documents = await retrieval.search(principal, Search(("sailing boats",), top=2, per_document=True))

    assert names(chunks).count("boats") > 1
    assert names(documents) == ["boats", "bread"]


async def test_what_is_deleted_is_gone_at_once(
    ingestion: Ingestion, principal: Principal, retrieval: Retrieval
) -> None:
    collection = await fill(ingestion, principal, BREAD, SOUP)
    await ingestion.jobs.close()
    found = await retrieval.search(principal, Search(("bread",)))
    bread = await knowledge_documents.find(principal, str(found.hits[0].chunk.document.id))

    await knowledge_documents.delete(bread)
    without_bread = names(await retrieval.search(principal, Search(("bread",))))
    await collections.delete(collection)

    assert without_bread == ["soup"]
    assert names(await retrieval.search(principal, Search(("soup",)))) == []
    with pytest.raises(NotFound):
        await retrieval.search(principal, Search(("soup",), collection_ids=(str(collection.id),)))


async def test_equal_texts_are_found_with_what_is_said_of_each(
    ingestion: Ingestion, principal: Principal, retrieval: Retrieval
) -> None:
    await fill(
        ingestion, principal, NewDocument("a", "The same.", tags=("x",)), NewDocument("b", "The same.", tags=("y",))
    )

    assert names(await retrieval.search(principal, Search(("same",), tags=("y",)))) == ["b"]


async def test_hides_other_workspaces(
    ingestion: Ingestion, principal: Principal, stranger: Principal, retrieval: Retrieval
) -> None:
    collection = await fill(ingestion, principal, BREAD)

    assert names(await retrieval.search(stranger, Search(("bread",)))) == []
    with pytest.raises(NotFound):
        await retrieval.search(stranger, Search(("bread",), collection_ids=(str(collection.id),)))


async def test_changes_to_another_embedder_while_the_first_one_answers(
    ingestion: Ingestion, principal: Principal, retrieval: Retrieval
) -> None:
    collection = await fill(ingestion, principal, BREAD, SOUP)
    other = await models.Embedder.get(workspace_id=principal.workspace_id, name="short-8")

    await collections.change_embedder(principal, collection, str(other.id))
    meanwhile = names(await retrieval.search(principal, Search(("bread",))))
    await until_indexed(ingestion, principal, collection)

    changed = await collections.find(principal, str(collection.id))
    assert meanwhile[0] == "bread"
    assert (changed.embedder_id, changed.next_embedder_id) == (other.id, None)
    assert sorted(names(await retrieval.search(principal, Search(("bread",))))) == ["bread", "soup"]


async def test_searches_collections_of_different_embedders_at_once(
    ingestion: Ingestion, principal: Principal, retrieval: Retrieval
) -> None:
    first = await fill(ingestion, principal, BREAD, name="first")
    second = await fill(ingestion, principal, ROCKET, name="second")
    other = await models.Embedder.get(workspace_id=principal.workspace_id, name="short-8")
    await collections.change_embedder(principal, second, str(other.id))
    await until_indexed(ingestion, principal, second)

    found = await retrieval.search(principal, Search(("rocket bread",)))

    assert sorted(names(found)) == ["bread", "rocket"]
    assert {each.id for each in found.collections} == {first.id, second.id}


@pytest.mark.parametrize(
    "search",
    [
        Search(()),
        Search((" ",)),
        Search(("a",) * 11),
        Search(("a",), top=0),
        Search(("a",), top=129),
        Search(("a",), min_score=2),
    ],
)
async def test_refuses_what_makes_no_sense(principal: Principal, retrieval: Retrieval, search: Search) -> None:
    with pytest.raises(Invalid):
        await retrieval.search(principal, search)


async def test_odd_words_break_nothing(ingestion: Ingestion, principal: Principal, retrieval: Retrieval) -> None:
    await fill(ingestion, principal, BREAD)

    for term in ("' | & ! :* \\", "日本語", "a" * 5000, "\0", "🙂", "the of and", 'x\'y "z"'):
        await retrieval.search(principal, Search((term, "bread")))


async def test_logs_are_kept_for_a_while(ingestion: Ingestion, principal: Principal, retrieval: Retrieval) -> None:
    await fill(ingestion, principal, BREAD, SOUP)
    found = await retrieval.search(principal, Search(("bread",)))
    await retrieval.record(principal, found, Asked("assistant"))
    old, new = await models.RetrievalLog.all().order_by("id")
    hour_ago = UUID(int=old.id.int - (3_600_000 << 80))
    async with connection() as bare:
        await bare.execute("UPDATE retrieval_logs SET id = $1 WHERE id = $2", hour_ago, old.id)

    await retrievals.forget_logs(1 / 48)

    assert [row.id for row in await models.RetrievalLog.all()] == [new.id]
