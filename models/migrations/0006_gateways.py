"""Gateways, skills, memories, several models under one name, budgets, and what each answer cost beside its tokens."""

from orjson import loads
from tortoise import fields, migrations
from tortoise.fields.base import OnDelete
from tortoise.fields.data import JSON_DUMPS
from tortoise.indexes import Index
from tortoise.migrations import operations as ops

from models.budgets import BudgetPeriod
from models.gateways import MemoryFormat
from models.ids import budget_id, gateway_id, memory_id, model_route_id, model_route_target_id, skill_id


class Migration(migrations.Migration):
    dependencies = [("models", "0005_providers_and_prices")]

    initial = False

    operations = [
        ops.CreateModel(
            name="Budget",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=budget_id, unique=True, db_index=True)),
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
                (
                    "api_key",
                    fields.ForeignKeyField(
                        "models.ApiKey",
                        source_field="api_key_id",
                        null=True,
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                (
                    "period",
                    fields.CharEnumField(
                        default=BudgetPeriod.TOTAL,
                        description="TOTAL: TOTAL\nDAY: DAY\nMONTH: MONTH",
                        enum_type=BudgetPeriod,
                        max_length=16,
                    ),
                ),
                ("amount", fields.DecimalField(max_digits=18, decimal_places=9)),
                ("spent", fields.DecimalField(default=0, max_digits=18, decimal_places=9)),
                ("held", fields.DecimalField(default=0, max_digits=18, decimal_places=9)),
                ("period_started_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
            ],
            options={
                "table": "budgets",
                "app": "models",
                "indexes": [Index(fields=["workspace_id", "api_key_id"])],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="BudgetHold",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                (
                    "budget",
                    fields.ForeignKeyField(
                        "models.Budget",
                        source_field="budget_id",
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                ("owner", fields.UUIDField()),
                ("amount", fields.DecimalField(max_digits=18, decimal_places=9)),
                ("lease_expires_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "budget_holds",
                "app": "models",
                "unique_together": (("budget", "owner"),),
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Gateway",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=gateway_id, unique=True, db_index=True)),
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
                ("name", fields.CharField(max_length=256)),
                ("slug", fields.CharField(max_length=300)),
                ("parameters", fields.JSONField(default=dict, encoder=JSON_DUMPS, decoder=loads)),
                ("secrets", fields.TextField(null=True, unique=False)),
                ("revision", fields.IntField(default=1)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ("updated_at", fields.DatetimeField(auto_now=True, auto_now_add=False)),
            ],
            options={
                "table": "gateways",
                "app": "models",
                "unique_together": (("workspace", "slug"),),
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Memory",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=memory_id, unique=True, db_index=True)),
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
                ("external_user", fields.TextField(unique=False)),
                (
                    "format",
                    fields.CharEnumField(
                        default=MemoryFormat.TEXT,
                        description="TEXT: TEXT\nDATE_REMINDER: DATE_REMINDER",
                        enum_type=MemoryFormat,
                        max_length=16,
                    ),
                ),
                ("content", fields.TextField(unique=False)),
                ("gateway_id", fields.UUIDField(null=True)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ("expires_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "memories",
                "app": "models",
                "indexes": [Index(fields=["workspace_id", "external_user", "format", "id"])],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="ModelRoute",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=model_route_id, unique=True, db_index=True)),
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
                ("name", fields.CharField(max_length=256)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
            ],
            options={
                "table": "model_routes",
                "app": "models",
                "unique_together": (("workspace", "name"),),
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="ModelRouteTarget",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=model_route_target_id, unique=True, db_index=True)),
                (
                    "route",
                    fields.ForeignKeyField(
                        "models.ModelRoute",
                        source_field="route_id",
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                (
                    "model",
                    fields.ForeignKeyField(
                        "models.Model",
                        source_field="model_id",
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                ("tier", fields.IntField(default=0)),
                ("weight", fields.IntField(default=1)),
            ],
            options={
                "table": "model_route_targets",
                "app": "models",
                "unique_together": (("route", "model"),),
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Skill",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=skill_id, unique=True, db_index=True)),
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
                ("slug", fields.CharField(max_length=64)),
                ("slug_key", fields.CharField(max_length=64)),
                ("description", fields.TextField(null=True, unique=False)),
                ("instructions", fields.TextField(unique=False)),
                ("sources", fields.JSONField(default=list, encoder=JSON_DUMPS, decoder=loads)),
                ("secrets", fields.TextField(null=True, unique=False)),
                ("allowed_tools", fields.JSONField(default=list, encoder=JSON_DUMPS, decoder=loads)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ("updated_at", fields.DatetimeField(auto_now=True, auto_now_add=False)),
            ],
            options={
                "table": "skills",
                "app": "models",
                "unique_together": (("workspace", "slug_key"),),
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.AddField(
            model_name="ApiKey",
            name="calls_at_once",
            field=fields.IntField(null=True),
        ),
        ops.AddField(
            model_name="ApiKey",
            name="requests_per_minute",
            field=fields.IntField(null=True),
        ),
        ops.AddField(
            model_name="ApiKey",
            name="tokens_per_minute",
            field=fields.IntField(null=True),
        ),
        ops.AddField(
            model_name="Model",
            name="cached_price",
            field=fields.DecimalField(null=True, max_digits=18, decimal_places=6),
        ),
        ops.AddField(
            model_name="Provider",
            name="calls_at_once",
            field=fields.IntField(null=True),
        ),
        ops.AddField(
            model_name="UsageRecord",
            name="cached_price",
            field=fields.DecimalField(null=True, max_digits=18, decimal_places=6),
        ),
        ops.AddField(
            model_name="UsageRecord",
            name="gateway_id",
            field=fields.UUIDField(null=True),
        ),
        ops.AddField(
            model_name="UsageRecord",
            name="items",
            field=fields.JSONField(null=True, default=list, encoder=JSON_DUMPS, decoder=loads),
        ),
        ops.AddField(
            model_name="Workspace",
            name="allows_logging",
            field=fields.BooleanField(null=True, default=True),
        ),
        ops.AddField(
            model_name="Workspace",
            name="heals_json",
            field=fields.BooleanField(null=True, default=False),
        ),
        ops.AddField(
            model_name="Workspace",
            name="salt",
            field=fields.TextField(null=True, unique=False),
        ),
        # A default of the model is none of the database, and there may be rows already.
        ops.RunSQL("UPDATE usage_records SET items = '[]'", "SELECT 1"),
        ops.RunSQL("UPDATE workspaces SET allows_logging = true, heals_json = false", "SELECT 1"),
        ops.AlterField(
            model_name="UsageRecord",
            name="items",
            field=fields.JSONField(default=list, encoder=JSON_DUMPS, decoder=loads),
        ),
        ops.AlterField(model_name="Workspace", name="allows_logging", field=fields.BooleanField(default=True)),
        ops.AlterField(model_name="Workspace", name="heals_json", field=fields.BooleanField(default=False)),
        # Rows that are written by statements of our own.
        ops.RunSQL(
            "ALTER TABLE workspaces ALTER allows_logging SET DEFAULT true, ALTER heals_json SET DEFAULT false",
            "ALTER TABLE workspaces ALTER allows_logging DROP DEFAULT, ALTER heals_json DROP DEFAULT",
        ),
        ops.RunSQL(
            "ALTER TABLE usage_records ALTER items SET DEFAULT '[]'",
            "ALTER TABLE usage_records ALTER items DROP DEFAULT",
        ),
        # One of each period for a workspace, and one for each of its keys.
        ops.RunSQL(
            "CREATE UNIQUE INDEX budgets_place ON budgets (workspace_id,"
            " coalesce(api_key_id, '00000000-0000-0000-0000-000000000000'), period)",
            "DROP INDEX budgets_place",
        ),
    ]
