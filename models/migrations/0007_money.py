"""What is kept to count: days of usage, the last minute of keys with limits, and whose word a conversation came under."""

from orjson import loads
from tortoise import fields, migrations
from tortoise.fields.base import OnDelete
from tortoise.fields.data import JSON_DUMPS
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [("models", "0006_gateways")]

    initial = False

    operations = [
        ops.CreateModel(
            name="KeyActivity",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("api_key_id", fields.UUIDField()),
                ("owner", fields.UUIDField()),
                ("slot", fields.BigIntField()),
                ("requests", fields.JSONField(default=list, encoder=JSON_DUMPS, decoder=loads)),
                ("tokens", fields.JSONField(default=list, encoder=JSON_DUMPS, decoder=loads)),
                ("running", fields.IntField(default=0)),
                ("seen_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
            ],
            options={
                "table": "key_activity",
                "app": "models",
                "unique_together": (("api_key_id", "owner"),),
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="UsageDay",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                (
                    "workspace",
                    fields.ForeignKeyField(
                        "models.Workspace",
                        source_field="workspace_id",
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                ("day", fields.DateField()),
                ("model_name", fields.TextField(unique=False)),
                ("vendor", fields.TextField(unique=False)),
                ("api_key_id", fields.UUIDField(null=True)),
                ("gateway_id", fields.UUIDField(null=True)),
                ("requests", fields.BigIntField()),
                ("successes", fields.BigIntField()),
                ("input_tokens", fields.BigIntField()),
                ("output_tokens", fields.BigIntField()),
                ("cached_tokens", fields.BigIntField()),
                ("cost", fields.DecimalField(max_digits=24, decimal_places=9)),
            ],
            options={"table": "usage_days", "app": "models", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="UsageUserDay",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                (
                    "workspace",
                    fields.ForeignKeyField(
                        "models.Workspace",
                        source_field="workspace_id",
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                ("day", fields.DateField()),
                ("external_user", fields.TextField(null=True, unique=False)),
                ("requests", fields.BigIntField()),
                ("successes", fields.BigIntField()),
                ("input_tokens", fields.BigIntField()),
                ("output_tokens", fields.BigIntField()),
                ("cached_tokens", fields.BigIntField()),
                ("cost", fields.DecimalField(max_digits=24, decimal_places=9)),
            ],
            options={"table": "usage_user_days", "app": "models", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.AddField(
            model_name="Conversation",
            name="api_key_id",
            field=fields.UUIDField(null=True),
        ),
        ops.AddField(
            model_name="Conversation",
            name="idempotency_key",
            field=fields.TextField(null=True, unique=False),
        ),
        # Whoever is counted may be nobody: a plain unique index would tell two of them apart.
        ops.RunSQL(
            "CREATE UNIQUE INDEX usage_days_place ON usage_days (workspace_id, day, model_name, vendor,"
            " coalesce(api_key_id, '00000000-0000-0000-0000-000000000000'),"
            " coalesce(gateway_id, '00000000-0000-0000-0000-000000000000'))",
            "DROP INDEX usage_days_place",
        ),
        ops.RunSQL(
            "CREATE UNIQUE INDEX usage_user_days_place ON usage_user_days"
            " (workspace_id, day, coalesce(external_user, ''))",
            "DROP INDEX usage_user_days_place",
        ),
        ops.RunSQL(
            "CREATE UNIQUE INDEX conversations_idempotency ON conversations (workspace_id,"
            " coalesce(api_key_id, '00000000-0000-0000-0000-000000000000'), idempotency_key)"
            " WHERE idempotency_key IS NOT NULL",
            "DROP INDEX conversations_idempotency",
        ),
        # The rows of a day are written again and again: room for it beside them.
        ops.RunSQL("ALTER TABLE usage_days SET (fillfactor = 70)", "ALTER TABLE usage_days RESET (fillfactor)"),
        ops.RunSQL("ALTER TABLE budgets SET (fillfactor = 50)", "ALTER TABLE budgets RESET (fillfactor)"),
        # A minute old at most: nothing worth a log.
        ops.RunSQL("ALTER TABLE key_activity SET UNLOGGED", "ALTER TABLE key_activity SET LOGGED"),
        ops.RunSQL(
            "INSERT INTO usage_days (workspace_id, day, model_name, vendor, api_key_id, gateway_id, requests,"
            " successes, input_tokens, output_tokens, cached_tokens, cost)"
            " SELECT workspace_id, (created_at AT TIME ZONE 'UTC')::date, model_name, vendor, api_key_id, gateway_id,"
            " count(*), count(*) FILTER (WHERE success), sum(input_tokens), sum(output_tokens), sum(cached_tokens),"
            " sum(cost) FROM usage_records GROUP BY 1, 2, 3, 4, 5, 6",
            "SELECT 1",
        ),
        ops.RunSQL(
            "INSERT INTO usage_user_days (workspace_id, day, external_user, requests, successes, input_tokens,"
            " output_tokens, cached_tokens, cost)"
            " SELECT workspace_id, (created_at AT TIME ZONE 'UTC')::date, nullif(external_user, ''), count(*),"
            " count(*) FILTER (WHERE success), sum(input_tokens), sum(output_tokens), sum(cached_tokens), sum(cost)"
            " FROM usage_records GROUP BY 1, 2, 3",
            "SELECT 1",
        ),
    ]
