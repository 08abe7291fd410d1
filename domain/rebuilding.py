"""Making the chunks of a sync category anew from the records that are cached."""

import asyncio

import models
from domain import sync_records
from domain.embedders import Embedders
from domain.storing import NewDocument, store
from knowledge import index

__all__ = ["rebuild"]

_RECORDS_AT_ONCE = 500


async def rebuild(category: models.SyncCategory, embedders: Embedders) -> None:
    """Records that say something else now are stored like new ones; the others are cut and embedded once more."""
    collection = await models.Collection.get_or_none(id=category.collection_id, deleted_at=None)
    after = ""
    while collection is not None:
        records = await (
            models.SyncRecord.filter(category_id=category.id, external_id__gt=after, payload__isnull=False)
            .order_by("external_id")
            .limit(_RECORDS_AT_ONCE)
        )
        if not records:
            return
        after = records[-1].external_id
        await _rebuild_some(category, collection, records, embedders)


async def _rebuild_some(
    category: models.SyncCategory,
    collection: models.Collection,
    records: list[models.SyncRecord],
    embedders: Embedders,
) -> None:
    texts = await asyncio.to_thread(
        lambda: [
            sync_records.render(category.columns, record.payload or {"id": record.external_id}) for record in records
        ]
    )
    documents = [
        NewDocument(name=record.external_id, text=text, media_type=sync_records.MEDIA_TYPE)
        for record, text in zip(records, texts, strict=True)
    ]
    stored = await store(collection, documents)
    same = [each.document_id for each in stored if not each.is_queued]
    for batch in await index.claim_indexed(same):
        await index.index(batch, embedders.named(batch.embedder_name), anew=True)
    await sync_records.measure(records, texts)


def _rendered(category: models.SyncCategory, records: list[models.SyncRecord]) -> list[str]:
    return [sync_records.render(category.columns, record.payload or {"id": record.external_id}) for record in records]
