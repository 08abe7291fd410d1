from datetime import UTC, datetime, timedelta
from typing import Any  # Records are open.

import pytest

import models
from domain import collections, keys, sync, sync_records
from domain.identity import SCOPES, KeyKind, Principal, PrincipalKind
from domain.ingestion import Ingestion
from domain.retrieval import Retrieval, Search
from domain.sync import CategoryTotals, SyncSourceStatus
from errors import Invalid, NotFound
from models import RecoveryReason, RecoveryStatus
from tests.knowing import until_indexed

WIDGET: dict[str, Any] = {"id": "sku-1", "name": "Blue widget", "price": 12.5, "internal": "shelf 9"}
GADGET: dict[str, Any] = {"id": 2, "name": "Red gadget", "price": 3, "internal": "shelf 1"}


@pytest.fixture
def shop(principal: Principal) -> Principal:
    """Who comes with the key of the source `shop`."""
    return Principal(principal.workspace_id, PrincipalKind.SSK, SCOPES[PrincipalKind.SSK], source="shop")


@pytest.fixture
async def products(shop: Principal) -> models.SyncCategory:
    category, _ = await sync.register_category(shop, None, "products", display_name=None, columns=["name", "price"])
    return category


async def indexed(ingestion: Ingestion, principal: Principal, category: models.SyncCategory) -> None:
    await until_indexed(ingestion, principal, await models.Collection.get(id=category.collection_id))


async def test_a_source_is_heard_of(shop: Principal) -> None:
    source = await sync.source_of(shop, None)
    assert sync.status_of(source) is SyncSourceStatus.NEVER_CONNECTED

    assert sync.status_of(await sync.heartbeat(source)) is SyncSourceStatus.CONNECTED
    source.last_heartbeat_at = datetime.now(UTC) - timedelta(minutes=6)
    assert sync.status_of(source) is SyncSourceStatus.STALE


async def test_a_sync_key_sees_its_source_only(principal: Principal, shop: Principal) -> None:
    other, _, _ = await sync.create_source(principal, "warehouse")

    with pytest.raises(NotFound):
        await sync.source_of(shop, str(other.id))
    assert (await sync.source_of(shop, None)).name == "shop"


async def test_a_source_has_one_key(principal: Principal) -> None:
    source, first, _ = await sync.create_source(principal, "warehouse")
    _, second, secret = await sync.rotate_key(principal, str(source.id))

    await first.refresh_from_db()
    assert first.revoked_at is not None
    assert second.kind == KeyKind.SSK.value
    assert (await keys.Keys().authenticate(secret, None)).source == "warehouse"


async def test_counts_what_was_pushed_and_skips_what_is_known(products: models.SyncCategory) -> None:
    first = await sync_records.push(products, [WIDGET, GADGET])
    second = await sync_records.push(products, [WIDGET, GADGET])
    third = await sync_records.push(products, [WIDGET | {"price": 13}, WIDGET | {"price": 14}, GADGET])

    assert [(each.stored, each.skipped) for each in (first, second, third)] == [(2, 0), (0, 2), (1, 2)]
    text_lengths = len("name: Blue widget\nprice: 14") + len("name: Red gadget\nprice: 3")
    assert await sync.totals([products.id]) == [CategoryTotals(2, 2, text_lengths)]


async def test_finds_records_by_their_columns(
    ingestion: Ingestion, principal: Principal, retrieval: Retrieval, products: models.SyncCategory
) -> None:
    await sync_records.push(products, [WIDGET, GADGET])
    await indexed(ingestion, principal, products)

    found = await retrieval.search(principal, Search(("red gadget",), top=1))

    [hit] = found.hits
    assert hit.chunk.text == "name: Red gadget\nprice: 3"
    assert (hit.chunk.external_id, hit.category_id) == ("2", products.id)


async def test_a_long_record_makes_several_shards(products: models.SyncCategory) -> None:
    await sync_records.push(products, [{"id": "long", "name": "A sentence of some words. " * 60}])

    [totals] = await sync.totals([products.id])
    assert totals.shards >= 4


@pytest.mark.parametrize(
    "records", [None, [], {}, ["text"], [{"name": "no id"}], [{"id": ""}], [{"id": None}], [{"id": True}], [{"id": []}]]
)
async def test_stores_nothing_when_something_is_wrong(products: models.SyncCategory, records: Any) -> None:
    with pytest.raises(Invalid):
        await sync_records.push(products, [WIDGET, *records] if isinstance(records, list) and records else records)

    assert await models.SyncRecord.all().count() == 0


async def test_a_deleted_record_is_gone_at_once(
    ingestion: Ingestion, principal: Principal, retrieval: Retrieval, products: models.SyncCategory
) -> None:
    await sync_records.push(products, [WIDGET, GADGET])
    await indexed(ingestion, principal, products)

    await sync_records.delete(products, "2")

    found = await retrieval.search(principal, Search(("gadget",)))
    assert [hit.chunk.external_id for hit in found.hits] == ["sku-1"]
    with pytest.raises(NotFound):
        await sync_records.delete(products, "2")


async def test_a_rebuild_asks_for_what_is_gone(products: models.SyncCategory, shop: Principal) -> None:
    await sync_records.push(products, [WIDGET, GADGET])
    await sync_records.evict(products, "2")

    assert await sync_records.rebuild(products) == 1
    assert await sync_records.rebuild(products) == 1

    [request] = await models.RecoveryRequest.all()
    assert (request.external_id, request.reason, request.status) == (
        "2",
        RecoveryReason.REBUILD,
        RecoveryStatus.PENDING,
    )


async def test_old_records_are_asked_for_when_they_are_read(products: models.SyncCategory) -> None:
    await sync_records.push(products, [WIDGET, GADGET])
    await models.SyncRecord.filter(external_id="2").update(updated_at=datetime.now(UTC) - timedelta(days=100))

    await sync_records.evict_older_than(days=90)
    await sync_records.request_recovery(products.workspace_id, products.id, ["2"])

    assert [record.external_id for record in await models.SyncRecord.filter(payload=None)] == ["2"]
    [request] = await models.RecoveryRequest.all()
    assert (request.external_id, request.reason) == ("2", RecoveryReason.CACHE_MISS)


async def test_a_record_that_is_pushed_again_is_kept(products: models.SyncCategory, shop: Principal) -> None:
    await sync_records.push(products, [WIDGET, GADGET])
    await sync_records.evict(products, "2")
    await sync_records.rebuild(products)
    [request] = await models.RecoveryRequest.all()

    pushed = await sync_records.push(products, [GADGET])
    fulfilled = await sync.fulfill(shop, None, str(request.id))
    again = await sync.fulfill(shop, None, str(request.id))

    assert (pushed.stored, pushed.skipped) == (1, 0)
    assert fulfilled.status is again.status is RecoveryStatus.FULFILLED
    assert await models.SyncRecord.filter(payload__isnull=False).count() == 2


async def test_a_record_that_does_not_come_again_is_dropped(products: models.SyncCategory, shop: Principal) -> None:
    await sync_records.push(products, [WIDGET, GADGET])
    await sync_records.evict(products, "2")
    await sync_records.rebuild(products)
    [request] = await models.RecoveryRequest.all()

    await sync.fulfill(shop, None, str(request.id))

    assert [record.external_id for record in await models.SyncRecord.all()] == ["sku-1"]


async def test_other_columns_are_rendered_anew(
    ingestion: Ingestion, principal: Principal, retrieval: Retrieval, products: models.SyncCategory, shop: Principal
) -> None:
    await sync_records.push(products, [WIDGET])
    await indexed(ingestion, principal, products)

    changed, was_created = await sync.register_category(
        shop, None, "products", display_name=None, columns=["internal", "name"]
    )
    await ingestion.rebuild(changed.id.bytes)
    await indexed(ingestion, principal, products)

    [hit] = (await retrieval.search(principal, Search(("widget",)))).hits
    assert not was_created
    assert hit.chunk.text == "internal: shelf 9\nname: Blue widget"


async def test_a_rebuild_makes_every_chunk_anew(
    ingestion: Ingestion, principal: Principal, products: models.SyncCategory
) -> None:
    await sync_records.push(products, [WIDGET, GADGET])
    await indexed(ingestion, principal, products)
    before = {chunk.id for chunk in await models.Chunk.all()}

    await ingestion.rebuild(products.id.bytes)

    after = {chunk.id for chunk in await models.Chunk.all()}
    assert len(after) == 2
    assert not before & after


async def test_many_records_twice(products: models.SyncCategory) -> None:
    records = [{"id": n, "name": f"Thing {n}", "price": n} for n in range(5_000)]

    first = await sync_records.push(products, records)
    second = await sync_records.push(products, records)

    assert (first.stored, first.skipped) == (5_000, 0)
    assert (second.stored, second.skipped) == (0, 5_000)


async def test_a_deleted_source_leaves_nothing(
    ingestion: Ingestion, principal: Principal, retrieval: Retrieval, products: models.SyncCategory
) -> None:
    await sync_records.push(products, [WIDGET])
    await indexed(ingestion, principal, products)

    await sync.delete_source(principal, str(products.source_id))

    assert (await retrieval.search(principal, Search(("widget",)))).hits == []
    assert await collections.visible_to(principal).count() == 0


@pytest.mark.parametrize("name", ["", " ", "..", "a/b", "a?b", "a#b", "x" * 129])
async def test_a_category_can_stand_in_a_path(shop: Principal, name: str) -> None:
    with pytest.raises(Invalid):
        await sync.register_category(shop, None, name, display_name=None, columns=None)
