"""The database of a machine that has none: Postgres and pgvector out of a wheel, on a Unix socket."""

from app.postgres.address import Address
from app.postgres.embedded import EmbeddedPostgres
from app.postgres.failures import DirectoryInUse, PostgresFailed

__all__ = ["Address", "DirectoryInUse", "EmbeddedPostgres", "PostgresFailed"]
