"""Collections, what is in them, and the sources that push records; written by Tortoise from the models."""

from tortoise import migrations
from tortoise.migrations import operations as ops
from models.collections import CollectionKind, IndexState
from models.ids import chunk_id, collection_id, content_id, embedder_id, knowledge_document_id, recovery_request_id, retrieval_log_id, sync_category_id, sync_record_id, sync_source_id
from models.sync import RecoveryReason, RecoveryStatus
from orjson import loads
from tortoise.fields.base import OnDelete
from tortoise.fields.data import JSON_DUMPS
from tortoise import fields
from tortoise.indexes import Index

class Migration(migrations.Migration):
    dependencies = [('models', '0002_search_and_leases')]

    initial = False

    operations = [
        ops.CreateModel(
            name='Embedder',
            fields=[
                ('id', fields.UUIDField(primary_key=True, default=embedder_id, unique=True, db_index=True)),
                ('workspace', fields.ForeignKeyField('models.Workspace', source_field='workspace_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('name', fields.CharField(max_length=128)),
                ('provider', fields.CharField(max_length=64)),
                ('model', fields.TextField(unique=False)),
                ('dimension', fields.IntField()),
                ('is_default', fields.BooleanField(default=False)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
            ],
            options={'table': 'embedders', 'app': 'models', 'unique_together': (('workspace', 'name'),), 'pk_attr': 'id'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='Collection',
            fields=[
                ('id', fields.UUIDField(primary_key=True, default=collection_id, unique=True, db_index=True)),
                ('workspace', fields.ForeignKeyField('models.Workspace', source_field='workspace_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('kind', fields.CharEnumField(default=CollectionKind.STANDARD, description='STANDARD: STANDARD\nLIBRARY: LIBRARY\nSYNC: SYNC', enum_type=CollectionKind, max_length=16)),
                ('name', fields.TextField(unique=False)),
                ('context', fields.TextField(null=True, unique=False)),
                ('tags', fields.JSONField(default=list, encoder=JSON_DUMPS, decoder=loads)),
                ('metadata', fields.JSONField(default=dict, encoder=JSON_DUMPS, decoder=loads)),
                ('embedder', fields.ForeignKeyField('models.Embedder', source_field='embedder_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.RESTRICT)),
                ('next_embedder', fields.ForeignKeyField('models.Embedder', source_field='next_embedder_id', null=True, db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.RESTRICT)),
                ('chunk_characters', fields.IntField()),
                ('chunk_overlap', fields.IntField()),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('updated_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('deleted_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'collections', 'app': 'models', 'indexes': [Index(fields=['workspace_id', 'id'])], 'pk_attr': 'id'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='Content',
            fields=[
                ('id', fields.UUIDField(primary_key=True, default=content_id, unique=True, db_index=True)),
                ('workspace_id', fields.UUIDField()),
                ('collection', fields.ForeignKeyField('models.Collection', source_field='collection_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('digest', fields.CharField(max_length=64)),
                ('name', fields.TextField(unique=False)),
                ('media_type', fields.TextField(null=True, unique=False)),
                ('title', fields.TextField(null=True, unique=False)),
                ('source', fields.BinaryField(null=True)),
                ('text', fields.TextField(null=True, unique=False)),
                ('characters', fields.IntField(default=0)),
                ('words', fields.IntField(default=0)),
                ('chunk_count', fields.IntField(null=True)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
            ],
            options={'table': 'contents', 'app': 'models', 'unique_together': (('collection', 'digest'),), 'pk_attr': 'id'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='Chunk',
            fields=[
                ('id', fields.UUIDField(primary_key=True, default=chunk_id, unique=True, db_index=True)),
                ('workspace_id', fields.UUIDField()),
                ('collection_id', fields.UUIDField()),
                ('content', fields.ForeignKeyField('models.Content', source_field='content_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('position', fields.IntField()),
                ('heading', fields.TextField(default='', unique=False)),
                ('text', fields.TextField(unique=False)),
                ('digest', fields.CharField(max_length=32)),
                ('start_line', fields.IntField(null=True)),
                ('end_line', fields.IntField(null=True)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
            ],
            options={'table': 'chunks', 'app': 'models', 'unique_together': (('content', 'position'),), 'pk_attr': 'id'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='KnowledgeDocument',
            fields=[
                ('id', fields.UUIDField(primary_key=True, default=knowledge_document_id, unique=True, db_index=True)),
                ('workspace', fields.ForeignKeyField('models.Workspace', source_field='workspace_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('collection', fields.ForeignKeyField('models.Collection', source_field='collection_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('content', fields.ForeignKeyField('models.Content', source_field='content_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('key', fields.TextField(null=True, unique=False)),
                ('name', fields.TextField(unique=False)),
                ('reference', fields.TextField(null=True, unique=False)),
                ('category', fields.TextField(null=True, unique=False)),
                ('description', fields.TextField(null=True, unique=False)),
                ('tags', fields.JSONField(default=list, encoder=JSON_DUMPS, decoder=loads)),
                ('metadata', fields.JSONField(default=dict, encoder=JSON_DUMPS, decoder=loads)),
                ('state', fields.CharEnumField(default=IndexState.QUEUED, description='QUEUED: QUEUED\nINDEXING: INDEXING\nINDEXED: INDEXED\nFAILED: FAILED\nCANCELLED: CANCELLED', enum_type=IndexState, max_length=16)),
                ('failure', fields.TextField(null=True, unique=False)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('updated_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('indexed_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('deleted_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'knowledge_documents', 'app': 'models', 'indexes': [Index(fields=['collection_id', 'created_at', 'id']), Index(fields=['content_id'])], 'pk_attr': 'id'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='RetrievalLog',
            fields=[
                ('id', fields.UUIDField(primary_key=True, default=retrieval_log_id, unique=True, db_index=True)),
                ('workspace', fields.ForeignKeyField('models.Workspace', source_field='workspace_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('query', fields.TextField(unique=False)),
                ('chunk_id', fields.UUIDField()),
                ('chunk_text', fields.TextField(unique=False)),
                ('document_id', fields.UUIDField()),
                ('document_name', fields.TextField(unique=False)),
                ('source_id', fields.UUIDField()),
                ('is_synced', fields.BooleanField(default=False)),
                ('score', fields.FloatField()),
                ('rank', fields.IntField()),
                ('agent', fields.CharField(max_length=32)),
                ('session_id', fields.UUIDField(null=True)),
                ('message_id', fields.UUIDField(null=True)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
            ],
            options={'table': 'retrieval_logs', 'app': 'models', 'indexes': [Index(fields=['workspace_id', 'source_id', 'id']), Index(fields=['message_id'])], 'pk_attr': 'id'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='SyncSource',
            fields=[
                ('id', fields.UUIDField(primary_key=True, default=sync_source_id, unique=True, db_index=True)),
                ('workspace', fields.ForeignKeyField('models.Workspace', source_field='workspace_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('name', fields.TextField(unique=False)),
                ('last_heartbeat_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
            ],
            options={'table': 'sync_sources', 'app': 'models', 'unique_together': (('workspace', 'name'),), 'pk_attr': 'id'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='SyncCategory',
            fields=[
                ('id', fields.UUIDField(primary_key=True, default=sync_category_id, unique=True, db_index=True)),
                ('workspace', fields.ForeignKeyField('models.Workspace', source_field='workspace_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('source', fields.ForeignKeyField('models.SyncSource', source_field='source_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('collection', fields.OneToOneField('models.Collection', source_field='collection_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('name', fields.TextField(unique=False)),
                ('display_name', fields.TextField(unique=False)),
                ('columns', fields.JSONField(default=list, encoder=JSON_DUMPS, decoder=loads)),
                ('last_synced_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('updated_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
            ],
            options={'table': 'sync_categories', 'app': 'models', 'unique_together': (('source', 'name'),), 'pk_attr': 'id'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='RecoveryRequest',
            fields=[
                ('id', fields.UUIDField(primary_key=True, default=recovery_request_id, unique=True, db_index=True)),
                ('workspace', fields.ForeignKeyField('models.Workspace', source_field='workspace_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('category', fields.ForeignKeyField('models.SyncCategory', source_field='category_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('external_id', fields.TextField(unique=False)),
                ('reason', fields.CharEnumField(description='CACHE_MISS: CACHE_MISS\nREBUILD: REBUILD', enum_type=RecoveryReason, max_length=16)),
                ('status', fields.CharEnumField(default=RecoveryStatus.PENDING, description='PENDING: PENDING\nFULFILLED: FULFILLED', enum_type=RecoveryStatus, max_length=16)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ('fulfilled_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'recovery_requests', 'app': 'models', 'indexes': [Index(fields=['category_id', 'status', 'id'])], 'pk_attr': 'id'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='SyncRecord',
            fields=[
                ('id', fields.UUIDField(primary_key=True, default=sync_record_id, unique=True, db_index=True)),
                ('workspace_id', fields.UUIDField()),
                ('category', fields.ForeignKeyField('models.SyncCategory', source_field='category_id', db_constraint=True, to_field='id', related_name=False, on_delete=OnDelete.CASCADE)),
                ('external_id', fields.TextField(unique=False)),
                ('digest', fields.CharField(max_length=64)),
                ('payload', fields.JSONField(null=True, encoder=JSON_DUMPS, decoder=loads)),
                ('document_id', fields.UUIDField()),
                ('characters', fields.IntField()),
                ('shards', fields.IntField()),
                ('updated_at', fields.DatetimeField(auto_now=False, auto_now_add=True)),
            ],
            options={'table': 'sync_records', 'app': 'models', 'unique_together': (('category', 'external_id'),), 'indexes': [Index(fields=['document_id'])], 'pk_attr': 'id'},
            bases=['Model'],
        ),
    ]
