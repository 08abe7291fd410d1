"""Which embedder a collection means, as the thing that embeds."""

import logging
from collections.abc import Sequence

import models
from domain import collections
from engine.embeddings import Embedder
from errors import NotConfigured, PlatformError

__all__ = ["Embedders"]

_logger = logging.getLogger(__name__)


class Embedders:
    """Those of this process, by the names that their rows have. The first of them is what new collections get."""

    def __init__(self, chosen: Sequence[Embedder]) -> None:
        self._embedders = {embedder.name: embedder for embedder in chosen}

    async def offer(self, workspace: models.Workspace) -> None:
        """Write them down as rows. One that cannot be reached keeps its row, if it has one, and the next is taken."""
        has_default = False
        for embedder in self._embedders.values():
            known = await models.Embedder.get_or_none(workspace_id=workspace.id, name=embedder.name)
            try:
                dimension = known.dimension if known else await embedder.dimension()
            except PlatformError as exc:
                _logger.warning("the embedder %s cannot be asked how long its vectors are: %s", embedder.name, exc)
                continue
            await collections.offer_embedder(workspace, embedder, dimension, is_default=not has_default)
            has_default = True

    def named(self, name: str) -> Embedder:
        found = self._embedders.get(name)
        if found is None:
            raise NotConfigured(f"The embedder {name!r} is not configured any more")
        return found

    async def close(self) -> None:
        for embedder in self._embedders.values():
            await embedder.close()
