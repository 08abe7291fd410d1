"""What the graph says of knowledge, and to whom."""

from uuid import uuid4

import pytest

import models
from domain import collections, storing, sync, sync_records
from domain.identity import SCOPES, Principal, PrincipalKind
from domain.ingestion import Ingestion
from domain.storing import NewDocument
from execution import Result
from tests.conftest import MakeTalk
from tests.knowing import fill
from tests.resolvers.asking import asker


def codes(result: Result) -> list[str]:
    return [error["extensions"]["code"].lower() for error in result.errors or []]


READ_COLLECTION = """
    query($id: ID!) {
      collection(id: $id) {
        name kind context tags embedder { name dimension } counts { documents indexed pending } chunkCount
        categories { category documents }
        documents(orderBy: NAME_ASC) { totalCount nodes { name state text characterCount wordCount chunkCount
          chunks { totalCount nodes { text index metadata document { name } } } } }
      }
    }
"""


async def test_reads_a_collection_and_what_is_in_it(
    ingestion: Ingestion, principal: Principal, process: MakeTalk
) -> None:
    collection = await fill(
        ingestion, principal, NewDocument("b", "Two words.", category="x"), NewDocument("a", "One.", metadata={"k": 1})
    )

    async with process() as talk:
        result = await asker(talk, principal)(READ_COLLECTION, id=str(collection.id))

    assert result.errors is None
    assert result.data is not None
    read = result.data["collection"]
    assert read["counts"] == {"documents": 2, "indexed": 2, "pending": 0}
    assert read["categories"] == [{"category": "x", "documents": 1}]
    assert read["chunkCount"] == 2
    assert [node["name"] for node in read["documents"]["nodes"]] == ["a", "b"]
    [chunk] = read["documents"]["nodes"][0]["chunks"]["nodes"]
    assert chunk["metadata"] | {"k": 1, "chunk_index": 0, "total_chunks": 1} == chunk["metadata"]


async def test_reads_many_documents_in_few_statements(
    ingestion: Ingestion, principal: Principal, process: MakeTalk
) -> None:
    collection = await fill(ingestion, principal, *(NewDocument(f"{n}", f"Text {n}.") for n in range(30)))
    document = """query($id: ID!) { collection(id: $id) { documents(first: 30) {
        nodes { name text preview characterCount chunkCount collection { name } syncCategory { name } } } } }"""

    async with process() as talk:
        ask = asker(talk, principal)
        async with ask.counting() as count:
            result = await ask(document, id=str(collection.id))

    assert result.errors is None
    # asyncpg asks a few of its own on connections that are new to it.
    assert count.statements < 20


async def test_goes_through_documents_in_any_order(principal: Principal, process: MakeTalk) -> None:
    collection = await collections.create(principal, "Handbook")
    await storing.store(collection, [NewDocument(name, f"{name}.") for name in "cabed"])
    document = """query($id: ID!, $after: String, $order: DocumentOrder!) { collection(id: $id) {
        documents(first: 2, after: $after, orderBy: $order) { nodes { name } pageInfo { hasNextPage endCursor } } } }"""

    async def names(order: str) -> str:
        found, after = "", None
        async with process() as talk:
            while True:
                result = await asker(talk, principal)(document, id=str(collection.id), after=after, order=order)
                assert result.data is not None
                page = result.data["collection"]["documents"]
                found += "".join(node["name"] for node in page["nodes"])
                if not page["pageInfo"]["hasNextPage"]:
                    return found
                after = page["pageInfo"]["endCursor"]

    assert await names("NAME_ASC") == "abcde"
    assert await names("NAME_DESC") == "edcba"
    assert sorted(await names("INDEXED_AT_DESC")) == list("abcde")
    assert await names("CREATED_AT_ASC") == (await names("CREATED_AT_DESC"))[::-1]


async def test_watches_until_everything_is_found(ingestion: Ingestion, principal: Principal, process: MakeTalk) -> None:
    collection = await fill(ingestion, principal, NewDocument("a", "One."))

    async with process() as talk:
        events = await asker(talk, principal).watch(
            "subscription($id: ID!) { ingestion(collectionId: $id) { sequence isComplete counts { indexed } } }",
            id=str(collection.id),
        )

    assert [event.data for event in events] == [
        {"ingestion": {"sequence": 1, "isComplete": True, "counts": {"indexed": 1}}}
    ]


# ---------------------------------------------------------------- strangers


# Everything that takes an id, by whose id it takes.
READS = [
    ("collection", "collection(id: $id) { name }"),
    ("document", "knowledgeDocument(id: $id) { name }"),
    ("collection", 'search(input: {terms: ["a"], collectionIds: [$id]}) { resultCount }'),
    ("name", "collection(name: $id) { id }"),
    ("name", 'search(input: {terms: ["a"], collectionName: $id}) { resultCount }'),
    ("source", "syncSource(id: $id) { name }"),
    ("source", "recoveryRequests(sourceId: $id) { totalCount }"),
]
WRITES = [
    ("collection", 'updateCollection(input: {id: $id, name: "x"}) { collection { id } }'),
    ("collection", "deleteCollection(input: {id: $id}) { deletedId }"),
    ("name", "deleteCollection(input: {name: $id}) { deletedId }"),
    ("collection", "resetCollection(input: {id: $id}) { documents }"),
    ("collection", "reindexCollection(input: {id: $id}) { documents }"),
    ("collection", "retryIngestion(input: {id: $id}) { documents }"),
    ("collection", "cancelIngestion(input: {id: $id}) { documents }"),
    ("collection", 'addDocument(input: {collectionId: $id, document: {name: "x", text: "y"}}) { document { id } }'),
    ("collection", 'upsertDocument(input: {collectionId: $id, document: {name: "x", text: "y"}}) { outcome }'),
    ("document", 'updateDocument(input: {id: $id, name: "x"}) { document { id } }'),
    ("document", "deleteDocument(input: {id: $id}) { deletedId }"),
    ("document", "retryDocument(input: {id: $id}) { document { id } }"),
    ("document", "cancelDocument(input: {id: $id}) { document { id } }"),
    ("source", "rotateSyncSourceKey(input: {sourceId: $id}) { secret }"),
    ("source", "deleteSyncSource(input: {sourceId: $id}) { deletedId }"),
    ("source", "syncHeartbeat(input: {sourceId: $id}) { source { id } }"),
    ("source", 'registerSyncCategory(input: {sourceId: $id, name: "x"}) { wasCreated }'),
    ("source", 'pushSyncRecords(input: {sourceId: $id, category: "products", records: []}) { stored }'),
    ("source", 'deleteSyncRecord(input: {sourceId: $id, category: "products", externalId: "1"}) { externalId }'),
    ("source", 'evictSyncRecord(input: {sourceId: $id, category: "products", externalId: "1"}) { externalId }'),
    ("source", 'rebuildSyncCategory(input: {sourceId: $id, category: "products"}) { recoveryRequested }'),
]
STRANGE = [
    *((whose, "query", field) for whose, field in READS),
    *((whose, "mutation", field) for whose, field in WRITES),
    ("collection", "subscription", "ingestion(collectionId: $id) { sequence }"),
]


async def somebodys(ingestion: Ingestion, principal: Principal) -> dict[str, str]:
    collection = await fill(ingestion, principal, NewDocument("a", "One."))
    document = await models.KnowledgeDocument.get(collection_id=collection.id)
    source, _, _ = await sync.create_source(principal, "shop")
    category, _ = await sync.register_category(principal, str(source.id), "products", display_name=None, columns=None)
    await sync_records.push(category, [{"id": "1", "name": "One"}])
    await sync_records.request_recovery(category.workspace_id, category.id, ["1"])
    request = await models.RecoveryRequest.get()
    ids = {"collection": collection.id, "document": document.id, "source": source.id, "category": category.id}
    return {name: str(id) for name, id in ids.items()} | {"request": str(request.id), "name": collection.name}


@pytest.mark.parametrize(("whose", "kind", "field"), STRANGE, ids=[field for _, _, field in STRANGE])
async def test_another_workspaces_ids_are_not_there(
    ingestion: Ingestion,
    principal: Principal,
    stranger: Principal,
    process: MakeTalk,
    whose: str,
    kind: str,
    field: str,
) -> None:
    """The same answer as for ids that nobody has."""
    theirs = await somebodys(ingestion, principal)
    document = f"{kind}($id: {'String!' if whose == 'name' else 'ID!'}) {{ {field} }}"

    async with process() as talk:
        ask = asker(talk, stranger)
        answers = [codes((await ask.watch(document, id=id))[0]) for id in (theirs[whose], str(uuid4()))]

    assert answers == [["not_found"], ["not_found"]]
    assert await models.KnowledgeDocument.filter(deleted_at=None, workspace_id=principal.workspace_id).count() == 2


async def test_a_request_of_another_source_is_not_there(
    ingestion: Ingestion, principal: Principal, stranger: Principal, process: MakeTalk
) -> None:
    theirs = await somebodys(ingestion, principal)
    own, _, _ = await sync.create_source(stranger, "shop")
    field = "fulfillRecoveryRequest(input: {sourceId: $own, id: $id}) { request { id } }"

    async with process() as talk:
        ask = asker(talk, stranger)
        result = await ask(f"mutation($own: ID!, $id: ID!) {{ {field} }}", own=str(own.id), id=theirs["request"])

    assert codes(result) == ["not_found"]


async def test_nodes_and_chunks_of_others_are_nothing(
    ingestion: Ingestion, principal: Principal, stranger: Principal, process: MakeTalk
) -> None:
    ids = await somebodys(ingestion, principal)
    document = """query($ids: [ID!]!, $c: ID!, $d: ID!, $s: ID!) { nodes(ids: $ids) { id }
        a: chunks(collectionId: $c) { totalCount } b: chunks(documentId: $d) { nodes { id } }
        s: chunks(syncCategoryId: $s) { nodes { id } } retrievals(sourceId: $d) { totalCount }
        collections { totalCount } syncSources { totalCount } knowledge { documents } }"""
    ids.pop("name")
    values = {"ids": list(ids.values()), "c": ids["collection"], "d": ids["document"], "s": ids["category"]}

    async with process() as talk:
        own = await asker(talk, principal)(document, **values)
        result = await asker(talk, stranger)(document, **values)

    assert own.data is not None
    assert None not in own.data["nodes"]
    assert result.errors is None
    assert result.data == {
        "nodes": [None] * len(ids), "a": {"totalCount": 0}, "b": {"nodes": []}, "s": {"nodes": []},
        "retrievals": {"totalCount": 0}, "collections": {"totalCount": 0}, "syncSources": {"totalCount": 0},
        "knowledge": {"documents": 0},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        (PrincipalKind.WSK, "mutation { syncHeartbeat { source { id } } }"),
        (PrincipalKind.SK, "query { recoveryRequests { totalCount } }"),
        (PrincipalKind.SSK, "query { collections { totalCount } }"),
        (PrincipalKind.SSK, 'query { search(input: {terms: ["a"]}) { resultCount } }'),
        (PrincipalKind.SSK, 'mutation { createCollection(input: {name: "x"}) { collection { id } } }'),
        (PrincipalKind.PAK, "query { library { id } }"),
        (PrincipalKind.AAK, 'mutation { addDocument(input: {document: {name: "x", text: "y"}}) { document { id } } }'),
        (PrincipalKind.WSK, 'mutation { createSyncSource(input: {name: "x"}) { secret } }'),
        (PrincipalKind.ANONYMOUS, "query { knowledge { documents } }"),
    ],
)
async def test_a_key_of_another_kind_is_refused(
    principal: Principal, process: MakeTalk, kind: PrincipalKind, document: str
) -> None:
    carrier = Principal(principal.workspace_id, kind, SCOPES[kind], source="shop")

    async with process() as talk:
        result = await asker(talk, carrier)(document)

    assert codes(result) in (["forbidden"], ["unauthenticated"])
