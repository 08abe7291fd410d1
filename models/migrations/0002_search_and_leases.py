"""Indexes over expressions and parts of tables, which models cannot declare."""

from tortoise import migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [("models", "0001_initial")]

    operations = [
        # A tsvector holds at most a megabyte; a longer message is searchable by its beginning, and can still be saved.
        ops.RunSQL(
            "CREATE INDEX messages_search ON messages USING gin (to_tsvector('simple', left(text, 250000)))",
            "DROP INDEX messages_search",
        ),
        ops.RunSQL(
            "CREATE INDEX turns_running ON turns (lease_expires_at) WHERE status = 'RUNNING'",
            "DROP INDEX turns_running",
        ),
        ops.RunSQL("CREATE INDEX turn_events_age ON turn_events (created_at)", "DROP INDEX turn_events_age"),
    ]
