"""What people set up themselves beside what the environment names, and what a million tokens cost when it was billed."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [("models", "0004_knowledge_search")]

    initial = False

    operations = [
        ops.AddField(
            model_name="Provider",
            name="credential",
            field=fields.TextField(null=True, unique=False),
        ),
        ops.AddField(
            model_name="Provider",
            name="from_environment",
            field=fields.BooleanField(default=False, null=True),
        ),
        ops.AddField(
            model_name="Provider",
            name="revision",
            field=fields.IntField(default=1, null=True),
        ),
        ops.AddField(
            model_name="UsageRecord",
            name="input_price",
            field=fields.DecimalField(null=True, max_digits=18, decimal_places=6),
        ),
        ops.AddField(
            model_name="UsageRecord",
            name="output_price",
            field=fields.DecimalField(null=True, max_digits=18, decimal_places=6),
        ),
        # Until now all of them were the operator's.
        ops.RunSQL("UPDATE providers SET from_environment = true, revision = 1", "SELECT 1"),
        # Only now: a default of the model is none of the database, and there may be rows already.
        ops.AlterField(model_name="Provider", name="from_environment", field=fields.BooleanField(default=False)),
        ops.AlterField(model_name="Provider", name="revision", field=fields.IntField(default=1)),
    ]
