"""How much a workspace knows, and whether it can be found."""

from dataclasses import dataclass
from datetime import datetime

import models
from domain.collections import Chunking
from domain.identity import Principal
from domain.service import ServiceHealth
from models.database import connection

__all__ = ["KnowledgeStatus", "status"]


@dataclass(frozen=True, slots=True)
class KnowledgeStatus:
    is_enabled: bool
    problems: list[str]
    data_directory: str
    embedder: models.Embedder | None
    chunking: Chunking
    default_top: int
    collections: int
    documents: int
    indexed: int
    pending: int
    failed: int
    chunks: int
    last_activity_at: datetime | None

    @property
    def health(self) -> ServiceHealth:
        return ServiceHealth.UNHEALTHY if self.problems else ServiceHealth.HEALTHY

    @property
    def chunk_characters(self) -> int:
        return self.chunking.characters

    @property
    def chunk_overlap(self) -> int:
        return self.chunking.overlap


async def status(principal: Principal, *, data_directory: str, chunking: Chunking, default_top: int) -> KnowledgeStatus:
    embedder = await models.Embedder.filter(workspace_id=principal.workspace_id, is_default=True).first()
    async with connection() as bare:
        row = await bare.fetchrow(
            """
            SELECT (SELECT count(*) FROM collections WHERE workspace_id = $1 AND deleted_at IS NULL) AS collections,
                   count(*) AS documents, count(*) FILTER (WHERE state = 'INDEXED') AS indexed,
                   count(*) FILTER (WHERE state IN ('QUEUED', 'INDEXING')) AS pending,
                   count(*) FILTER (WHERE state = 'FAILED') AS failed,
                   coalesce(sum(n.chunk_count) FILTER (WHERE state = 'INDEXED'), 0) AS chunks,
                   max(greatest(d.indexed_at, d.updated_at)) AS last_activity_at
            FROM knowledge_documents d JOIN contents n ON n.id = d.content_id
            JOIN collections k ON k.id = d.collection_id AND k.deleted_at IS NULL
            WHERE d.workspace_id = $1 AND d.deleted_at IS NULL
            """,
            principal.workspace_id,
        )
    assert row is not None
    problems = [] if embedder else ["No embedder is configured"]
    return KnowledgeStatus(True, problems, data_directory, embedder, chunking, default_top, **row)
