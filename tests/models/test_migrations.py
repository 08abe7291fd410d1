"""A database that is in use comes up to date with everything in it."""

import asyncio
from uuid import uuid4

import asyncpg
from tortoise.connection import get_connection
from tortoise.migrations.api.migrate import migrate as apply_migrations

from app.postgres import Address
from models.database import configuration, migrate
from tests.conftest import credentials, postgres_execute

OF_EACH_KIND = """
INSERT INTO workspaces (id, name, created_at) VALUES ($1, 'local', now());
INSERT INTO providers (id, workspace_id, name, wire, base_url, created_at) VALUES ($1, $1, 'p', 'openai', '', now());
INSERT INTO models (id, workspace_id, provider_id, name, vendor, is_default, created_at)
       VALUES ($1, $1, $1, 'm', 'v', true, now());
INSERT INTO conversations (id, workspace_id, model_id, metadata, message_count, created_at, last_activity_at)
       VALUES ($1, $1, $1, '{}', 0, now(), now());
INSERT INTO messages (id, workspace_id, conversation_id, role, parts, text, created_at)
       VALUES ($1, $1, $1, 'user', '[]', '', now());
INSERT INTO turns (id, workspace_id, conversation_id, model_id, question_id, answer_id, continues, status, action,
                   provider_name, model_name, owner, lease_expires_at, last_sequence, started_at)
       VALUES ($1, $1, $1, $1, $1, $1, true, 'COMPLETED', 'chat', 'p', 'm', $1, now(), 1, now());
INSERT INTO turn_events (turn_id, first_sequence, last_sequence, events, created_at) VALUES ($1, 1, 1, '[]', now());
INSERT INTO usage_records (id, workspace_id, turn_id, provider_name, model_name, vendor, action, input_tokens,
                           output_tokens, cached_tokens, estimated, cost, success, created_at)
       VALUES ($1, $1, $1, 'p', 'm', 'v', 'chat', 1, 1, 0, false, 0, true, now());
"""


async def test_rows_of_the_first_version_are_kept(postgres: Address) -> None:
    name = f"test_{uuid4().hex}"
    await postgres_execute(postgres, f"CREATE DATABASE {name}")
    try:
        bare = await asyncpg.connect(postgres.dsn(name))
        id = uuid4()
        await bare.execute("CREATE EXTENSION vector")
        # In a task of its own, as `migrate` does it: Tortoise would leave its connections behind here.
        await asyncio.create_task(_first_version(credentials(postgres, name)))
        for statement in OF_EACH_KIND.split(";")[:-1]:
            await bare.execute(statement, id)

        await migrate(credentials(postgres, name))

        assert await bare.fetchval("SELECT count(*) FROM usage_records JOIN turns ON turns.id = turn_id") == 1
        await bare.close()
    finally:
        await postgres_execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")


async def _first_version(credentials: dict[str, object]) -> None:
    await apply_migrations(config=configuration(credentials), target="models.0001_initial")
    await get_connection("default").close()
