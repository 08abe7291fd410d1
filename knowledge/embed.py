"""Vectors for what was split, and for questions."""

from collections.abc import Sequence

import orjson

from engine.embeddings import Embedder, Purpose, Vectors

__all__ = ["embed_passages", "embed_question", "to_sql"]


async def embed_passages(embedder: Embedder, texts: Sequence[str]) -> Vectors:
    """One row for each text; a text that occurs twice is sent once."""
    distinct = list(dict.fromkeys(texts))
    vectors = await embedder.embed(distinct, Purpose.DOCUMENT)
    if len(distinct) == len(texts):
        return vectors
    rows = {text: row for row, text in enumerate(distinct)}
    return vectors[[rows[text] for text in texts]]


async def embed_question(embedder: Embedder, *texts: str) -> Vectors:
    return await embedder.embed(texts, Purpose.QUERY)


def to_sql(vectors: Vectors) -> list[str]:
    """Each row in the words of pgvector, to be cast with `::vector`.

    orjson writes a row in a tenth of the time Python needs, and costs no codec on each connection.
    """
    return [orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY).decode() for row in vectors]
